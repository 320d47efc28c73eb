//! The schema: migrations of `sql/migrations`, forward only, one instance at a time. An instance
//! that is older than the schema runs on it only where the schema says that it can.

use std::time::Duration;

use refinery::Runner;
use tokio::time::timeout;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::connect::{ConnectError, Connector, Session};

mod embedded {
    refinery::embed_migrations!("../../sql/migrations");
}

/// The session lock under which migrations run. Any number that nobody else uses.
const LOCK: i64 = 0x6c6f_6d73; // "loms"
/// For all of it; a synchronous standby that is away makes every commit wait.
const TIME_MAX: Duration = Duration::from_secs(120);
/// A migration waits for a table only a moment, because the orders queue behind it: this part of what
/// an order waits for a row, so that none is refused. Then it tries again.
const PART_OF_LOCK_TIMEOUT: u32 = 2;
const ATTEMPTS_MAX: u32 = 100;
const PAUSE: Duration = Duration::from_millis(500);

/// Why the schema is not ready.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The primary cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The database refuses.
    #[error("the schema cannot be read or locked")]
    Database(#[from] tokio_postgres::Error),
    /// A migration fails.
    #[error("a migration failed")]
    Migration(#[from] refinery::Error),
    /// It takes too long.
    #[error("the schema was not ready in {} s: is the synchronous standby there?", TIME_MAX.as_secs())]
    TimedOut,
    /// The schema is newer than this binary, and not marked as one that it can live with.
    #[error(
        "the schema has version {schema} and needs at least version {oldest} of the binary, this one knows {known}: start a newer one"
    )]
    TooOld {
        /// The version of the schema.
        schema: i32,
        /// The oldest binary that can live with it.
        oldest: i32,
        /// What this binary knows.
        known: i32,
    },
}

/// What was found and done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// The version of the schema now.
    pub version: i32,
    /// Migrations that were applied just now.
    pub applied: usize,
}

/// Brings the schema to what this binary knows.
///
/// # Errors
/// [`MigrateError`]; a migration that failed changed nothing.
pub async fn migrate(connector: &Connector) -> Result<Migrated, MigrateError> {
    migrate_with(connector, embedded::migrations::runner).await
}

/// Brings the schema to what a runner knows.
///
/// # Errors
/// [`MigrateError`].
pub async fn migrate_with(
    connector: &Connector,
    runner: impl Fn() -> Runner + Send + Sync,
) -> Result<Migrated, MigrateError> {
    let (mut client, _driver) = connector.primary(Session::Command).await?;
    let patience = connector.settings().lock_timeout / PART_OF_LOCK_TIMEOUT;
    timeout(TIME_MAX, run(&mut client, patience, runner))
        .await
        .unwrap_or(Err(MigrateError::TimedOut))
}

async fn run(client: &mut Client, patience: Duration, runner: impl Fn() -> Runner) -> Result<Migrated, MigrateError> {
    let (turn, table) = (TIME_MAX.as_millis(), patience.as_millis().max(1));
    client
        .batch_execute(&format!(
            "set lock_timeout = {turn}; select pg_advisory_lock({LOCK}); set lock_timeout = {table}"
        ))
        .await?;
    let known = runner().get_migrations().iter().map(refinery::Migration::version).max();
    let known = known.unwrap_or(0);
    let found = version(client).await?;
    if found > known {
        let oldest = oldest(client).await?;
        if oldest > known {
            return Err(MigrateError::TooOld {
                schema: found,
                oldest,
                known,
            });
        }
        return Ok(Migrated {
            version: found,
            applied: 0,
        });
    }
    let applied = apply(client, runner).await?;
    client
        .batch_execute(&format!("select pg_advisory_unlock({LOCK})"))
        .await?;
    Ok(Migrated {
        version: known,
        applied,
    })
}

async fn apply(client: &mut Client, runner: impl Fn() -> Runner) -> Result<usize, MigrateError> {
    let mut applied = 0;
    for attempt in 1.. {
        match runner().set_abort_missing(false).run_async(client).await {
            Ok(report) => {
                applied += report.applied_migrations().len();
                break;
            }
            Err(error) if attempt < ATTEMPTS_MAX && is_lock_timeout(&error) => {
                // Those before it are there to stay.
                applied += error.report().map_or(0, |report| report.applied_migrations().len());
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(applied)
}

fn is_lock_timeout(error: &refinery::Error) -> bool {
    let mut source: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<tokio_postgres::Error>() {
            return error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE);
        }
        source = error.source();
    }
    false
}

/// The version of the schema, 0 where there is none.
pub(super) async fn version(client: &Client) -> Result<i32, tokio_postgres::Error> {
    let there = client
        .query_one("select to_regclass('refinery_schema_history') is not null", &[])
        .await?;
    if !there.get::<_, bool>(0) {
        return Ok(0);
    }
    let row = client
        .query_one(
            "select coalesce(max(version), 0)::integer from refinery_schema_history",
            &[],
        )
        .await?;
    Ok(row.get(0))
}

async fn oldest(client: &Client) -> Result<i32, tokio_postgres::Error> {
    let row = client
        .query_one("select oldest_version from schema_compatibility", &[])
        .await?;
    Ok(row.get(0))
}

/// Tells schemas apart: another one, another number.
#[must_use]
pub fn fingerprint() -> u64 {
    let migrations = embedded::migrations::runner();
    let sums = migrations.get_migrations().iter().map(refinery::Migration::checksum);
    sums.fold(0, |sum, next| sum.rotate_left(7) ^ next)
}
