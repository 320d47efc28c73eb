//! Work that one instance at a time does. Whose turn it is, is who holds a session's advisory
//! lock, on a connection outside the pools. The session is pinged; the server ends one that is
//! silent (`idle_session_timeout`), so that a frozen holder loses its turn. What the holder reads
//! and writes as such goes over the very session that holds the lock: who lost the one lost the other.

use std::sync::Arc;
use std::time::Duration;

use domain::order::ports::QueryError;
use sql::queries::turns;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use super::connect::{Connector, Session};
use super::errors::{Refusal, unread};
use super::measured::{Sql, measured, within};

/// The first key of the advisory locks of turns.
pub(super) const SPACE: i32 = 0x6c6f_6d73; // "loms"
/// Pings within the time after which a silent holder loses its turn.
const PINGS: u32 = 4;

/// What is done by one instance at a time. The number is the second key of its lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// Carrying events from the outbox.
    Relay = 1,
    /// Expiry, retention, audit.
    Housekeeping = 2,
}

/// A session that has, or asks for, the turn.
#[derive(Debug)]
struct Candidate {
    client: Arc<Client>,
    keeper: JoinHandle<()>,
    timeline: i32,
    mine: bool,
}

impl Drop for Candidate {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// The turn of this instance at a job.
#[derive(Debug)]
pub struct Turn {
    connector: Arc<Connector>,
    job: Job,
    candidate: Mutex<Option<Candidate>>,
}

impl Turn {
    /// Nobody's yet.
    #[must_use]
    pub fn new(connector: Arc<Connector>, job: Job) -> Self {
        Self {
            connector,
            job,
            candidate: Mutex::default(),
        }
    }

    /// The session that holds the turn; `None` while another instance has it.
    ///
    /// # Errors
    /// [`QueryError`] where the primary cannot be asked.
    pub async fn take(&self) -> Result<Option<Arc<Client>>, QueryError> {
        let mut place = self.candidate.lock().await;
        let newest = *self.connector.timelines().borrow();
        let mut candidate = match place.take() {
            Some(candidate) if !candidate.client.is_closed() && candidate.timeline == newest => candidate,
            _ => self.candidate().await?,
        };
        if !candidate.mine {
            let asked = turns::try_turn();
            let job = self.job as i32;
            let asked = asked.bind(&*candidate.client, &SPACE, &job);
            candidate.mine = self.bounded(measured(Sql::TryTurn, asked.one())).await?;
        }
        let client = candidate.mine.then(|| Arc::clone(&candidate.client));
        *place = Some(candidate);
        Ok(client)
    }

    /// Does something over the session that holds the turn, in bounded time. A session that fails
    /// is given up, and the turn with it.
    ///
    /// # Errors
    /// [`QueryError`].
    pub async fn with<T>(&self, work: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, QueryError> {
        let done = self.bounded(work).await;
        if done.is_err() {
            self.candidate.lock().await.take();
        }
        done
    }

    async fn bounded<T>(&self, work: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, QueryError> {
        let patience = self.connector.settings().statement_timeout + Duration::from_millis(500);
        within(patience, work)
            .await
            .map_err(|_| unread(Refusal::TimedOut))?
            .map_err(unread)
    }

    async fn candidate(&self) -> Result<Candidate, QueryError> {
        let mut timelines = self.connector.timelines();
        let before = *timelines.borrow_and_update();
        let (client, _driver) = self.connector.primary(Session::Turn).await.map_err(unread)?;
        let client = Arc::new(client);
        // If a newer one was seen meanwhile, this may be a session of the older: the next call makes another.
        let timeline = if before == 0 { *timelines.borrow() } else { before };
        let pause = self.connector.settings().turn_timeout / PINGS;
        let pinged = Arc::downgrade(&client);
        let keeper = tokio::spawn(async move {
            loop {
                tokio::time::sleep(pause).await;
                let Some(client) = pinged.upgrade() else { return };
                // A ping that fails is noticed by whoever uses the session next; a slow one may only
                // stand behind other work.
                let _ = within(pause, measured(Sql::KeepTurn, turns::keep_turn().bind(&*client).one())).await;
            }
        });
        Ok(Candidate {
            client,
            keeper,
            timeline,
            mine: false,
        })
    }
}

impl domain::turn::Turn for Turn {
    async fn is_mine(&self) -> Result<bool, QueryError> {
        Ok(self.take().await?.is_some())
    }
}
