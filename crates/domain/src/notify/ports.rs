//! What the notifier needs: a source of deliveries, a place where events go, and a place for
//! those that cannot go there.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;

use crate::clock::Moment;
use crate::error::Cause;
use crate::order::status::OrderStatus;
use crate::trace::TraceContext;
use crate::types::OrderId;

/// Where in the stream a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The partition; events of one order share one.
    pub partition: i32,
    /// The place in the partition, from 0.
    pub offset: i64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.partition, self.offset)
    }
}

/// An event as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Tells a repeat.
    pub event_id: Box<str>,
    /// Whose status changed.
    pub order: OrderId,
    /// To what.
    pub status: OrderStatus,
    /// When.
    pub moment: Moment,
    /// The trace that caused it.
    pub trace: Option<TraceContext>,
}

/// A delivery that is no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an order event: {0}")]
pub struct Unreadable(pub String);

/// One delivery of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Where it stands.
    pub position: Position,
    /// What it says.
    pub content: Result<Received, Unreadable>,
    /// The key as it came, if it has one.
    pub key: Option<Box<[u8]>>,
    /// The value as it came, if it has one.
    pub value: Option<Box<[u8]>>,
    /// The headers by name, as they came.
    pub headers: BTreeMap<String, Vec<u8>>,
}

/// What a source has to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// The next deliveries, at least one, each partition in its order.
    Deliveries(Vec<Delivery>),
    /// These partitions go to another member of the group. What was handled of them can still be
    /// committed until they are released; it waits for that, though not for long.
    Revoked(Vec<i32>),
    /// The source has been closed, and everything it held was delivered.
    Closed,
}

/// The stream of events, as one member of a consumer group sees it.
///
/// An implementation MUST deliver a partition in order and at least once, starting behind the
/// last committed position. It MUST deliver nothing more of a partition of which as many
/// deliveries as its bound were not committed yet, and go on with the others meanwhile.
pub trait EventSource: Send + 'static {
    /// What comes next, at most `max` deliveries. Nothing is lost when the future is dropped.
    fn next(&mut self, max: usize) -> impl Future<Output = Result<Arrival, Cause>> + Send;

    /// Takes nothing more in: what is held is still delivered, and then it is closed.
    fn close(&mut self);

    /// Notes that everything up to and including these positions was handled.
    fn commit(&mut self, handled: &[Position]) -> impl Future<Output = Result<(), Cause>> + Send;

    /// Lets go of revoked partitions: nothing more of them is being handled.
    fn release(&mut self, partitions: &[i32]);

    /// Makes what was committed safe, and leaves the group, so that others go on at once.
    fn leave(self) -> impl Future<Output = Result<(), Cause>> + Send;
}

/// Why an event did not get to where it goes.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SinkError {
    /// It never will: the event itself is refused.
    #[error("refused: {0}")]
    Refused(String),
    /// Not now: repeat until it does.
    #[error("not available")]
    Unavailable(#[source] Cause),
}

/// Where events go.
///
/// An implementation MUST acknowledge only what survives the end of this process: what was
/// delivered before a successful [`EventSink::flush`] is never lost.
#[cfg_attr(feature = "testing", mockall::automock)]
pub trait EventSink: Send + Sync + 'static {
    /// Passes an event on.
    fn deliver(&self, position: Position, event: &Received) -> impl Future<Output = Result<(), SinkError>> + Send;

    /// Makes everything delivered so far safe.
    fn flush(&self) -> impl Future<Output = Result<(), SinkError>> + Send;
}

/// Where deliveries go that cannot be handled.
#[cfg_attr(feature = "testing", mockall::automock)]
pub trait DeadLetters: Send + Sync + 'static {
    /// Keeps a delivery with the reason why it could not be handled.
    fn put(&self, delivery: &Delivery, reason: &str) -> impl Future<Output = Result<(), Cause>> + Send;
}

impl<D: DeadLetters> DeadLetters for std::sync::Arc<D> {
    async fn put(&self, delivery: &Delivery, reason: &str) -> Result<(), Cause> {
        D::put(self, delivery, reason).await
    }
}
