//! A batch of calls, decided together in the order of their arrival. Pure: what it needs is in
//! its [`Footprint`], what it does is in its [`Changes`].

use super::loaded::{Changes, Footprint, Loaded};
use super::model::Draft;
use super::place::{PlaceRefusal, place};
use super::settle::{SettleCommand, SettleRefusal, Settled, settle};
use crate::clock::Moment;
use crate::trace::TraceContext;
use crate::types::OrderId;

/// What one member of a batch wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Place an order.
    Place(Draft),
    /// End one.
    Settle(SettleCommand),
}

/// One member of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// What it wants.
    pub action: Action,
    /// The trace that its events carry.
    pub trace: Option<TraceContext>,
}

/// The answer to one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To [`Action::Place`].
    Placed(Result<OrderId, PlaceRefusal>),
    /// To [`Action::Settle`].
    Settled(Result<Settled, SettleRefusal>),
}

/// What a batch touches.
#[must_use]
pub fn footprint<'a>(batch: impl IntoIterator<Item = &'a Command>) -> Footprint {
    let (mut skus, mut orders, mut keys, mut drafts) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for command in batch {
        match &command.action {
            Action::Place(draft) => {
                drafts += 1;
                skus.extend(draft.lines.iter().map(|line| line.sku));
                keys.extend(draft.key.clone().map(|key| (draft.user, key)));
            }
            Action::Settle(settle) => orders.push(settle.order()),
        }
    }
    Footprint::new(skus, orders, keys, drafts)
}

/// Decides a batch; the answers stand in the order of the commands.
pub fn decide<'a>(
    batch: impl IntoIterator<Item = &'a Command>,
    now: Moment,
    loaded: &mut Loaded,
) -> (Changes, Vec<Answer>) {
    let mut changes = Changes::default();
    let answers = batch
        .into_iter()
        .map(|command| match &command.action {
            Action::Place(draft) => Answer::Placed(place(draft, command.trace, now, loaded, &mut changes)),
            Action::Settle(what) => Answer::Settled(settle(*what, command.trace, now, loaded, &mut changes)),
        })
        .collect();
    changes.stock = loaded.changed_stock();
    (changes, answers)
}
