//! The ports of the order side: the ledger, which is written by one method; the order book,
//! which gathers calls into batches for it; reads; the outbox and where its events go.

use std::future::Future;

use super::event::OrderEvent;
use super::loaded::{Changes, Footprint, Loaded};
use super::model::{Draft, Order};
use super::place::PlaceRefusal;
use super::settle::{SettleCommand, SettleRefusal, Settled};
use super::status::OrderStatus;
use crate::clock::Moment;
use crate::error::Cause;
use crate::trace::TraceContext;
use crate::types::{EventId, OrderId, Sku};

/// Rows of the ledger that others held for too long.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contention {
    /// Stock records, ascending.
    pub skus: Vec<Sku>,
    /// Orders, ascending; also those whose stock is held.
    pub orders: Vec<OrderId>,
}

impl Contention {
    /// Sorts and rids of repeats.
    #[must_use]
    pub fn new(mut skus: Vec<Sku>, mut orders: Vec<OrderId>) -> Self {
        skus.sort_unstable();
        skus.dedup();
        orders.sort_unstable();
        orders.dedup();
        Self { skus, orders }
    }

    /// Whether nothing is held (any more).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.skus.is_empty() && self.orders.is_empty()
    }
}

/// Why a transaction over the ledger has no result, and what is certain about it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LedgerError {
    /// Certainly nothing was done, and the members of a batch may be tried one by one: one of
    /// them may be to blame.
    #[error("rolled back")]
    RolledBack(#[source] Cause),
    /// Nobody can tell whether it was committed. It MUST NOT be run again.
    #[error("outcome unknown")]
    Unknown(#[source] Cause),
    /// Certainly nothing was done, and trying members one by one would not help: full, or not there.
    #[error("not available")]
    Busy(#[source] Cause),
    /// Certainly nothing was done: rows were not to be had in time. Members that touch none of
    /// those that are still held may be tried again at once.
    #[error("rows are held by others: {} stock records, {} orders", .0.skus.len(), .0.orders.len())]
    Contended(Contention),
}

/// The ledger of orders and stock: the one way to write it.
///
/// An implementation MUST
/// - lock and load everything that the footprint names, orders ascending, then stock ascending,
///   the stock of loaded orders included, and only then call `decide`, at most once;
/// - commit all changes or none, number the events in the order in which `decide` made them,
///   and make them visible to the [`Outbox`] with the same commit;
/// - record the idempotency key of a placed order so that no second one can be recorded under
///   it, and keep it at least 24 h;
/// - let reads that begin after the answer see the change;
/// - answer [`LedgerError::Contended`] at once, where it could have to wait, when an order of the
///   footprint has stock among [`Footprint::avoided`];
/// - claim [`LedgerError::RolledBack`], [`LedgerError::Busy`] and [`LedgerError::Contended`] only
///   with proof.
pub trait Ledger: Send + Sync + 'static {
    /// Loads, decides and commits as one step; what `decide` answered beside its changes.
    fn transact<D, R>(&self, footprint: Footprint, decide: D) -> impl Future<Output = Result<R, LedgerError>> + Send
    where
        D: FnOnce(&mut Loaded) -> (Changes, R) + Send,
        R: Send;
}

impl<L: Ledger> Ledger for std::sync::Arc<L> {
    fn transact<D, R>(&self, footprint: Footprint, decide: D) -> impl Future<Output = Result<R, LedgerError>> + Send
    where
        D: FnOnce(&mut Loaded) -> (Changes, R) + Send,
        R: Send,
    {
        (**self).transact(footprint, decide)
    }
}

/// Why the order book did not decide.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BookError {
    /// Certainly nothing was done.
    #[error("orders are not available; nothing was done, try again later")]
    Unavailable(#[source] Cause),
    /// It may have been done.
    #[error("the outcome is not known; repeat with the same idempotency key only")]
    Unknown(#[source] Cause),
    /// The ledger refuses this very call, also when it is alone: our bug. Nothing was done.
    #[error("internal error")]
    Poisonous(#[source] Cause),
}

/// Gathers concurrent calls into batches and has each batch decided in one transaction.
///
/// An implementation MUST decide in the order of arrival, MUST be bounded and answer
/// `Unavailable` at once when it is full, and MUST run what it took to its end whether or not
/// the caller still waits.
#[cfg_attr(feature = "testing", mockall::automock)]
pub trait OrderBook: Send + Sync + 'static {
    /// Places an order.
    fn place(
        &self,
        draft: Draft,
        trace: Option<TraceContext>,
    ) -> impl Future<Output = Result<Result<OrderId, PlaceRefusal>, BookError>> + Send;

    /// Pays, cancels or expires an order.
    fn settle(
        &self,
        command: SettleCommand,
        trace: Option<TraceContext>,
    ) -> impl Future<Output = Result<Result<Settled, SettleRefusal>, BookError>> + Send;
}

/// Why the ledger could not be read.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the ledger cannot be read")]
pub struct QueryError(#[source] pub Cause);

/// Reads of orders. They may come from a replica, and MUST see every change that was
/// answered before they began.
#[cfg_attr(feature = "testing", mockall::automock)]
pub trait OrderQueries: Send + Sync + 'static {
    /// An order, `None` where there is none.
    fn order(&self, id: OrderId) -> impl Future<Output = Result<Option<Order>, QueryError>> + Send;

    /// Every status an order has had, with its moment, oldest first; empty for an unknown one.
    fn history(&self, id: OrderId) -> impl Future<Output = Result<Vec<(OrderStatus, Moment)>, QueryError>> + Send;

    /// Orders placed before a moment that still await payment, oldest first, at most `limit`.
    fn unpaid(
        &self,
        placed_before: Moment,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<OrderId>, QueryError>> + Send;
}

impl<Q: OrderQueries> OrderQueries for std::sync::Arc<Q> {
    fn order(&self, id: OrderId) -> impl Future<Output = Result<Option<Order>, QueryError>> + Send {
        (**self).order(id)
    }

    fn history(&self, id: OrderId) -> impl Future<Output = Result<Vec<(OrderStatus, Moment)>, QueryError>> + Send {
        (**self).history(id)
    }

    fn unpaid(
        &self,
        placed_before: Moment,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<OrderId>, QueryError>> + Send {
        (**self).unpaid(placed_before, limit)
    }
}

/// How much waits in the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// Events that were not acknowledged yet.
    pub events: u64,
    /// When the oldest of them happened.
    pub oldest: Option<Moment>,
}

/// Committed events that were not acknowledged by their receiver yet.
///
/// An implementation MUST give the events of one order in the order of its changes, and MUST
/// forget none that was not marked.
#[cfg_attr(feature = "testing", mockall::automock)]
pub trait Outbox: Send + Sync + 'static {
    /// The oldest unsent events, at most `limit`, oldest first.
    fn unsent(&self, limit: usize) -> impl Future<Output = Result<Vec<OrderEvent>, QueryError>> + Send;

    /// Notes that these were acknowledged; ids that are not unsent are passed over.
    fn mark_sent(&self, sent: Vec<EventId>) -> impl Future<Output = Result<(), QueryError>> + Send;

    /// What waits.
    fn backlog(&self) -> impl Future<Output = Result<Backlog, QueryError>> + Send;
}

impl<O: Outbox> Outbox for std::sync::Arc<O> {
    fn unsent(&self, limit: usize) -> impl Future<Output = Result<Vec<OrderEvent>, QueryError>> + Send {
        (**self).unsent(limit)
    }

    fn mark_sent(&self, sent: Vec<EventId>) -> impl Future<Output = Result<(), QueryError>> + Send {
        (**self).mark_sent(sent)
    }

    fn backlog(&self) -> impl Future<Output = Result<Backlog, QueryError>> + Send {
        (**self).backlog()
    }
}

/// Idempotency keys that nobody has to remember any more.
#[cfg_attr(feature = "testing", mockall::automock)]
pub trait KeyRetention: Send + Sync + 'static {
    /// Forgets keys that were recorded before a moment, at most `limit`; how many they were.
    fn forget_keys(
        &self,
        recorded_before: Moment,
        limit: usize,
    ) -> impl Future<Output = Result<usize, QueryError>> + Send;
}

/// Why not all events were published.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PublishError {
    /// Where they go has no room; it gets some by itself.
    #[error("there is no room for events")]
    Full(#[source] Cause),
    /// Where they go does not take them.
    #[error("events could not be published")]
    Down(#[source] Cause),
}

/// An event that its receiver will never take, and that was put aside instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutAside {
    /// The event.
    pub event: EventId,
    /// Whose status changed.
    pub order: OrderId,
    /// Why, in the words of the receiver.
    pub reason: String,
}

/// What became of a chunk of events.
#[derive(Debug, Clone, Default)]
pub struct Published {
    /// Events that need not be sent again: the receiver has them for sure, or they were put aside.
    pub acknowledged: Vec<EventId>,
    /// Those of them that were put aside.
    pub put_aside: Vec<PutAside>,
    /// Why the others are not among them.
    pub error: Option<PublishError>,
    /// Whether none of the events goes to some lane (a partition): later events may get on where
    /// these do not.
    pub has_spare_lane: bool,
}

/// Where events go.
///
/// An implementation MUST keep the order of events per order: within a partition a later event
/// is sent only after the earlier ones were acknowledged. It MUST bound its time. An event that the
/// receiver will never take MUST NOT hold up the others: it is put where somebody finds it.
#[cfg_attr(feature = "testing", mockall::automock)]
pub trait EventPublisher: Send + Sync + 'static {
    /// Sends events, oldest first.
    fn publish(&self, events: Vec<OrderEvent>) -> impl Future<Output = Published> + Send;
}
