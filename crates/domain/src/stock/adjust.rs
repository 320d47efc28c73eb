//! Use case: add units to a sku, or take some away, for a reason that is kept.

use super::model::{Stock, StockError};
use super::ports::KeepingError;
use crate::types::Sku;

/// Units that come, or go if negative: 1 to 4,294,967,295 of them, never none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Units(i64);

/// A number that is no adjustment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("units to adjust by are 1 to 4294967295, added or taken away, got {0}")]
pub struct BadUnits(pub i64);

impl Units {
    /// Units added; negative where they are taken away.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl TryFrom<i64> for Units {
    type Error = BadUnits;

    fn try_from(n: i64) -> Result<Self, BadUnits> {
        if n == 0 || n.unsigned_abs() > u64::from(u32::MAX) {
            return Err(BadUnits(n));
        }
        Ok(Self(n))
    }
}

/// Why stock is adjusted, for people: 1 to 200 characters, on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason(Box<str>);

/// A text that is no reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a reason is 1 to 200 characters on one line, not only spaces")]
pub struct BadReason;

impl Reason {
    /// Most characters a reason may have.
    pub const MAX_LEN: usize = 200;

    /// Checks a text, and takes it over without the spaces around it.
    ///
    /// # Errors
    /// [`BadReason`].
    pub fn new(text: &str) -> Result<Self, BadReason> {
        let text = text.trim();
        let fits = (1..=Self::MAX_LEN).contains(&text.chars().count());
        if fits && !text.chars().any(char::is_control) {
            Ok(Self(text.into()))
        } else {
            Err(BadReason)
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adjustment {
    /// Of which sku.
    pub sku: Sku,
    /// By how much.
    pub units: Units,
    /// Why.
    pub reason: Reason,
}

/// Why an adjustment is refused; nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AdjustRefusal {
    /// A typing error must not make a record: an import does.
    #[error("sku {0} has no stock record; `app stock import` makes records")]
    UnknownSku(Sku),
    /// Orders that await payment have been promised the units.
    #[error("sku {sku} has {} units, of which orders have reserved {}: {} can be taken away at most",
        .stock.total(), .stock.reserved(), .stock.free())]
    BelowReserved {
        /// Of which sku.
        sku: Sku,
        /// What there is.
        stock: Stock,
    },
    /// More than a count can say.
    #[error("sku {sku} has {} units: {} can be added at most", .stock.total(), u32::MAX - .stock.total())]
    TooMany {
        /// Of which sku.
        sku: Sku,
        /// What there is.
        stock: Stock,
    },
}

/// Why stock was not adjusted.
#[derive(Debug, thiserror::Error)]
pub enum AdjustError {
    /// A rule forbids it; nothing was changed.
    #[error(transparent)]
    Refused(#[from] AdjustRefusal),
    /// The stock cannot be changed, or nobody knows.
    #[error(transparent)]
    Keeping(#[from] KeepingError),
}

/// The record after an adjustment.
///
/// # Errors
/// [`AdjustRefusal`].
pub fn adjust(record: Option<Stock>, adjustment: &Adjustment) -> Result<Stock, AdjustRefusal> {
    let sku = adjustment.sku;
    let stock = record.ok_or(AdjustRefusal::UnknownSku(sku))?;
    let total = i64::from(stock.total()) + adjustment.units.get();
    let Ok(total) = u32::try_from(total) else {
        return Err(if total < 0 {
            AdjustRefusal::BelowReserved { sku, stock }
        } else {
            AdjustRefusal::TooMany { sku, stock }
        });
    };
    Stock::new(total, stock.reserved()).map_err(|error| match error {
        StockError::OverReserved { .. } | StockError::NotEnough { .. } | StockError::NotReserved { .. } => {
            AdjustRefusal::BelowReserved { sku, stock }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(units: i64) -> Adjustment {
        Adjustment {
            sku: Sku::try_from(7).unwrap(),
            units: Units::try_from(units).unwrap(),
            reason: Reason::new("counted again").unwrap(),
        }
    }

    #[test]
    fn units_come_and_go_within_what_is_free_and_what_a_count_can_say() {
        let stock = Stock::new(10, 4).unwrap();
        assert_eq!(adjust(Some(stock), &by(5)), Ok(Stock::new(15, 4).unwrap()));
        assert_eq!(adjust(Some(stock), &by(-6)), Ok(Stock::new(4, 4).unwrap()));
        let sku = by(1).sku;
        let below = Err(AdjustRefusal::BelowReserved { sku, stock });
        assert_eq!(adjust(Some(stock), &by(-7)), below);
        assert_eq!(adjust(Some(stock), &by(-11)), below);
        let most = i64::from(u32::MAX);
        assert_eq!(
            adjust(Some(stock), &by(most - 10)),
            Ok(Stock::new(u32::MAX, 4).unwrap())
        );
        assert_eq!(
            adjust(Some(stock), &by(most - 9)),
            Err(AdjustRefusal::TooMany { sku, stock })
        );
        assert_eq!(adjust(None, &by(1)), Err(AdjustRefusal::UnknownSku(sku)));
    }

    #[test]
    fn refusals_say_how_much_would_do() {
        let stock = Stock::new(10, 4).unwrap();
        let text = |units| adjust(Some(stock), &by(units)).unwrap_err().to_string();
        assert!(text(-7).ends_with("6 can be taken away at most"), "{}", text(-7));
        let most = i64::from(u32::MAX);
        assert!(
            text(most).ends_with("4294967285 can be added at most"),
            "{}",
            text(most)
        );
    }

    #[test]
    fn units_and_reasons_are_checked() {
        let most = i64::from(u32::MAX);
        for good in [1, -1, most, -most] {
            assert_eq!(Units::try_from(good).map(Units::get), Ok(good));
        }
        for bad in [0, most + 1, -most - 1, i64::MIN, i64::MAX] {
            assert_eq!(Units::try_from(bad), Err(BadUnits(bad)));
        }
        assert_eq!(Reason::new(" two words ").unwrap().as_str(), "two words");
        assert!(Reason::new(&"ä".repeat(200)).is_ok());
        for bad in ["", "  ", "two\nlines", "nul\0", &"a".repeat(201)] {
            assert_eq!(Reason::new(bad), Err(BadReason), "{bad:?}");
        }
    }
}
