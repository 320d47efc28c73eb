//! The outbox as the relay sees it. Fenced: it is read and marked over the session that holds the
//! relay's turn, and shows nothing while another instance has it. Unfenced, several relays may be
//! at work; then events are repeated, and first occurrences stay in order all the same.

use std::sync::Arc;

use domain::clock::Moment;
use domain::order::event::{OrderEvent, StatusChange};
use domain::order::ports::{Backlog, Outbox, QueryError};
use domain::trace::TraceContext;
use domain::types::EventId;
use sql::client::GenericClient;
use sql::queries::outbox::{self, Unsent};
use tokio_postgres::Error;

use super::errors::{Refusal, unread};
use super::measured::{Sql, measured, within};
use super::pool::WritePool;
use super::reads::PostgresReads;
use super::rows;
use super::turn::Turn;
use super::unit::Cached;

/// Events that are counted one by one; beyond it the span of the ids tells how many there are.
const COUNTED_MAX: i64 = 10_000;

/// How the primary is asked.
#[derive(Debug, Clone)]
enum Way {
    Fenced(Arc<Turn>),
    Unfenced(WritePool),
}

/// The outbox of the primary. How much waits there is read like orders are, so that it can be told
/// while no connection is left that writes.
#[derive(Debug, Clone)]
pub struct PostgresOutbox {
    way: Way,
    reads: Arc<PostgresReads>,
}

impl PostgresOutbox {
    /// For the one relay whose turn it is.
    #[must_use]
    pub const fn fenced(turn: Arc<Turn>, reads: Arc<PostgresReads>) -> Self {
        Self {
            way: Way::Fenced(turn),
            reads,
        }
    }

    /// For any number of relays.
    #[must_use]
    pub const fn unfenced(pool: WritePool, reads: Arc<PostgresReads>) -> Self {
        Self {
            way: Way::Unfenced(pool),
            reads,
        }
    }
}

async fn pooled<T>(pool: &WritePool, work: impl AsyncFnOnce(&Cached<'_>) -> Result<T, Error>) -> Result<T, QueryError> {
    let (connection, _) = pool.get().await.map_err(unread)?;
    // The server bounds each statement, unless it is frozen.
    let done = within(pool.patience(), work(&Cached(&connection))).await;
    match done {
        Ok(done) => done.map_err(unread),
        Err(_) => {
            pool.distrust(connection);
            Err(unread(Refusal::TimedOut))
        }
    }
}

impl Outbox for PostgresOutbox {
    async fn unsent(&self, limit: usize) -> Result<Vec<OrderEvent>, QueryError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = match &self.way {
            Way::Unfenced(pool) => pooled(pool, async |client| unsent(client, limit).await).await?,
            Way::Fenced(turn) => match turn.take().await? {
                None => return Ok(Vec::new()),
                Some(session) => turn.with(unsent(&*session, limit)).await?,
            },
        };
        rows.into_iter().map(|row| event(row).map_err(unread)).collect()
    }

    async fn mark_sent(&self, sent: Vec<EventId>) -> Result<(), QueryError> {
        let ids: Vec<i64> = sent.into_iter().map(EventId::get).collect();
        match &self.way {
            Way::Unfenced(pool) => pooled(pool, async |client| forget(client, &ids).await).await,
            Way::Fenced(turn) => match turn.take().await? {
                // They will be sent again, by whoever has the turn.
                None => Err(unread(Refusal::NoAnswer)),
                Some(session) => turn.with(forget(&*session, &ids)).await,
            },
        }
    }

    async fn backlog(&self) -> Result<Backlog, QueryError> {
        let row = self
            .reads
            .read(Sql::Backlog, |client| async move {
                outbox::backlog().bind(&*client, &COUNTED_MAX).one().await
            })
            .await?;
        let span = row
            .newest
            .zip(row.oldest)
            .map_or(0, |(newest, oldest)| newest - oldest + 1);
        let events = if row.counted < COUNTED_MAX { row.counted } else { span };
        Ok(Backlog {
            events: u64::try_from(events).unwrap_or(0),
            oldest: row.oldest_moment.map(rows::moment),
        })
    }
}

async fn unsent(client: &impl GenericClient, limit: i64) -> Result<Vec<Unsent>, Error> {
    measured(Sql::Unsent, outbox::unsent().bind(client, &limit).all()).await
}

async fn forget(client: &impl GenericClient, ids: &Vec<i64>) -> Result<(), Error> {
    measured(Sql::ForgetSent, outbox::forget_sent().bind(client, ids).one())
        .await
        .map(drop)
}

fn event(row: Unsent) -> Result<OrderEvent, Refusal> {
    let id = EventId::try_from(row.event_id).map_err(|_| Refusal::BadRow("outbox"))?;
    let moment: Moment = rows::moment(row.moment);
    Ok(OrderEvent {
        id,
        change: StatusChange {
            order: rows::order_id(row.order_id)?,
            status: rows::status(row.status),
            moment,
            trace: row.traceparent.as_deref().and_then(TraceContext::parse),
        },
    })
}
