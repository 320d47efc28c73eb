//! What the notifier needs: a source of deliveries, a place where events go, and a place for
//! those that cannot go there.

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
    /// The key as it came.
    pub key: Box<[u8]>,
    /// The value as it came.
    pub value: Box<[u8]>,
}

/// The stream of events, as one member of a consumer group sees it.
///
/// An implementation MUST deliver a partition in order and at least once, starting behind the
/// last committed position, and MUST hold a bounded number of deliveries.
pub trait EventSource: Send + 'static {
    /// The next deliveries, 1 to `max`; empty when the source has been closed.
    fn next(&mut self, max: usize) -> impl Future<Output = Result<Vec<Delivery>, Cause>> + Send;

    /// Takes nothing more in: what is held is still delivered, and then nothing.
    fn close(&mut self);

    /// Notes that everything up to and including these positions was handled.
    fn commit(&mut self, handled: &[Position]) -> impl Future<Output = Result<(), Cause>> + Send;
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
