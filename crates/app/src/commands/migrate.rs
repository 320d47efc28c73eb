//! `app migrate`: brings the schema up to date, as LOMS does at its start, for those who want to see
//! it done before they start one.

use adapters::postgres::connect::Connector;
use adapters::postgres::migrate::migrate;

use super::ledger::{CommandError, say};

/// The help of the command.
pub(super) const ABOUT: &str = "\
Bring the schema of the database up to date.

LOMS does the same at its start; several may do it at once. Migrations go forward only, and one that \
fails changes nothing. Exit code: 0 done, 1 failed, 2 wrong settings.";

/// Migrates, and says what was done.
pub(super) async fn run(connector: &Connector) -> Result<(), CommandError> {
    let migrated = migrate(connector).await?;
    let applied = match migrated.applied {
        0 => "nothing was to be done".to_owned(),
        1 => "1 migration was applied".to_owned(),
        many => format!("{many} migrations were applied"),
    };
    say(format!("the schema has version {}; {applied}", migrated.version))
}
