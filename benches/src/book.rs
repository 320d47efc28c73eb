//! What the workers were answered: the orders that exist, and the calls whose outcome is unknown.

use std::time::{Duration, Instant};

use crate::client::{Answer, Fault, FaultKind, Target};
use crate::clock;
use crate::dataset::Lines;

/// Pause before the first repeat of a call with an unknown outcome; it doubles up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// What is done with an order once it is placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Left `awaiting payment`.
    Left,
    /// Paid for.
    Payed,
    /// Called off.
    Cancelled,
}

/// An order that the shop said it placed.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    /// Its number.
    pub(crate) order_id: i64,
    /// Whose it is.
    pub(crate) user_id: i64,
    /// What was ordered.
    pub(crate) lines: Lines,
    /// What was done with it since, and answered so.
    pub(crate) fate: Fate,
}

/// A call that may have been done or not, with all it takes to repeat it.
#[derive(Clone, Debug)]
pub(crate) enum Pending {
    /// An order sent to LOMS.
    Create {
        /// Whose.
        user_id: i64,
        /// What.
        lines: Lines,
        /// Under which key.
        key: String,
        /// What is to be done with it then.
        fate: Fate,
    },
    /// A checkout of a cart.
    Checkout {
        /// Whose.
        user_id: i64,
        /// What was in the cart.
        lines: Lines,
        /// Under which key.
        key: String,
        /// What is to be done with it then.
        fate: Fate,
    },
    /// Payment or cancellation of an order that is placed.
    Settle(Placed),
}

/// All answers of a run.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// Orders that exist.
    pub(crate) placed: Vec<Placed>,
    /// Calls whose outcome is unknown.
    pub(crate) pending: Vec<Pending>,
    /// Orders that were refused for lack of stock: each is recorded as failed.
    pub(crate) refused: u64,
    /// Carts that took no line, so that there was nothing to order.
    pub(crate) unfilled: u64,
    /// Orders that were given up with nothing done.
    pub(crate) given_up: u64,
    /// Lines that no cart took: out of stock.
    pub(crate) lines_refused: u64,
    /// Lines that no cart took for another reason.
    pub(crate) lines_given_up: u64,
}

impl Book {
    /// Adds what another worker was answered.
    pub(crate) fn merge(&mut self, other: Self) {
        self.placed.extend(other.placed);
        self.pending.extend(other.pending);
        self.refused += other.refused;
        self.unfilled += other.unfilled;
        self.given_up += other.given_up;
        self.lines_refused += other.lines_refused;
        self.lines_given_up += other.lines_given_up;
    }

    /// Writes down the answer to an attempt to place an order; what is to be repeated if it is
    /// unknown comes from `pending`. Returns the order's number if it exists.
    pub(crate) fn placing(&mut self, answer: &Answer<i64>, pending: impl FnOnce() -> Pending) -> Option<i64> {
        match answer {
            Ok(order_id) => return Some(*order_id),
            Err(fault) => match fault.kind {
                FaultKind::Refused => self.refused += 1,
                FaultKind::Unavailable | FaultKind::Unexpected => self.given_up += 1,
                FaultKind::Unknown => self.pending.push(pending()),
            },
        }
        None
    }

    /// Repeats every pending call with its key until its outcome is known, all together for at most
    /// `patience`. Returns those that stayed unknown.
    pub(crate) async fn resolve(&mut self, target: &Target, patience: Duration) -> Vec<Pending> {
        let until = clock::now() + patience;
        let mut left = Vec::new();
        for pending in std::mem::take(&mut self.pending) {
            if let Err(pending) = self.resolve_one(target, pending, until).await {
                left.push(pending);
            }
        }
        left
    }

    /// Repeats one call until its outcome is known, then does with the order what was to be done.
    pub(crate) async fn resolve_one(
        &mut self,
        target: &Target,
        pending: Pending,
        until: Instant,
    ) -> Result<(), Pending> {
        let mut pause = PAUSE;
        let mut pending = pending;
        while clock::now() < until {
            match repeat(target, &pending).await {
                Ok(Outcome::Placed(order)) if order.fate == Fate::Left => {
                    self.placed.push(order);
                    return Ok(());
                }
                Ok(Outcome::Placed(order)) => pending = Pending::Settle(order),
                Ok(Outcome::Settled(order)) => {
                    self.placed.push(order);
                    return Ok(());
                }
                Err(fault) if fault.kind == FaultKind::Refused => {
                    self.refused_for_good(pending);
                    return Ok(());
                }
                // Even «nothing was done» is said of this attempt only, not of the one before.
                Err(_) => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
        Err(pending)
    }

    fn refused_for_good(&mut self, pending: Pending) {
        match pending {
            Pending::Create { .. } | Pending::Checkout { .. } => self.refused += 1,
            // The order exists as it was: the audit sees its status.
            Pending::Settle(order) => self.placed.push(Placed {
                fate: Fate::Left,
                ..order
            }),
        }
    }
}

enum Outcome {
    /// Exists; its fate is still to come.
    Placed(Placed),
    /// Its fate has come.
    Settled(Placed),
}

async fn repeat(target: &Target, pending: &Pending) -> Result<Outcome, Fault> {
    match pending {
        Pending::Create {
            user_id,
            lines,
            key,
            fate,
        } => {
            let order_id = target.orders.create(*user_id, lines, Some(key)).await?;
            Ok(placed(order_id, *user_id, lines, *fate))
        }
        Pending::Checkout {
            user_id,
            lines,
            key,
            fate,
        } => {
            let order_id = target.cart.checkout(*user_id, key).await?;
            Ok(placed(order_id, *user_id, lines, *fate))
        }
        Pending::Settle(order) => {
            settle(target, order.order_id, order.fate).await?;
            Ok(Outcome::Settled(order.clone()))
        }
    }
}

fn placed(order_id: i64, user_id: i64, lines: &Lines, fate: Fate) -> Outcome {
    Outcome::Placed(Placed {
        order_id,
        user_id,
        lines: lines.clone(),
        fate,
    })
}

/// Does with an order what is to be done with it.
pub(crate) async fn settle(target: &Target, order_id: i64, fate: Fate) -> Answer<()> {
    match fate {
        Fate::Left => Ok(()),
        Fate::Payed => target.orders.pay(order_id).await,
        Fate::Cancelled => target.orders.cancel(order_id).await,
    }
}
