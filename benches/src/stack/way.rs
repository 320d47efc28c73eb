//! A way to place and to settle orders, whatever is behind it: what the driver drives and what
//! comparisons compare.

use std::sync::Arc;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::client::{Answer, Fault, FaultKind};
use crate::dataset::Line;

/// Skus that orders are spread over.
pub(crate) const SKUS: i64 = 10_000;
/// Lines of an order that is spread.
const LINES: usize = 3;
/// Users that orders are spread over.
const USERS: i64 = 10_000;
/// What everybody wants.
const HOT_SKU: i64 = 1;

/// Places and settles orders.
pub(crate) trait Way: Send + Sync + 'static {
    /// Places an order; its number.
    fn place(&self, user_id: i64, lines: &[Line]) -> impl Future<Output = Answer<i64>> + Send;

    /// Does one thing to one order, sku or user. What a side does not have it refuses.
    fn step(&self, step: Step, id: i64) -> impl Future<Output = Answer<()>> + Send;
}

/// What is done to one order, sku or user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// An order is paid for.
    Pay,
    /// An order is given up.
    Cancel,
    /// An order is asked for.
    Info,
    /// The free units of a sku are asked for.
    Free,
    /// The cart of a user becomes an order.
    Checkout,
}

impl Step {
    /// Whether it is done to each only once.
    pub(crate) const fn is_once(self) -> bool {
        match self {
            Self::Pay | Self::Cancel | Self::Checkout => true,
            Self::Info | Self::Free => false,
        }
    }

    /// What a side says that does not have it.
    pub(crate) fn unknown<T>(self) -> Answer<T> {
        Err(Fault::new(
            FaultKind::Unexpected,
            "no such step",
            format!("{self:?} is not for this side"),
        ))
    }
}

/// What orders look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Three lines of one unit over all skus.
    Spread,
    /// One unit of one sku that everybody wants.
    Hot,
}

/// What is done over and over.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Orders are placed.
    Create(Shape),
    /// A step is done to each of these.
    Each(Step, Arc<[i64]>),
}

impl Act {
    /// As it is told.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Create(Shape::Spread) => "create, 3 lines over 10,000 skus",
            Self::Create(Shape::Hot) => "create, one sku for all",
            Self::Each(step, _) => match step {
                Step::Pay => "pay",
                Step::Cancel => "cancel",
                Step::Info => "order info",
                Step::Free => "free units of a sku",
                Step::Checkout => "checkout",
            },
        }
    }
}

/// Order number `index` of a run: whose it is, and its lines by ascending sku.
pub(crate) fn order(shape: Shape, seed: u64, index: u64) -> (i64, Vec<Line>) {
    let mut random = SmallRng::seed_from_u64(seed ^ index.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let user_id = random.random_range(1..=USERS);
    let skus = match shape {
        Shape::Hot => vec![HOT_SKU],
        Shape::Spread => {
            let count = usize::try_from(SKUS).unwrap_or(usize::MAX);
            let mut chosen: Vec<i64> = rand::seq::index::sample(&mut random, count, LINES)
                .into_iter()
                .map(|at| 1 + i64::try_from(at).unwrap_or(0))
                .collect();
            chosen.sort_unstable();
            chosen
        }
    };
    (user_id, skus.into_iter().map(|sku| Line { sku, count: 1 }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_spread_and_ascending_and_the_same_again() {
        let skus = |index| -> Vec<i64> {
            let (_, lines) = order(Shape::Spread, 1, index);
            lines.iter().map(|line| line.sku).collect()
        };
        let first = skus(0);
        assert_eq!((first.len(), skus(0)), (3, first.clone()));
        assert!(first.is_sorted() && first.iter().all(|sku| (1..=SKUS).contains(sku)));
        assert_ne!(first, skus(1));
        let (_, hot) = order(Shape::Hot, 1, 5);
        assert_eq!(hot.len(), 1);
    }
}
