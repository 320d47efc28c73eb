//! The commands that work on the ledger in Postgres, and why one of them was not done.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use adapters::postgres::connect::Connector;
use clap::Subcommand;
use domain::error::Cause;
use domain::order::ports::QueryError;
use domain::stock::adjust::AdjustError;
use domain::stock::import::ImportError;
use domain::stock::ports::KeepingError;
use domain::types::Sku;

use super::{Ended, audit, db, migrate, print, stock};
use crate::config::Settings;
use crate::roles::StartError;
use crate::telemetry::chain;
use crate::wiring::postgres;

/// LOMS tries again when a server does not answer at once; a command has one try, on a machine that
/// may be busy.
const CONNECT_TIMEOUT_MIN: Duration = Duration::from_secs(5);

/// What an operator can ask for.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Check that orders, stock, histories, events and keys agree with each other
    #[command(long_about = audit::ABOUT)]
    Audit,
    /// Bring the schema of the database up to date
    #[command(long_about = migrate::ABOUT)]
    Migrate,
    /// Load, adjust and show stock
    #[command(subcommand)]
    Stock(stock::StockCommand),
    /// Look at the servers of the database, and decide whom commits wait for
    #[command(subcommand)]
    Db(db::DbCommand),
}

/// Why a command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// There is no database.
    #[error(
        "this command works on a database: set postgres.url, as in \
         --set postgres.url=postgres://loms@HOST:5432/loms or APP__POSTGRES__URL"
    )]
    NoDatabase,
    /// The settings of the database are of no use.
    #[error("{}", chain(.0))]
    Settings(StartError),
    /// Nobody reads what is said.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
    /// The ledger was not audited.
    #[error("the audit could not be done, nobody can tell whether the ledger is sound: {}", chain(.0))]
    Audit(QueryError),
    /// The ledger was audited, and breaks rules.
    #[error("{0} rules of the ledger do not hold")]
    Broken(usize),
    /// The schema is not ready.
    #[error("{}", chain(.0))]
    Migrate(#[from] adapters::postgres::migrate::MigrateError),
    /// A file cannot be opened.
    #[error("cannot read {path}: {source}")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A file is not imported.
    #[error("{path}: {}", chain(.source))]
    Import {
        /// Which.
        path: String,
        /// Why.
        source: ImportError,
    },
    /// Stock is not adjusted.
    #[error("{}", chain(.0))]
    Adjust(AdjustError),
    /// Stock cannot be seen.
    #[error("{}", chain(.0))]
    Stock(KeepingError),
    /// There is nothing to show.
    #[error("sku {0} has no stock record")]
    NoRecord(Sku),
    /// Nobody can tell whether it was done.
    #[error("the COMMIT was not answered ({}), and nobody can tell whether it was done; {advice}", chain(.cause))]
    Unknown {
        /// What to do now.
        advice: String,
        /// Why.
        cause: Cause,
    },
    /// The servers are not well.
    #[error("{0}")]
    Troubles(String),
    /// Whom commits wait for was not changed.
    #[error("{}", chain(.0))]
    Standbys(#[from] adapters::postgres::standbys::StandbysError),
}

impl Ended for CommandError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::NoDatabase | Self::Settings(_) => 2,
            Self::Unknown { .. } | Self::Audit(_) => 3,
            Self::Output(_)
            | Self::Migrate(_)
            | Self::Broken(_)
            | Self::File { .. }
            | Self::Import { .. }
            | Self::Adjust(_)
            | Self::Stock(_)
            | Self::NoRecord(_)
            | Self::Troubles(_)
            | Self::Standbys(_) => 1,
        }
    }
}

/// Does it.
pub(super) async fn perform(command: LedgerCommand, settings: &Settings) -> Result<(), CommandError> {
    match command {
        LedgerCommand::Audit => audit::run(&connector(settings)?, &settings.audit).await,
        LedgerCommand::Migrate => migrate::run(&*connector(settings)?).await,
        LedgerCommand::Stock(command) => stock::run(command, &connector(settings)?).await,
        LedgerCommand::Db(command) => db::run(command, &*connector(settings)?).await,
    }
}

/// The way to the database of the settings.
fn connector(settings: &Settings) -> Result<Arc<Connector>, CommandError> {
    let settings = postgres::settings(settings).map_err(CommandError::Settings)?;
    let mut settings = settings.ok_or(CommandError::NoDatabase)?;
    settings.connect_timeout = settings.connect_timeout.max(CONNECT_TIMEOUT_MIN);
    Ok(Connector::new(settings))
}

/// Says a line to whoever asked.
pub(super) fn say(line: impl AsRef<str>) -> Result<(), CommandError> {
    print(line.as_ref()).map_err(CommandError::Output)
}
