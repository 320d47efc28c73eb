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

    /// How many blocks must be added before `count` ids can be taken.
    #[must_use]
    pub fn blocks_short(&self, count: usize) -> usize {
        let left: i64 = self.0.lock().iter().map(|block| block.end - block.start).sum();
        let missing = i64::try_from(count).unwrap_or(i64::MAX).saturating_sub(left);
        usize::try_from((missing.max(0) + BLOCK - 1) / BLOCK).unwrap_or(0)
    }

    /// Adds the block that begins with `first`.
    pub fn add(&self, first: i64) {
        self.0.lock().push(first..first + BLOCK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_from_the_blocks_in_their_order() {
        let ids = OrderIds::default();
        assert_eq!(
            (ids.blocks_short(0), ids.blocks_short(1), ids.blocks_short(1001)),
            (0, 1, 2)
        );
        ids.add(1);
        ids.add(5001);
        assert_eq!(ids.blocks_short(2000), 0);
        let first: Vec<i64> = ids.take(999).into_iter().map(OrderId::get).collect();
        assert_eq!((first[0], first[998]), (1, 999));
        let next: Vec<i64> = ids.take(3).into_iter().map(OrderId::get).collect();
        assert_eq!(next, [1000, 5001, 5002]);
        assert_eq!(ids.blocks_short(999), 1);
        assert_eq!(ids.take(5000).len(), 998);
        assert!(ids.take(1).is_empty());
    }
}
