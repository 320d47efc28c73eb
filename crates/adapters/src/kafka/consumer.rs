//! A member of the consumer group of the notifier, behind the port [`EventSource`], over rdkafka:
//! rskafka, which publishes, has no consumer groups. Positions are kept by Kafka; they are committed
//! only after their events were handled, per partition in order: by a timer, when a partition is
//! revoked, and at the end. What was handled and not committed when a process dies comes again.
//!
//! librdkafka lives on a thread of its own ([`thread`]), which polls all the time, so that neither an
//! event that waits nor a blocking call of the library holds up the group's heartbeat or the runtime.
//! It and the [`KafkaSource`] share one small state ([`state`]), never a message: those are copied out
//! and dropped at once, because a consumer cannot be dropped before them.

mod config;
mod context;
mod state;
mod thread;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use domain::error::{Cause, cause};
use domain::notify::ports::{Arrival, Delivery, EventSource, Position};
use rdkafka::error::KafkaError as LibraryError;
use tokio::sync::{mpsc, oneshot};

use self::state::Shared;
use super::settings::KafkaSettings;

pub use self::config::CannotBuild;

/// How a member of the group works. All durations are bounds of waits, and none is zero.
#[derive(Debug, Clone)]
pub struct ConsumerSettings {
    /// Where the brokers are, and which topic it is.
    pub kafka: KafkaSettings,
    /// The group; its members share the partitions.
    pub group: String,
    /// A member of which nothing was heard for so long has left.
    pub session_timeout: Duration,
    /// Pause between commits.
    pub commit_interval: Duration,
    /// Deliveries of a partition that may be unhandled; beyond it the partition pauses.
    pub held_max: usize,
    /// Time for those who handle events to let go of a partition that was revoked.
    pub release_within: Duration,
    /// Time for the last commit, and to leave the group.
    pub leave_within: Duration,
}

/// What can go wrong with a consumer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConsumeError {
    /// The library says so; it goes on by itself.
    #[error("{0}")]
    Library(LibraryError),
    /// The consumer was of no use any more, and another takes its place.
    #[error("the consumer ended and begins anew: {0}")]
    Fatal(LibraryError),
    /// The consumer could not be made again.
    #[error("the consumer cannot be made")]
    Build(#[source] Arc<CannotBuild>),
    /// Positions are not kept yet.
    #[error("positions could not be committed: {0}")]
    Commit(LibraryError),
    /// The last commit may be lost, and the group learns of the end by itself.
    #[error("the group could not be left within {0:?}")]
    Leave(Duration),
    /// A bug: the thread of the library ended.
    #[error("the thread of the consumer has ended")]
    Ended,
}

/// What the thread sends.
#[derive(Debug)]
enum Sent {
    Delivery(Delivery),
    Revoked(Vec<i32>),
    Failure(ConsumeError),
    /// The last of all.
    Closed,
}

/// A member of the group. It is one as long as it is not dropped; [`EventSource::leave`] leaves in order.
pub struct KafkaSource {
    shared: Arc<Shared>,
    sent: mpsc::Receiver<Sent>,
    /// What was received and did not fit the last answer.
    next: Option<Sent>,
    ended: oneshot::Receiver<Result<(), ConsumeError>>,
    leave_within: Duration,
}

/// Tells whether brokers answer. Cheap to clone.
#[derive(Debug, Clone)]
pub struct BrokerHealth(Arc<Shared>);

impl BrokerHealth {
    /// Whether a broker was heard lately.
    #[must_use]
    pub fn answers(&self) -> bool {
        self.0.lock().broker_answers
    }
}

/// Sent and not received yet; the rest of what is held waits in the queues of those who handle it.
const SENT_MAX: usize = 1024;

impl KafkaSource {
    /// Joins the group, as soon as a broker answers.
    ///
    /// # Errors
    /// [`CannotBuild`] where the settings cannot be used, or the system has no thread left.
    pub fn join(settings: ConsumerSettings) -> Result<Self, CannotBuild> {
        let (send, sent) = mpsc::channel(SENT_MAX);
        let (end, ended) = oneshot::channel();
        let shared = Arc::new(Shared::default());
        let leave_within = settings.leave_within;
        thread::start(settings, Arc::clone(&shared), send, end)?;
        Ok(Self {
            shared,
            sent,
            next: None,
            ended,
            leave_within,
        })
    }

    /// Tells whether brokers answer, also when the source has been given away.
    #[must_use]
    pub fn health(&self) -> BrokerHealth {
        BrokerHealth(Arc::clone(&self.shared))
    }

    async fn receive(&mut self) -> Sent {
        match self.next.take() {
            Some(sent) => sent,
            None => self.sent.recv().await.unwrap_or(Sent::Failure(ConsumeError::Ended)),
        }
    }

    /// Those that are there already, behind a first one.
    fn more(&mut self, first: Delivery, max: usize) -> Vec<Delivery> {
        let mut deliveries = vec![first];
        while deliveries.len() < max {
            match self.sent.try_recv() {
                Ok(Sent::Delivery(delivery)) => deliveries.push(delivery),
                Ok(other @ (Sent::Revoked(_) | Sent::Failure(_) | Sent::Closed)) => {
                    self.next = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        deliveries
    }
}

impl EventSource for KafkaSource {
    async fn next(&mut self, max: usize) -> Result<Arrival, Cause> {
        match self.receive().await {
            Sent::Delivery(first) => Ok(Arrival::Deliveries(self.more(first, max))),
            Sent::Revoked(partitions) => Ok(Arrival::Revoked(partitions)),
            Sent::Failure(error) => Err(cause(error)),
            Sent::Closed => Ok(Arrival::Closed),
        }
    }

    fn close(&mut self) {
        self.shared.change(|state| state.closing = true);
    }

    async fn commit(&mut self, handled: &[Position]) -> Result<(), Cause> {
        self.shared.change(|state| state.note(handled));
        Ok(())
    }

    fn release(&mut self, partitions: &[i32]) {
        self.shared.change(|state| state.release(partitions));
    }

    async fn leave(mut self) -> Result<(), Cause> {
        self.shared.change(|state| state.leaving = true);
        let within = self.leave_within;
        match tokio::time::timeout(within, &mut self.ended).await {
            Ok(Ok(left)) => left.map_err(cause),
            Ok(Err(_)) => Err(cause(ConsumeError::Ended)),
            Err(_) => Err(cause(ConsumeError::Leave(within))),
        }
    }
}

impl Drop for KafkaSource {
    fn drop(&mut self) {
        self.shared.change(|state| state.leaving = true);
    }
}

impl fmt::Debug for KafkaSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSource")
            .field("shared", &self.shared)
            .finish_non_exhaustive()
    }
}
