//! Numbers for orders, taken from the database in blocks, so that most batches ask for none. What
//! a batch does not use is lost: ids have gaps.

use domain::types::OrderId;
use parking_lot::Mutex;

/// Ids of one block. Source: `increment by` of the sequence in `sql/migrations`.
pub const BLOCK: i64 = 1000;

/// The ids that are left of the blocks that were taken.
#[derive(Debug, Default)]
pub struct OrderIds(Mutex<Vec<std::ops::Range<i64>>>);

impl OrderIds {
    /// Takes up to `count` ids, ascending.
    #[must_use]
    pub fn take(&self, count: usize) -> Vec<OrderId> {
        let mut blocks = self.0.lock();
        let mut ids = Vec::with_capacity(count);
        while ids.len() < count {
            let Some(block) = blocks.first_mut() else { break };
            match block.next() {
                Some(id) => ids.extend(OrderId::try_from(id)),
                None => drop(blocks.remove(0)),
            }
        }
        ids
    }

    /// Takes what is missing from a block that begins with `first`, and keeps its rest.
    pub fn take_from_block(&self, first: i64, missing: usize) -> Vec<OrderId> {
        let mut block = first..first + BLOCK;
        let ids = block
            .by_ref()
            .take(missing)
            .filter_map(|id| OrderId::try_from(id).ok())
            .collect();
        if !block.is_empty() {
            self.0.lock().push(block);
        }
        ids
    }
}

/// How many blocks hold `missing` ids.
#[must_use]
pub fn blocks(missing: usize) -> i32 {
    let missing = i64::try_from(missing).unwrap_or(i64::MAX - BLOCK);
    i32::try_from((missing + BLOCK - 1) / BLOCK).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(ids: Vec<OrderId>) -> Vec<i64> {
        ids.into_iter().map(OrderId::get).collect()
    }

    #[test]
    fn ids_come_from_the_blocks_in_their_order_and_each_once() {
        let ids = OrderIds::default();
        assert!(ids.take(1).is_empty());
        assert_eq!(numbers(ids.take_from_block(1, 998))[997], 998);
        assert_eq!(numbers(ids.take_from_block(5001, 1)), [5001]);
        assert_eq!(numbers(ids.take(4)), [999, 1000, 5002, 5003]);
        assert_eq!(ids.take(5000).len(), 997);
        assert!(ids.take_from_block(9001, 1000).len() == 1000 && ids.take(1).is_empty());
    }

    #[test]
    fn blocks_are_rounded_up() {
        assert_eq!([0, 1, 1000, 1001].map(blocks), [0, 1, 1, 2]);
    }
}
