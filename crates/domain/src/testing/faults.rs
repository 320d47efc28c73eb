//! Decorators of the ports that fail on demand, so that no switch for tests stands in the code.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::error::Cause;
use crate::order::event::OrderEvent;
use crate::order::loaded::{Changes, Footprint, Loaded};
use crate::order::ports::{
    Backlog, Contention, EventPublisher, Ledger, LedgerError, Outbox, PublishError, Published, QueryError,
};
use crate::types::{EventId, Sku};

/// A failure that a test asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a test asked for this failure")]
pub struct Planted;

/// The cause of a planted failure.
#[must_use]
pub fn planted() -> Cause {
    Arc::new(Planted)
}

/// How the next transaction fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LedgerFault {
    /// Before anything is decided; the members may be tried one by one.
    RollBack,
    /// Before anything is decided; trying again would not help.
    Busy,
    /// Before anything is decided: somebody holds this record, or held something a moment ago.
    Held(Option<Sku>),
    /// After the commit: the change is there, the answer is lost.
    LoseAnswer,
    /// Instead of the commit: nothing is there, the answer is lost.
    LoseCommit,
}

/// What decides whether a transaction fails.
pub type FaultPlan = Box<dyn FnMut(&Footprint) -> Option<LedgerFault> + Send>;

/// A ledger whose transactions fail as planned.
pub struct FaultyLedger<L> {
    inner: L,
    plan: Mutex<FaultPlan>,
}

impl<L> FaultyLedger<L> {
    /// Asks `plan` before each transaction.
    pub fn new(inner: L, plan: impl FnMut(&Footprint) -> Option<LedgerFault> + Send + 'static) -> Self {
        Self {
            inner,
            plan: Mutex::new(Box::new(plan)),
        }
    }
}

impl<L: Ledger> Ledger for FaultyLedger<L> {
    async fn transact<D, R>(&self, footprint: Footprint, decide: D) -> Result<R, LedgerError>
    where
        D: FnOnce(&mut Loaded) -> (Changes, R) + Send,
        R: Send,
    {
        let fault = (self.plan.lock())(&footprint);
        match fault {
            None => self.inner.transact(footprint, decide).await,
            Some(LedgerFault::RollBack) => Err(LedgerError::RolledBack(planted())),
            Some(LedgerFault::Busy) => Err(LedgerError::Busy(planted())),
            Some(LedgerFault::Held(sku)) => Err(LedgerError::Contended(Contention {
                skus: sku.into_iter().collect(),
                orders: Vec::new(),
            })),
            Some(LedgerFault::LoseCommit) => Err(LedgerError::Unknown(planted())),
            Some(LedgerFault::LoseAnswer) => {
                self.inner.transact(footprint, decide).await?;
                Err(LedgerError::Unknown(planted()))
            }
        }
    }
}

/// Where the way of an event from the outbox to its receiver is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayFault {
    /// Nothing is read.
    Read,
    /// Everything is received, the acknowledgement is lost.
    Acknowledge,
    /// Nothing is sent.
    Send,
    /// Everything is acknowledged, it is not marked.
    Mark,
}

/// What decides whether a step of the relay fails.
pub type RelayPlan = Arc<Mutex<dyn FnMut() -> Option<RelayFault> + Send>>;

/// An outbox, or a publisher, that fails as planned. Both ask the same plan once a step.
#[derive(Clone)]
pub struct FaultyRelay<T> {
    inner: T,
    plan: RelayPlan,
}

impl<T> FaultyRelay<T> {
    /// Asks `plan` before each step.
    pub fn new(inner: T, plan: RelayPlan) -> Self {
        Self { inner, plan }
    }

    fn fault(&self) -> Option<RelayFault> {
        (self.plan.lock())()
    }
}

impl<O: Outbox> Outbox for FaultyRelay<O> {
    async fn unsent(&self, limit: usize) -> Result<Vec<OrderEvent>, QueryError> {
        match self.fault() {
            Some(RelayFault::Read) => Err(QueryError(planted())),
            _ => self.inner.unsent(limit).await,
        }
    }

    async fn mark_sent(&self, sent: Vec<EventId>) -> Result<(), QueryError> {
        match self.fault() {
            Some(RelayFault::Mark) => Err(QueryError(planted())),
            _ => self.inner.mark_sent(sent).await,
        }
    }

    async fn backlog(&self) -> Result<Backlog, QueryError> {
        self.inner.backlog().await
    }
}

impl<P: EventPublisher> EventPublisher for FaultyRelay<P> {
    async fn publish(&self, events: Vec<OrderEvent>) -> Published {
        let lost = |error| Published {
            error: Some(PublishError::Down(error)),
            ..Published::default()
        };
        match self.fault() {
            Some(RelayFault::Send) => lost(planted()),
            Some(RelayFault::Acknowledge) => {
                self.inner.publish(events).await;
                lost(planted())
            }
            _ => self.inner.publish(events).await,
        }
    }
}
