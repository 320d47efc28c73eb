//! Order events: every change of an order's status is one, and tells exactly that.

use super::status::OrderStatus;
use crate::clock::Moment;
use crate::trace::TraceContext;
use crate::types::{EventId, OrderId};

/// A change of status as it was decided, before the ledger numbered it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusChange {
    /// Whose.
    pub order: OrderId,
    /// To which status.
    pub status: OrderStatus,
    /// When.
    pub moment: Moment,
    /// The trace that caused it.
    pub trace: Option<TraceContext>,
}

/// A committed change of status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderEvent {
    /// Unique, and the same over every redelivery.
    pub id: EventId,
    /// What changed.
    pub change: StatusChange,
}
