//! The audit of the ledger: every rule that orders, stock, events and keys keep among each other,
//! as a named check over one snapshot, and what it finds, in words for people.

use std::fmt;
use std::future::Future;

use crate::order::ports::QueryError;
use crate::order::status::OrderStatus;

/// What must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Check {
    /// 0 ≤ reserved ≤ total.
    StockBounds,
    /// Reserved units are those of the items of orders that await payment: no other order reserves.
    Reservations,
    /// Total units are those of the movements less those of the items of payed orders.
    Totals,
    /// Every order has 1 to 500 items, and every item an order.
    Lines,
    /// Failed orders, and no others, name what was short: more units of an item of theirs than were free.
    Shortages,
    /// Every order has a history that the state machine allows, without a gap.
    Histories,
    /// An order stands where its history ends, and its moments are those of its history.
    Standing,
    /// The ids of an order's events ascend with its history.
    EventOrder,
    /// Every event id stands once.
    EventIds,
    /// The sequences know every id that is in use, so that none is given again.
    Sequences,
    /// Every unsent event is one of a history: the same id, order, status and moment.
    Unsent,
    /// No event was sent before an earlier one of its order.
    SentInOrder,
    /// An idempotency key names an order of its user, and no two keys name the same.
    Keys,
}

impl Check {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 13] = [
        Self::StockBounds,
        Self::Reservations,
        Self::Totals,
        Self::Lines,
        Self::Shortages,
        Self::Histories,
        Self::Standing,
        Self::EventOrder,
        Self::EventIds,
        Self::Sequences,
        Self::Unsent,
        Self::SentInOrder,
        Self::Keys,
    ];

    /// Its name, for metrics and people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::StockBounds => "stock_bounds",
            Self::Reservations => "reservations",
            Self::Totals => "totals",
            Self::Lines => "lines",
            Self::Shortages => "shortages",
            Self::Histories => "histories",
            Self::Standing => "standing",
            Self::EventOrder => "event_order",
            Self::EventIds => "event_ids",
            Self::Sequences => "sequences",
            Self::Unsent => "unsent",
            Self::SentInOrder => "sent_in_order",
            Self::Keys => "keys",
        }
    }

    /// What it demands, in words.
    #[must_use]
    pub const fn rule(self) -> &'static str {
        match self {
            Self::StockBounds => "0 <= reserved <= total",
            Self::Reservations => "reserved = items of orders awaiting payment",
            Self::Totals => "total = movements - items of payed orders",
            Self::Lines => "every order has 1 to 500 items, every item an order",
            Self::Shortages => "failed orders, and no others, name the item that was short",
            Self::Histories => "every history is a legal path",
            Self::Standing => "orders stand where their histories end",
            Self::EventOrder => "event ids ascend along every history",
            Self::EventIds => "every event id stands once",
            Self::Sequences => "no id is in use that its sequence did not give",
            Self::Unsent => "every unsent event belongs to its history",
            Self::SentInOrder => "no event was sent before an earlier one of its order",
            Self::Keys => "idempotency keys name orders of their users, each order once",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether a history, oldest status first, is one that a committed order can have. The transaction
/// that makes an order also reserves or fails it, so none ends with `new`.
#[must_use]
pub fn is_legal_history(path: &[OrderStatus]) -> bool {
    let before = std::iter::once(None).chain(path.iter().copied().map(Some));
    let moves = before.zip(path).all(|(before, status)| status.can_follow(before));
    moves && path.len() > 1
}

/// A rule that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub check: Check,
    /// How many rows break it.
    pub count: u64,
    /// The first of them, in words: ids and numbers.
    pub rows: Vec<String>,
}

impl Violation {
    /// How many rows break it that are not told.
    #[must_use]
    pub const fn untold(&self) -> u64 {
        self.count.saturating_sub(self.rows.len() as u64)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {} violations", self.check, self.check.rule(), self.count)?;
        for row in &self.rows {
            write!(f, "; {row}")?;
        }
        match self.untold() {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

/// What an audit found: every rule of [`Check::ALL`] was checked, and these do not hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditReport {
    violations: Vec<Violation>,
}

impl AuditReport {
    /// Takes over what a check found, where it found anything.
    pub fn note(&mut self, check: Check, count: u64, rows: Vec<String>) {
        if count > 0 {
            self.violations.push(Violation { check, count, rows });
        }
    }

    /// Whether every rule holds.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }

    /// The rules that do not hold.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// What breaks a rule.
    #[must_use]
    pub fn of(&self, check: Check) -> Option<&Violation> {
        self.violations.iter().find(|violation| violation.check == check)
    }
}

/// Audits the ledger.
///
/// An implementation MUST
/// - run every check of [`Check::ALL`] on one snapshot of what was committed, taken after the
///   call began: what is written meanwhile is no violation;
/// - count all rows that break a rule, and tell the first `rows_max` of them;
/// - answer with an error where any check could not be done, never with a report of the others;
/// - change nothing, hold no lock that a change waits for, and bound its time.
#[cfg_attr(feature = "testing", mockall::automock)]
pub trait LedgerAudit: Send + Sync + 'static {
    /// Checks all rules.
    fn audit(&self, rows_max: usize) -> impl Future<Output = Result<AuditReport, QueryError>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All paths of up to four statuses.
    fn paths() -> Vec<Vec<OrderStatus>> {
        let mut all = vec![Vec::new()];
        let mut longest = all.clone();
        for _ in 0..4 {
            longest = longest
                .iter()
                .flat_map(|path: &Vec<OrderStatus>| {
                    OrderStatus::ALL.map(|status| path.iter().copied().chain([status]).collect())
                })
                .collect();
            all.extend(longest.iter().cloned());
        }
        all
    }

    #[test]
    fn four_histories_are_legal() {
        use OrderStatus::{AwaitingPayment, Cancelled, Failed, New, Payed};
        let legal: Vec<_> = paths().into_iter().filter(|path| is_legal_history(path)).collect();
        let expected: [&[OrderStatus]; 4] = [
            &[New, AwaitingPayment],
            &[New, Failed],
            &[New, AwaitingPayment, Payed],
            &[New, AwaitingPayment, Cancelled],
        ];
        assert_eq!(legal, expected);
    }

    #[test]
    fn a_report_tells_what_was_found_and_how_much_more_there_is() {
        let mut report = AuditReport::default();
        report.note(Check::Totals, 0, Vec::new());
        assert!(report.is_clean());
        report.note(Check::Keys, 3, vec!["one".to_owned(), "two".to_owned()]);
        assert!(!report.is_clean() && report.of(Check::Totals).is_none());
        let told = report.of(Check::Keys).unwrap().to_string();
        assert!(told.ends_with("3 violations; one; two; and 1 more"), "{told}");
    }

    #[test]
    fn names_are_of_one_check_each() {
        let names: std::collections::HashSet<_> = Check::ALL.map(Check::name).into();
        assert_eq!(names.len(), Check::ALL.len());
    }
}
