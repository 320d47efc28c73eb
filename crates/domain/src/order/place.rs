//! The rule that places one order of a batch: all of its stock is reserved or none, and a
//! failed order is a change like any other. The same key gives the same answer.

use super::event::StatusChange;
use super::loaded::{Changes, Loaded, Placed};
use super::model::{Draft, Order, Shortage};
use super::status::OrderStatus;
use crate::clock::Moment;
use crate::trace::TraceContext;
use crate::types::OrderId;

/// Why no order awaits payment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceRefusal {
    /// A line exceeds the free stock; the order is recorded as failed.
    #[error("order {order} failed: {}", Short(.shortage))]
    NotEnoughStock {
        /// The failed order.
        order: OrderId,
        /// Its first line that is short.
        shortage: Shortage,
    },
    /// The key stands for another order.
    #[error("the idempotency key was used before with another body; nothing was done, use a new key")]
    KeyReused,
    /// More orders than the footprint announced: our bug.
    #[error("internal error")]
    NoId,
}

struct Short<'a>(&'a Shortage);

impl std::fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Shortage { sku, wanted, free } = self.0;
        match free {
            Some(free) => write!(f, "sku {sku}: {wanted} wanted, {free} free"),
            None => write!(f, "sku {sku}: {wanted} wanted, no stock record"),
        }
    }
}

/// Places a draft, or answers as before where its key is known.
pub(super) fn place(
    draft: &Draft,
    trace: Option<TraceContext>,
    now: Moment,
    loaded: &mut Loaded,
    changes: &mut Changes,
) -> Result<OrderId, PlaceRefusal> {
    if let Some(earlier) = earlier(draft, loaded, changes) {
        return answer_of(earlier, draft);
    }
    let id = loaded.next_id().ok_or(PlaceRefusal::NoId)?;
    let (status, shortage) = match loaded.reserve(&draft.lines) {
        Ok(()) => (OrderStatus::AwaitingPayment, None),
        Err((line, free)) => (
            OrderStatus::Failed,
            Some(Shortage {
                sku: line.sku,
                wanted: line.quantity,
                free,
            }),
        ),
    };
    for status in [OrderStatus::New, status] {
        changes.events.push(StatusChange {
            order: id,
            status,
            moment: now,
            trace,
        });
    }
    let lines = draft.lines.clone();
    let order = Order {
        id,
        user: draft.user,
        lines,
        status,
        shortage,
        placed_at: now,
    };
    changes.placed.push(Placed {
        order,
        key: draft.key.clone(),
    });
    shortage.map_or(Ok(id), |shortage| {
        Err(PlaceRefusal::NotEnoughStock { order: id, shortage })
    })
}

/// The order recorded under the draft's key, before this batch or earlier in it.
fn earlier<'a>(draft: &Draft, loaded: &'a Loaded, changes: &'a Changes) -> Option<&'a Order> {
    let key = draft.key.as_ref()?;
    loaded.recorded(draft.user, key).or_else(|| {
        let same = |placed: &&Placed| placed.order.user == draft.user && placed.key.as_ref() == Some(key);
        changes.placed.iter().find(same).map(|placed| &placed.order)
    })
}

fn answer_of(earlier: &Order, draft: &Draft) -> Result<OrderId, PlaceRefusal> {
    if earlier.lines != draft.lines {
        return Err(PlaceRefusal::KeyReused);
    }
    let order = earlier.id;
    earlier.shortage.map_or(Ok(order), |shortage| {
        Err(PlaceRefusal::NotEnoughStock { order, shortage })
    })
}
