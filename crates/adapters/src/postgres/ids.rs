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

    /// Keeps what is left of a block. The transaction that took the block must be committed: what
    /// the sequence gave in another one may be given again after a crash or a failover.
    pub fn keep(&self, rest: std::ops::Range<i64>) {
        if !rest.is_empty() {
            self.0.lock().push(rest);
        }
    }
}

/// Takes what is missing from a block that begins with `first`; what is left of it.
#[must_use]
pub fn split_block(first: i64, missing: usize) -> (Vec<OrderId>, std::ops::Range<i64>) {
    let mut block = first..first + BLOCK;
    let ids = block
        .by_ref()
        .take(missing)
        .filter_map(|id| OrderId::try_from(id).ok())
        .collect();
    (ids, block)
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
        let (first, rest) = split_block(1, 998);
        assert_eq!(numbers(first)[997], 998);
        assert!(ids.take(1).is_empty(), "not before its transaction is committed");
        ids.keep(rest);
        let (first, rest) = split_block(5001, 1);
        assert_eq!(numbers(first), [5001]);
        ids.keep(rest);
        assert_eq!(numbers(ids.take(4)), [999, 1000, 5002, 5003]);
        assert_eq!(ids.take(5000).len(), 997);
        let (all, rest) = split_block(9001, 1000);
        ids.keep(rest);
        assert!(all.len() == 1000 && ids.take(1).is_empty());
    }

    #[test]
    fn blocks_are_rounded_up() {
        assert_eq!([0, 1, 1000, 1001].map(blocks), [0, 1, 1, 2]);
    }
}
