//! Use case: take over a file of counted stock. The file says how many units of each sku there are in
//! all, reserved ones included; skus that it does not name stay as they are.
//!
//! The file is taken over whole or not at all, once: the very same file again changes nothing, so
//! that a repeat does not bring back what was sold meanwhile. What it changes is recorded as
//! movements of stock, each the difference between what was counted and what was on record when the
//! two were compared; what orders sell after that moment comes off what was counted.

use std::collections::BTreeMap;
use std::fmt;

use super::model::StockError;
use super::ports::KeepingError;
use crate::clock::Moment;
use crate::error::Cause;
use crate::types::{OutOfRange, Sku};

/// A record of a file: all units of a sku that were counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Where it stands; lines count from 1.
    pub line: u64,
    /// Of which sku.
    pub sku: Sku,
    /// Units, reserved ones included.
    pub total: u32,
}

/// The SHA-256 of a file, by which a repeat is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What comes out of a file, piece by piece, so that no file is too large.
#[derive(Debug)]
pub enum Piece {
    /// Records in their order.
    Records(Vec<Counted>),
    /// A line that is none.
    Problem(u64, Fault),
    /// The file cannot be read any further: nothing of it may be used.
    Broken(Cause),
    /// The file was read to its end.
    End(Digest),
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is no record.
    #[error("{0}")]
    NoRecord(Box<str>),
    /// The sku is out of range.
    #[error(transparent)]
    Sku(#[from] OutOfRange),
    /// The sku was counted further up.
    #[error("sku {sku} stands in line {first} already")]
    Repeated {
        /// Which.
        sku: Sku,
        /// Where it stands first.
        first: u64,
    },
    /// Less was counted than is reserved by orders that await payment.
    #[error("sku {sku}: less than what orders have reserved: {source}")]
    BelowReserved {
        /// Which.
        sku: Sku,
        /// The numbers.
        source: StockError,
    },
}

/// What is wrong with a file: the first lines of it, and how many there are in all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems {
    first: BTreeMap<u64, Fault>,
    count: u64,
}

impl Problems {
    /// How many are told.
    pub const TOLD_MAX: usize = 20;

    /// Notes a problem. The first one of a line is told, as far as there is room.
    pub fn add(&mut self, line: u64, fault: Fault) {
        self.count += 1;
        self.first.entry(line).or_insert(fault);
        if self.first.len() > Self::TOLD_MAX {
            self.first.pop_last();
        }
    }

    /// Notes problems that nobody could list.
    pub const fn add_untold(&mut self, count: u64) {
        self.count += count;
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Whether the file is good.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count {
            1 => f.write_str("1 problem, nothing was imported:")?,
            many => write!(f, "{many} problems, nothing was imported:")?,
        }
        for (line, fault) in &self.first {
            write!(f, "\n  line {line}: {fault}")?;
        }
        let told = u64::try_from(self.first.len()).unwrap_or(u64::MAX);
        match self.count.saturating_sub(told) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

/// What an import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Imported {
    /// It changed the stock.
    Now {
        /// Records in the file.
        records: u64,
        /// Skus that had no record before.
        created: u64,
        /// Skus whose total is another now.
        changed: u64,
        /// Units that came.
        added: u64,
        /// Units that went.
        taken: u64,
    },
    /// The very same file was imported before: nothing was changed.
    Before(Moment),
}

/// Why a file was not taken over.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Its content is refused; nothing was changed.
    #[error("{0}")]
    Refused(Problems),
    /// It cannot be read; nothing was changed.
    #[error("the file cannot be read; nothing was imported")]
    Unread(#[source] Cause),
    /// The stock cannot be changed, or nobody knows.
    #[error(transparent)]
    Keeping(#[from] KeepingError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_problems_are_told_in_the_order_of_lines_and_all_are_counted() {
        let mut problems = Problems::default();
        for line in (1..=25).rev() {
            problems.add(line * 2, Fault::NoRecord("bad".into()));
        }
        problems.add_untold(3);
        let text = problems.to_string();
        assert!(
            text.starts_with("28 problems, nothing was imported:\n  line 2: bad\n  line 4: bad\n"),
            "{text}"
        );
        assert!(text.ends_with("  line 40: bad\n  and 8 more"), "{text}");
    }

    #[test]
    fn faults_say_what_was_found() {
        let sku = Sku::try_from(5).unwrap();
        let source = super::super::model::Stock::new(3, 7).unwrap_err();
        let mut problems = Problems::default();
        assert!(problems.is_empty());
        problems.add(9, Fault::BelowReserved { sku, source });
        assert_eq!(
            problems.to_string(),
            "1 problem, nothing was imported:\n  line 9: sku 5: less than what orders have reserved: 7 reserved of 3"
        );
        assert_eq!(
            Fault::Repeated { sku, first: 2 }.to_string(),
            "sku 5 stands in line 2 already"
        );
    }

    #[test]
    fn digests_are_shown_as_everybody_does() {
        let digest = Digest(std::array::from_fn(|at| u8::try_from(at).unwrap()));
        assert!(digest.to_string().starts_with("000102030405"));
        assert_eq!(digest.to_string().len(), 64);
    }
}
