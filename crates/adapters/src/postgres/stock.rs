//! Keeping stock in Postgres: one import or adjustment at a time, by an advisory lock.
//!
//! The records of a file are copied into a temporary table and looked at there; stock is only locked
//! in the last statement, which makes it what the file says, and only what differs.

mod import;

use std::sync::Arc;
use std::time::Duration;

use domain::clock::Moment;
use domain::error::cause;
use domain::stock::adjust::{self, AdjustError, Adjustment};
use domain::stock::import::{ImportError, Imported, Piece};
use domain::stock::model::{Movement, Stock};
use domain::stock::ports::{KeepingError, StockKeeping};
use domain::types::Sku;
use futures::Stream;
use sql::queries::{reads, stock};
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error};

use super::connect::{ConnectError, Connector, Session};
use super::errors::{Refusal, is_lock_timeout, refused};
use super::rows;
use super::turn::SPACE;

/// The second key of the advisory lock of whoever changes totals.
const KEEPER: i32 = 3;
/// How long another import or adjustment is waited for.
const KEEPER_WAIT: Duration = Duration::from_secs(20);
/// Beyond what the server holds a statement to: it may be the server that is silent.
const ANSWER_SLACK: Duration = Duration::from_secs(2);

/// Changes totals of stock.
#[derive(Debug, Clone)]
pub struct PostgresStock {
    connector: Arc<Connector>,
    commit_timeout: Duration,
}

/// What is on record of a sku.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockRecord {
    /// Its units, `None` where there is no record.
    pub stock: Option<Stock>,
    /// The last movements, newest first.
    pub movements: Vec<Movement>,
    /// Whether an import or an adjustment is at work or waits for its COMMIT: it does not show yet.
    pub keeper_at_work: bool,
}

impl PostgresStock {
    /// Over a cluster. A COMMIT that is not answered within `commit_timeout` counts as unknown; it
    /// goes on at the server.
    #[must_use]
    pub const fn new(connector: Arc<Connector>, commit_timeout: Duration) -> Self {
        Self {
            connector,
            commit_timeout,
        }
    }

    async fn connect(&self) -> Result<Arc<Client>, KeepingError> {
        let (client, _driver) = self.connector.primary(Session::Command).await.map_err(unconnected)?;
        Ok(Arc::new(client))
    }

    /// Begins a transaction whose silence the server bounds, and takes the turn.
    async fn begin(&self, client: &Client, statement_timeout: Duration) -> Result<(), KeepingError> {
        let settings = self.connector.settings();
        let silence = settings.idle_in_transaction_timeout.as_millis().max(1);
        let durable = if settings.wait_for_replicas {
            "remote_apply"
        } else {
            "on"
        };
        let begin = format!(
            "begin; set local synchronous_commit = {durable}; set local idle_in_transaction_session_timeout = {silence}; \
             set local statement_timeout = {}; set local lock_timeout = {}",
            statement_timeout.as_millis().max(1),
            KEEPER_WAIT.as_millis(),
        );
        bounded(statement_timeout, client.batch_execute(&begin)).await?;
        let turn = stock::stock_keeper();
        bounded(KEEPER_WAIT, turn.bind(client, &SPACE, &KEEPER).one()).await?;
        let short = format!("set local lock_timeout = {}", settings.lock_timeout.as_millis().max(1));
        bounded(statement_timeout, client.batch_execute(&short)).await
    }

    /// Commits in a task of its own: a COMMIT is never cancelled, because cancelling one that waits for
    /// its standby makes it succeed.
    async fn commit(&self, client: Arc<Client>) -> Result<(), KeepingError> {
        let committing = tokio::spawn(async move { client.batch_execute("commit").await });
        match timeout(self.commit_timeout, committing).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(error))) if refused(&error).is_some() => Err(KeepingError::Unavailable(cause(error))),
            Ok(Ok(Err(error))) => Err(KeepingError::Unknown(cause(error))),
            Ok(Err(_)) => Err(KeepingError::Unknown(cause(Refusal::NoAnswer))),
            Err(_) => Err(KeepingError::Unknown(cause(Refusal::TimedOut))),
        }
    }

    /// What is on record of a sku at the primary, with at most `limit` of its movements.
    ///
    /// # Errors
    /// [`KeepingError::Unavailable`].
    pub async fn record(&self, sku: Sku, limit: u32) -> Result<StockRecord, KeepingError> {
        let (client, number, limit) = (self.connect().await?, sku.get(), i64::from(limit));
        let patience = self.connector.settings().statement_timeout;
        bounded(patience, async {
            // Before the rest: what was at work then and is not any more does show.
            let at_work = stock::stock_keeper_at_work();
            let keeper_at_work = at_work.bind(&*client, &SPACE, &KEEPER).one().await?;
            let found = reads::stock_by_sku().bind(&*client, &number).opt().await?;
            let moved = stock::last_movements().bind(&*client, &number, &limit).all().await?;
            Ok((keeper_at_work, found, moved))
        })
        .await
        .and_then(|(keeper_at_work, found, moved)| {
            let stock = found.map(|row| rows::stock(row.total_count, row.reserved)).transpose();
            let movements = moved.into_iter().map(|row| Movement {
                sku,
                units: row.units,
                reason: row.reason.into(),
                moment: rows::moment(row.moment),
            });
            Ok(StockRecord {
                stock: stock.map_err(|error| KeepingError::Unavailable(cause(error)))?,
                movements: movements.collect(),
                keeper_at_work,
            })
        })
    }

    async fn adjust_in(&self, client: &Client, adjustment: &Adjustment, now: Moment) -> Result<Stock, AdjustError> {
        let patience = self.connector.settings().statement_timeout;
        self.begin(client, patience).await?;
        let sku = adjustment.sku.get();
        let found = bounded(patience, stock::lock_record().bind(client, &sku).opt()).await?;
        let record = found.map(|row| rows::stock(row.total_count, row.reserved)).transpose();
        let record = record.map_err(|error| KeepingError::Unavailable(cause(error)))?;
        let adjusted = adjust::adjust(record, adjustment)?;
        let (total, units, reason) = (
            i64::from(adjusted.total()),
            adjustment.units.get(),
            adjustment.reason.as_str(),
        );
        let (moment, moving) = (rows::timestamp(now), stock::move_stock());
        bounded(
            patience,
            moving.bind(client, &total, &sku, &units, &reason, &moment).one(),
        )
        .await?;
        Ok(adjusted)
    }
}

impl StockKeeping for PostgresStock {
    async fn import(&self, file: impl Stream<Item = Piece> + Send, now: Moment) -> Result<Imported, ImportError> {
        import::import(self, file, now).await
    }

    async fn adjust(&self, adjustment: Adjustment, now: Moment) -> Result<Stock, AdjustError> {
        let client = self.connect().await?;
        // Its connection ends with the client where this fails, and the server rolls back.
        let adjusted = self.adjust_in(&client, &adjustment, now).await?;
        self.commit(client).await?;
        Ok(adjusted)
    }
}

/// A statement before the COMMIT, in bounded time: if it fails nothing was done.
async fn bounded<T>(
    statement_timeout: Duration,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, KeepingError> {
    match timeout(statement_timeout + ANSWER_SLACK, work).await {
        Ok(done) => done.map_err(undone),
        Err(_) => Err(KeepingError::Unavailable(cause(Refusal::TimedOut))),
    }
}

fn undone(error: Error) -> KeepingError {
    if is_lock_timeout(&error) {
        KeepingError::Held(cause(error))
    } else if error.code() == Some(&SqlState::UNDEFINED_TABLE) {
        KeepingError::Unavailable(cause(Refusal::NoSchema))
    } else {
        KeepingError::Unavailable(cause(error))
    }
}

fn unconnected(error: ConnectError) -> KeepingError {
    KeepingError::Unavailable(cause(error))
}
