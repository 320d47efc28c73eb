//! Settings of the database as its adapter wants them.

use adapters::postgres::settings::PostgresSettings;

use crate::config::Settings;
use crate::roles::StartError;

/// `None` where the ledger is in memory.
///
/// # Errors
/// [`StartError::Database`]. A role that has a database was refused with these problems before; a
/// file may be gone since, and a command may be given the role of another process.
pub fn settings(settings: &Settings) -> Result<Option<PostgresSettings>, StartError> {
    Ok(settings.database()?)
}
