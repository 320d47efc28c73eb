//! The rule that ends one order: paying hands its units over, cancelling frees them, and
//! expiry is a cancellation that only takes orders whose time to pay has run out.

use super::event::StatusChange;
use super::loaded::{Changes, Corrupt, Loaded, SettledOrder};
use super::status::{IllegalMove, OrderStatus, Settlement, Step};
use crate::clock::Moment;
use crate::stock::model::Stock;
use crate::trace::TraceContext;
use crate::types::OrderId;

/// What is to become of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettleCommand {
    /// Pay it.
    Pay(OrderId),
    /// Cancel it.
    Cancel(OrderId),
    /// Cancel it if it was placed before this moment and still awaits payment.
    Expire(OrderId, Moment),
}

impl SettleCommand {
    /// Which order.
    #[must_use]
    pub const fn order(self) -> OrderId {
        match self {
            Self::Pay(order) | Self::Cancel(order) | Self::Expire(order, _) => order,
        }
    }

    /// Which way it goes.
    #[must_use]
    pub const fn settlement(self) -> Settlement {
        match self {
            Self::Pay(_) => Settlement::Pay,
            Self::Cancel(_) | Self::Expire(..) => Settlement::Cancel,
        }
    }
}

/// A settlement that succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// By this call.
    Now,
    /// It was so before.
    Already,
    /// Nothing to expire: the order is settled, or its time has not run out.
    NotDue,
}

/// Why an order was not settled; it is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SettleRefusal {
    /// There is no such order.
    #[error("order {0} does not exist")]
    NotFound(OrderId),
    /// The state machine forbids it.
    #[error("order {order}: {illegal}")]
    Illegal {
        /// Which.
        order: OrderId,
        /// The move.
        illegal: IllegalMove,
    },
    /// Its reservation is not in the stock: our bug.
    #[error("internal error")]
    Corrupt(#[source] Corrupt),
}

/// Settles an order.
pub(super) fn settle(
    command: SettleCommand,
    trace: Option<TraceContext>,
    now: Moment,
    loaded: &mut Loaded,
    changes: &mut Changes,
) -> Result<Settled, SettleRefusal> {
    let id = command.order();
    let order = loaded.order(id).ok_or(SettleRefusal::NotFound(id))?;
    if let SettleCommand::Expire(_, placed_before) = command
        && (order.status != OrderStatus::AwaitingPayment || order.placed_at >= placed_before)
    {
        return Ok(Settled::NotDue);
    }
    let settlement = command.settlement();
    let step = order.status.settle(settlement);
    let status = match step.map_err(|illegal| SettleRefusal::Illegal { order: id, illegal })? {
        Step::Already => return Ok(Settled::Already),
        Step::To(status) => status,
    };
    let lines = order.lines.clone();
    let units = match settlement {
        Settlement::Pay => Stock::sell,
        Settlement::Cancel => Stock::release,
    };
    loaded.settle(&lines, units).map_err(SettleRefusal::Corrupt)?;
    loaded.set_status(id, status);
    changes.settled.push(SettledOrder {
        order: id,
        status,
        moment: now,
    });
    changes.events.push(StatusChange {
        order: id,
        status,
        moment: now,
        trace,
    });
    Ok(Settled::Now)
}
