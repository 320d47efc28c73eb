//! Settings of the database as its adapter wants them. (Stand-in of the lead.)

use adapters::postgres::settings::PostgresSettings;

use crate::config::Settings;
use crate::roles::StartError;

/// `None` where the ledger is in memory.
///
/// # Errors
/// None yet.
pub fn settings(settings: &Settings) -> Result<Option<PostgresSettings>, StartError> {
    Ok(settings
        .postgres
        .url
        .parse()
        .ok()
        .filter(|_| !settings.postgres.url.is_empty())
        .map(PostgresSettings::new))
}
