//! One transaction over the ledger, in two round trips: BEGIN with all locks and loads, then all
//! writes with COMMIT. Statements leave in the order in which their futures are first polled, so
//! each of them is prepared before: one that had to be prepared would be overtaken by the COMMIT.

mod load;
mod statements;
mod write;

pub(super) use statements::{Cached, Statements};

use std::ops::Range;
use std::time::Duration;

use deadpool_postgres::Object;
use domain::order::loaded::{Changes, Footprint, Loaded};
use domain::order::ports::{Contention, LedgerError};
use tokio::sync::watch;
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tokio_postgres::Error as PgError;

use super::errors::{Refusal, busy, is_lock_timeout, rolled_back, unknown};
use super::ids::OrderIds;
use super::measured::{Sql, within};
use super::pool::WritePool;
use super::settings::PostgresSettings;
use super::spans::Statement;
use crate::spans::Span;

/// A transaction that owns its connection. Dropped before its end it closes the connection, and
/// the server rolls back.
#[derive(Debug)]
pub(super) struct Unit {
    connection: Option<Object>,
    pool: WritePool,
    /// Changes when the server of the connection is deposed.
    timelines: watch::Receiver<i32>,
    /// What is left of blocks of order ids that this transaction took.
    rests: Vec<Range<i64>>,
}

impl Drop for Unit {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(Object::take(connection));
        }
    }
}

impl Unit {
    pub(super) async fn new(pool: &WritePool) -> Result<Self, LedgerError> {
        let (connection, timelines) = pool.get().await?;
        Ok(Self {
            connection: Some(connection),
            pool: pool.clone(),
            timelines,
            rests: Vec::new(),
        })
    }

    fn connection(&self) -> Result<&Object, LedgerError> {
        self.connection.as_ref().ok_or_else(|| busy(Refusal::NoAnswer))
    }

    /// Where its statements go.
    fn to(&self) -> Statement<'_> {
        Statement::to_primary(self.pool.connector())
    }

    /// Refuses orders whose stock is known to be held, before anything is locked or waited for.
    pub(super) async fn avoid(&mut self, footprint: &Footprint) -> Result<(), LedgerError> {
        let client = Cached(self.connection()?);
        let asked = within(self.pool.patience(), load::touched(&client, self.to(), footprint)).await;
        match asked {
            Ok(Ok(touched)) if touched.is_empty() => Ok(()),
            asked => Err(self.give_up(asked)),
        }
    }

    /// Ends the unit with what was found out while no transaction was open: its connection goes back
    /// if it still answers.
    fn give_up(&mut self, asked: Result<Result<Contention, PgError>, Elapsed>) -> LedgerError {
        match asked {
            Ok(Ok(contention)) => {
                self.connection = None;
                LedgerError::Contended(contention)
            }
            Ok(Err(error)) => {
                self.distrust();
                busy(error)
            }
            Err(_) => {
                self.distrust();
                busy(Refusal::TimedOut)
            }
        }
    }

    /// The first round trip. After an error nothing was done, and the unit is over.
    pub(super) async fn load(
        &mut self,
        footprint: &Footprint,
        ids: &OrderIds,
        settings: &PostgresSettings,
    ) -> Result<Loaded, LedgerError> {
        let client = Cached(self.connection()?);
        let loaded = within(self.pool.patience(), async {
            let statements = Statements::prepare(&client).await?;
            load::load(&client, self.to(), &statements, footprint, ids).await
        });
        match loaded.await {
            Ok(Ok(mut rows)) => {
                self.rests = std::mem::take(&mut rows.rests);
                rows.into_loaded().map_err(busy)
            }
            Ok(Err(error)) if is_lock_timeout(&error) => self.contended(footprint, settings).await,
            Ok(Err(error)) => {
                let error = rolled_back(error);
                match error {
                    // No member is to blame, so it may be the connection: prepared for another schema,
                    // or begun while the database was read only.
                    LedgerError::Busy(_) | LedgerError::Unknown(_) => self.distrust(),
                    LedgerError::RolledBack(_) | LedgerError::Contended(_) => self.end(settings).await,
                }
                Err(error)
            }
            Err(_) => {
                self.distrust();
                Err(busy(Refusal::TimedOut))
            }
        }
    }

    /// Ends a transaction that changed nothing; its connection goes back if it still answers.
    pub(super) async fn end(&mut self, settings: &PostgresSettings) {
        let Some(connection) = &self.connection else { return };
        match within(
            settings.lock_timeout,
            self.to().run(Sql::Rollback, connection.batch_execute("ROLLBACK")),
        )
        .await
        {
            Ok(Ok(())) => self.connection = None, // back to the pool, clean
            _ => self.distrust(),
        }
    }

    fn distrust(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.pool.distrust(connection);
        }
    }

    /// Finds out which rows are held, in a transaction that is rolled back: a commit would wait for
    /// the standbys, because locks are written to the WAL.
    async fn contended(&mut self, footprint: &Footprint, settings: &PostgresSettings) -> Result<Loaded, LedgerError> {
        let client = Cached(self.connection()?);
        let asked = within(settings.statement_timeout, async {
            self.to()
                .run(Sql::Rollback, client.batch_execute("ROLLBACK; BEGIN"))
                .await?;
            let held = load::held(&client, self.to(), footprint).await?;
            self.to().run(Sql::Rollback, client.batch_execute("ROLLBACK")).await?;
            Ok(held)
        });
        let asked = asked.await;
        Err(self.give_up(asked))
    }

    /// The second round trip. It runs to its end in a task of its own: a COMMIT is never
    /// cancelled, because cancelling one that waits for its standby makes it succeed. When its
    /// answer is overdue the caller is told that the outcome is unknown, and the connection keeps
    /// its place in the pool until the COMMIT ends, or its server is deposed.
    pub(super) async fn commit(
        mut self,
        changes: Changes,
        ids: &OrderIds,
        settings: &PostgresSettings,
    ) -> Result<(), LedgerError> {
        if self.timelines.has_changed().unwrap_or(true) {
            self.distrust(); // before anything was written
            return Err(busy(Refusal::DeposedMeanwhile));
        }
        let Some(connection) = self.connection.take() else {
            return Err(busy(Refusal::NoAnswer));
        };
        let (pool, patience) = (self.pool.clone(), settings.commit_timeout);
        let committing = commit(connection, pool, changes, patience, self.timelines.clone());
        // Its spans belong below that of the batch.
        let span = Span::current();
        let mut committing = tokio::spawn(async move { span.around(committing).await });
        match timeout(patience, &mut committing).await {
            Ok(committed) => {
                committed.unwrap_or_else(|_| Err(unknown(Refusal::NoAnswer)))?;
                self.pool.note_committed();
                for rest in self.rests.drain(..) {
                    ids.keep(rest);
                }
                Ok(())
            }
            Err(_) => {
                let overdue = self.pool.count_overdue();
                tokio::spawn(async move {
                    let _ = committing.await; // nobody waits for its answer any more
                    drop(overdue);
                });
                Err(unknown(Refusal::TimedOut))
            }
        }
    }
}

/// Writes and commits. The connection goes back to the pool unless it is of no use any more.
async fn commit(
    connection: Object,
    pool: WritePool,
    changes: Changes,
    overdue_after: Duration,
    mut timelines: watch::Receiver<i32>,
) -> Result<(), LedgerError> {
    let outcome = {
        let client = Cached(&connection);
        let writing = async {
            let statements = Statements::prepare(&client).await.map_err(rolled_back)?;
            let to = Statement::to_primary(pool.connector());
            write::write(&client, to, &statements, changes, overdue_after).await
        };
        tokio::select! {
            biased;
            outcome = writing => outcome,
            // A newer timeline: whoever does not answer here never will, or must not be believed.
            _ = timelines.changed() => Err(unknown(Refusal::DeposedMeanwhile)),
        }
    };
    match &outcome {
        Ok(()) | Err(LedgerError::RolledBack(_)) => drop(connection),
        Err(_) => pool.distrust(connection),
    }
    outcome
}
