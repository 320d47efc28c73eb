//! The stock record of a sku: `0 ≤ reserved ≤ total`, always.

use crate::clock::Moment;
use crate::types::{Quantity, Sku};

/// Units of one sku.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stock {
    total: u32,
    reserved: u32,
}

/// A change that would break `0 ≤ reserved ≤ total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StockError {
    /// More reserved than there is.
    #[error("{reserved} reserved of {total}")]
    OverReserved {
        /// Units there are.
        total: u32,
        /// Units reserved.
        reserved: u32,
    },
    /// Not so many units are free.
    #[error("{wanted} wanted, {free} free")]
    NotEnough {
        /// Units wanted.
        wanted: u32,
        /// Units free.
        free: u32,
    },
    /// Not so many units are reserved: an order and its stock disagree.
    #[error("{wanted} to settle, only {reserved} reserved")]
    NotReserved {
        /// Units to settle.
        wanted: u32,
        /// Units reserved.
        reserved: u32,
    },
}

impl Stock {
    /// A record.
    ///
    /// # Errors
    /// [`StockError::OverReserved`].
    pub const fn new(total: u32, reserved: u32) -> Result<Self, StockError> {
        if reserved > total {
            return Err(StockError::OverReserved { total, reserved });
        }
        Ok(Self { total, reserved })
    }

    /// All units, reserved ones included.
    #[must_use]
    pub const fn total(self) -> u32 {
        self.total
    }

    /// Units promised to orders that await payment.
    #[must_use]
    pub const fn reserved(self) -> u32 {
        self.reserved
    }

    /// Units that can be bought now.
    #[must_use]
    pub const fn free(self) -> u32 {
        self.total - self.reserved
    }

    /// Promises units to an order.
    ///
    /// # Errors
    /// [`StockError::NotEnough`].
    pub const fn reserve(self, units: Quantity) -> Result<Self, StockError> {
        let (wanted, free) = (units.get(), self.free());
        if wanted > free {
            return Err(StockError::NotEnough { wanted, free });
        }
        Ok(Self {
            total: self.total,
            reserved: self.reserved + wanted,
        })
    }

    /// Takes a promise back.
    ///
    /// # Errors
    /// [`StockError::NotReserved`].
    pub const fn release(self, units: Quantity) -> Result<Self, StockError> {
        let wanted = units.get();
        match self.reserved.checked_sub(wanted) {
            Some(reserved) => Ok(Self {
                total: self.total,
                reserved,
            }),
            None => Err(StockError::NotReserved {
                wanted,
                reserved: self.reserved,
            }),
        }
    }

    /// Hands promised units over: they leave the stock.
    ///
    /// # Errors
    /// [`StockError::NotReserved`].
    pub const fn sell(self, units: Quantity) -> Result<Self, StockError> {
        match self.release(units) {
            // reserved ≤ total, so what is not over reserved is not over total.
            Ok(left) => Ok(Self {
                total: self.total - units.get(),
                reserved: left.reserved,
            }),
            Err(error) => Err(error),
        }
    }
}

/// A load or an adjustment of stock, kept so that what happened stays provable:
/// `total = sum of movements − units payed`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// Of which sku.
    pub sku: Sku,
    /// Units added, or taken away if negative.
    pub units: i64,
    /// Why, for people.
    pub reason: Box<str>,
    /// When.
    pub moment: Moment,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(n: u32) -> Quantity {
        Quantity::try_from(n).unwrap()
    }

    #[test]
    fn reserve_release_sell() {
        let stock = Stock::new(10, 2).unwrap();
        assert_eq!(stock.free(), 8);
        assert_eq!(stock.reserve(units(8)), Stock::new(10, 10));
        assert_eq!(
            stock.reserve(units(9)),
            Err(StockError::NotEnough { wanted: 9, free: 8 })
        );
        assert_eq!(stock.release(units(2)), Stock::new(10, 0));
        assert_eq!(stock.sell(units(2)), Stock::new(8, 0));
        assert_eq!(
            stock.sell(units(3)),
            Err(StockError::NotReserved { wanted: 3, reserved: 2 })
        );
        assert_eq!(
            stock.release(units(3)),
            Err(StockError::NotReserved { wanted: 3, reserved: 2 })
        );
        assert!(Stock::new(1, 2).is_err());
    }
}
