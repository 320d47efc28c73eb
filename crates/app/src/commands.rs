//! What an operator does with the one binary beside running it: one file a command. A command
//! says what it did on standard output and why it did not on standard error.
//!
//! | exit code | means |
//! |---|---|
//! | 0 | done |
//! | 1 | refused or failed, nothing was changed; of `audit`: rules of the ledger do not hold |
//! | 2 | wrong usage or wrong settings |
//! | 3 | sent, and nobody can tell whether it was done; of `audit`: nobody can tell, it could not be done |

pub mod audit;
pub mod db;
#[cfg(feature = "notifier")]
pub mod dlq;
pub mod migrate;
pub mod stock;
#[cfg(feature = "notifier")]
pub mod topics;

use std::io::{self, Write};
use std::process::ExitCode;
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

use crate::config::Settings;
use crate::roles::StartError;
use crate::telemetry::chain;
use crate::wiring::postgres;

/// Time for what a command leaves behind: a connection to say good-bye.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// LOMS tries again when a server does not answer at once; a command has one try, on a machine that
/// may be busy.
const CONNECT_TIMEOUT_MIN: Duration = Duration::from_secs(5);

/// What an operator can ask for.
#[derive(Debug, Subcommand)]
pub enum Command {
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
    /// Create the topics of order events and dead letters where they are missing
    #[cfg(feature = "notifier")]
    #[command(long_about = topics::ABOUT)]
    Topics,
    /// Show order events that could not be handled, and send them back
    #[cfg(feature = "notifier")]
    #[command(subcommand)]
    Dlq(dlq::DlqCommand),
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
    /// There is no broker.
    #[error(
        "this command works on brokers: set kafka.brokers, as in --set kafka.brokers=HOST:9092 or APP__KAFKA__BROKERS"
    )]
    #[cfg(feature = "notifier")]
    NoBrokers,
    /// The settings of the brokers are of no use.
    #[cfg(feature = "notifier")]
    #[error(transparent)]
    Brokers(#[from] crate::config::BrokersError),
    /// Topics are not as they should be.
    #[cfg(feature = "notifier")]
    #[error("{}", chain(.0))]
    Topics(#[from] adapters::kafka::topics::TopicsError),
    /// Dead letters cannot be looked through.
    #[cfg(feature = "notifier")]
    #[error("{}", chain(.0))]
    Letters(#[from] adapters::kafka::letters::LettersError),
    /// A dead letter was not sent back; those before it were.
    #[cfg(feature = "notifier")]
    #[error("the dead letter {place} was not sent back: {}; --skip {place} passes it over", chain(.source))]
    Replay {
        /// Where it stands.
        place: domain::notify::ports::Position,
        /// Why.
        source: adapters::kafka::errors::KafkaError,
    },
    /// The settings of the database are of no use.
    #[error("{}", chain(.0))]
    Settings(StartError),
    /// The process cannot do anything at all.
    #[error("cannot start: {0}")]
    Runtime(io::Error),
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

impl CommandError {
    /// The code with which the process ends.
    const fn exit_code(&self) -> u8 {
        match self {
            Self::NoDatabase | Self::Settings(_) => 2,
            #[cfg(feature = "notifier")]
            Self::NoBrokers | Self::Brokers(_) => 2,
            #[cfg(feature = "notifier")]
            Self::Topics(_) | Self::Letters(_) | Self::Replay { .. } => 1,
            Self::Unknown { .. } | Self::Audit(_) => 3,
            Self::Runtime(_)
            | Self::Output(_)
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

/// Does what a command asks for, and says so.
pub fn run(command: Command, settings: &Settings) -> ExitCode {
    match in_runtime(command, settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr().lock(), "app: {error}"); // nobody else is left to be told
            ExitCode::from(error.exit_code())
        }
    }
}

fn in_runtime(command: Command, settings: &Settings) -> Result<(), CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(CommandError::Runtime)?;
    let done = runtime.block_on(perform(command, settings));
    runtime.shutdown_timeout(LAST_WORDS);
    done
}

async fn perform(command: Command, settings: &Settings) -> Result<(), CommandError> {
    match command {
        Command::Audit => audit::run(&connector(settings)?, &settings.audit).await,
        Command::Migrate => migrate::run(&*connector(settings)?).await,
        Command::Stock(command) => stock::run(command, &connector(settings)?).await,
        Command::Db(command) => db::run(command, &*connector(settings)?).await,
        #[cfg(feature = "notifier")]
        Command::Topics => topics::run(settings).await,
        #[cfg(feature = "notifier")]
        Command::Dlq(command) => dlq::run(command, settings).await,
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
fn say(line: impl AsRef<str>) -> Result<(), CommandError> {
    writeln!(io::stdout().lock(), "{}", line.as_ref()).map_err(CommandError::Output)
}
