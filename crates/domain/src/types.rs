//! Values that carry their proof: past the edge of the process no raw integer stands for an
//! id, a count or an amount of money. Ranges are those of the contract: ids are positive
//! 64-bit integers, counts positive 32-bit ones, prices 32-bit, totals 64-bit and checked.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

/// A number that is not in the range of the type it was meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OutOfRange {
    /// An id was zero or negative.
    #[error("{what} must be a positive 64-bit integer, got {got}")]
    Id {
        /// Which id.
        what: &'static str,
        /// What was given.
        got: i64,
    },
    /// A count was zero.
    #[error("count must be from 1 to 4294967295, got 0")]
    ZeroCount,
}

macro_rules! positive_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl $name {
            /// The number itself, always positive.
            #[must_use]
            pub const fn get(self) -> i64 {
                self.0
            }
        }

        impl TryFrom<i64> for $name {
            type Error = OutOfRange;

            fn try_from(n: i64) -> Result<Self, OutOfRange> {
                if n > 0 { Ok(Self(n)) } else { Err(OutOfRange::Id { what: $what, got: n }) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

positive_id!(
    /// Who shops.
    UserId,
    "user id"
);
positive_id!(
    /// Stock keeping unit: what is sold.
    Sku,
    "sku"
);
positive_id!(
    /// An order, numbered by the ledger.
    OrderId,
    "order id"
);
positive_id!(
    /// An order event, numbered by the ledger; its order is the order of changes per order.
    EventId,
    "event id"
);

/// How many units: 1 to 4,294,967,295.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(NonZeroU32);

impl Quantity {
    /// One unit.
    pub const ONE: Self = Self(NonZeroU32::MIN);

    /// The number of units.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// The sum, or `None` where it does not fit a 32-bit count.
    #[must_use]
    pub fn checked_add(self, more: Self) -> Option<Self> {
        self.0.checked_add(more.get()).map(Self)
    }

    /// What is left after `less` units were taken, or `None` where nothing is.
    #[must_use]
    pub fn minus(self, less: Self) -> Option<Self> {
        NonZeroU32::new(self.get().saturating_sub(less.get())).map(Self)
    }
}

impl TryFrom<u32> for Quantity {
    type Error = OutOfRange;

    fn try_from(n: u32) -> Result<Self, OutOfRange> {
        NonZeroU32::new(n).map(Self).ok_or(OutOfRange::ZeroCount)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The price of one unit, in the smallest unit of the shop's currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Price(pub u32);

/// A sum of money that cannot wrap: adding past 64 bits is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Total(u64);

impl Total {
    /// The amount, in the unit of [`Price`].
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// This total and `quantity` units at `price`, or `None` over 64 bits.
    #[must_use]
    pub fn checked_add(self, price: Price, quantity: Quantity) -> Option<Self> {
        // 32 × 32 bits always fit 64; only the sum can overflow.
        let line = u64::from(price.0) * u64::from(quantity.get());
        self.0.checked_add(line).map(Self)
    }
}

/// An idempotency key: 1 to 64 visible ASCII characters (0x21 to 0x7E). Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey(Arc<str>);

/// A text that cannot be an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an idempotency key is 1 to 64 visible ASCII characters")]
pub struct BadKey;

impl IdempotencyKey {
    /// Most characters a key may have.
    pub const MAX_LEN: usize = 64;

    /// Checks and takes over a text.
    ///
    /// # Errors
    /// [`BadKey`] when it is empty, too long, or has a character that is not visible ASCII.
    pub fn new(text: impl AsRef<str>) -> Result<Self, BadKey> {
        let text = text.as_ref();
        let fits = (1..=Self::MAX_LEN).contains(&text.len());
        if fits && text.bytes().all(|b| b.is_ascii_graphic()) {
            Ok(Self(text.into()))
        } else {
            Err(BadKey)
        }
    }

    /// The key as it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_positive() {
        assert_eq!(Sku::try_from(1).map(Sku::get), Ok(1));
        assert_eq!(Sku::try_from(i64::MAX).map(Sku::get), Ok(i64::MAX));
        for bad in [0, -1, i64::MIN] {
            assert_eq!(Sku::try_from(bad), Err(OutOfRange::Id { what: "sku", got: bad }));
        }
    }

    #[test]
    fn quantities_never_wrap_or_vanish() {
        let max = Quantity::try_from(u32::MAX).unwrap();
        assert_eq!(max.checked_add(Quantity::ONE), None);
        assert_eq!(Quantity::ONE.minus(max), None);
        assert_eq!(max.minus(Quantity::ONE).map(Quantity::get), Some(u32::MAX - 1));
        assert_eq!(Quantity::try_from(0), Err(OutOfRange::ZeroCount));
    }

    #[test]
    fn totals_fit_the_largest_line_and_refuse_the_second() {
        let most = Quantity::try_from(u32::MAX).unwrap();
        let one = Total::default().checked_add(Price(u32::MAX), most).unwrap();
        assert_eq!(one.get(), 18_446_744_065_119_617_025);
        assert_eq!(one.checked_add(Price(u32::MAX), most), None);
    }

    #[test]
    fn keys_are_short_visible_ascii() {
        assert!(IdempotencyKey::new("a").is_ok());
        assert!(IdempotencyKey::new("~".repeat(64)).is_ok());
        for bad in ["", " ", "a b", "ä", "a\n", &"a".repeat(65)] {
            assert_eq!(IdempotencyKey::new(bad), Err(BadKey), "{bad:?}");
        }
    }
}
