//! What an order is: its lines, who wants it, and where it stands.

use std::ops::Deref;
use std::sync::Arc;

use super::status::OrderStatus;
use crate::clock::Moment;
use crate::types::{IdempotencyKey, OrderId, Quantity, Sku, UserId};

/// Most lines that a request for an order, or a cart, may have. Source: the contract.
pub const MAX_LINES: usize = 500;

/// Units of one sku.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// What.
    pub sku: Sku,
    /// How many.
    pub quantity: Quantity,
}

/// The lines of an order: 1 to 500, by ascending sku, each sku once. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines(Arc<[Line]>);

/// Why lines make no order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinesError {
    /// There are none.
    #[error("an order needs at least one item")]
    Empty,
    /// There are too many.
    #[error("an order has at most 500 items, got {0}")]
    TooMany(usize),
    /// The counts of a repeated sku add up to more than 32 bits.
    #[error("the counts of sku {0} add up to more than 4294967295")]
    Overflow(Sku),
}

impl Lines {
    /// Sorts lines by sku and adds up those that repeat one.
    ///
    /// # Errors
    /// [`LinesError`], counting lines before they are added up.
    pub fn merge(lines: impl IntoIterator<Item = Line>) -> Result<Self, LinesError> {
        let mut lines: Vec<Line> = lines.into_iter().collect();
        match lines.len() {
            0 => return Err(LinesError::Empty),
            1..=MAX_LINES => {}
            many => return Err(LinesError::TooMany(many)),
        }
        if lines.is_sorted_by(|a, b| a.sku < b.sku) {
            return Ok(Self(lines.into()));
        }
        lines.sort_unstable_by_key(|line| line.sku);
        let mut merged: Vec<Line> = Vec::with_capacity(lines.len());
        for line in lines {
            match merged.last_mut() {
                Some(last) if last.sku == line.sku => {
                    let sum = last.quantity.checked_add(line.quantity);
                    last.quantity = sum.ok_or(LinesError::Overflow(line.sku))?;
                }
                _ => merged.push(line),
            }
        }
        Ok(Self(merged.into()))
    }
}

impl Deref for Lines {
    type Target = [Line];

    fn deref(&self) -> &[Line] {
        &self.0
    }
}

/// An order that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Who.
    pub user: UserId,
    /// What.
    pub lines: Lines,
    /// Under which idempotency key, scoped to the user.
    pub key: Option<IdempotencyKey>,
}

/// The line that could not be reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortage {
    /// Its sku.
    pub sku: Sku,
    /// Units wanted.
    pub wanted: Quantity,
    /// Units that were free; `None` where the sku has no stock record.
    pub free: Option<u32>,
}

/// An order as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its number.
    pub id: OrderId,
    /// Who made it.
    pub user: UserId,
    /// What it is for.
    pub lines: Lines,
    /// Where it stands.
    pub status: OrderStatus,
    /// Why it failed, where it did.
    pub shortage: Option<Shortage>,
    /// When it was made.
    pub placed_at: Moment,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(sku: i64, count: u32) -> Line {
        Line {
            sku: Sku::try_from(sku).unwrap(),
            quantity: Quantity::try_from(count).unwrap(),
        }
    }

    #[test]
    fn lines_are_sorted_and_added_up() {
        let lines = Lines::merge([line(3, 1), line(1, 2), line(3, 4), line(2, 1)]).unwrap();
        assert_eq!(*lines, [line(1, 2), line(2, 1), line(3, 5)]);
    }

    #[test]
    fn bad_lines_say_why() {
        assert_eq!(Lines::merge([]), Err(LinesError::Empty));
        assert!(Lines::merge((1..=500).map(|n| line(n, 1))).is_ok());
        assert_eq!(
            Lines::merge((0..501).map(|_| line(1, 1))),
            Err(LinesError::TooMany(501))
        );
        let overflow = Lines::merge([line(9, u32::MAX), line(9, 1)]);
        assert_eq!(overflow, Err(LinesError::Overflow(Sku::try_from(9).unwrap())));
    }
}
