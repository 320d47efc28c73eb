//! The orders in numbers: how calls gather, what was committed of them, and what was refused.

use std::time::Duration;

use domain::order::batch::Answer;
use domain::order::loaded::{Changes, Loaded};
use domain::order::model::Lines;
use domain::order::place::PlaceRefusal;
use domain::order::ports::LedgerError;
use domain::order::settle::SettleRefusal;
use domain::order::status::OrderStatus;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use crate::telemetry::Stopwatch;
use crate::telemetry::names::{
    BATCH_QUEUE, BATCH_SECONDS, BATCH_SIZE, BATCH_WAIT, REFUSALS, RELEASED_UNITS, RESERVED_UNITS, SOLD_UNITS,
    STATUS_CHANGES,
};

/// Why a call of the order book did not get what it asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    NotEnoughStock,
    KeyReused,
    NoSuchOrder,
    IllegalStatus,
    QueueFull,
    HeldRows,
    Unavailable,
    Unknown,
    Poisonous,
    Internal,
}

/// The values of the label, in the order of [`Reason`].
const REASONS: [&str; 10] = [
    "not_enough_stock",
    "key_reused",
    "no_such_order",
    "illegal_status",
    "queue_full",
    "held_rows",
    "unavailable",
    "unknown",
    "poisonous",
    "internal",
];
/// How a transaction ended; the values of the label.
const OUTCOMES: [&str; 5] = ["committed", "rolled_back", "contended", "busy", "unknown"];

/// How batches gather.
pub(super) struct Gathering {
    size: Histogram,
    queue: Gauge,
    wait: Histogram,
}

impl Gathering {
    /// Each of them, from 0.
    pub(super) fn new() -> Self {
        Self {
            size: histogram!(BATCH_SIZE.name),
            queue: gauge!(BATCH_QUEUE.name),
            wait: histogram!(BATCH_WAIT.name),
        }
    }

    /// Notes a batch: since when each of its calls waited, and how many still do.
    #[expect(clippy::cast_precision_loss, reason = "queues are far below 2^52")]
    pub(super) fn note(&self, waited: impl ExactSizeIterator<Item = Duration>, still: usize) {
        self.queue.set(still as f64);
        if waited.len() > 0 {
            self.size.record(waited.len() as f64);
        }
        waited.for_each(|waited| self.wait.record(waited.as_secs_f64()));
    }
}

impl std::fmt::Debug for Gathering {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gathering")
    }
}

/// The handles.
#[derive(Clone)]
pub(super) struct Numbers {
    changes: [Counter; OrderStatus::ALL.len()],
    reserved: Counter,
    sold: Counter,
    released: Counter,
    refusals: [Counter; REASONS.len()],
    transactions: [Histogram; OUTCOMES.len()],
}

impl Numbers {
    /// All of them, from 0.
    pub(super) fn new() -> Self {
        Self {
            changes: OrderStatus::ALL.map(|status| counter!(STATUS_CHANGES.name, "status" => status.as_str())),
            reserved: counter!(RESERVED_UNITS.name),
            sold: counter!(SOLD_UNITS.name),
            released: counter!(RELEASED_UNITS.name),
            refusals: REASONS.map(|reason| counter!(REFUSALS.name, "reason" => reason)),
            transactions: OUTCOMES.map(|outcome| histogram!(BATCH_SECONDS.name, "outcome" => outcome)),
        }
    }

    /// Counts what was committed.
    pub(super) fn committed(&self, tally: &Tally) {
        for (counter, changes) in self.changes.iter().zip(tally.changes) {
            if changes > 0 {
                counter.increment(changes);
            }
        }
        self.reserved.increment(tally.reserved);
        self.sold.increment(tally.sold);
        self.released.increment(tally.released);
    }

    /// Counts a transaction.
    pub(super) fn transaction<T>(&self, watch: &Stopwatch, done: &Result<T, LedgerError>) {
        let at = match done {
            Ok(_) => 0,
            Err(LedgerError::RolledBack(_)) => 1,
            Err(LedgerError::Contended(_)) => 2,
            Err(LedgerError::Busy(_)) => 3,
            Err(LedgerError::Unknown(_)) => 4,
        };
        self.transactions[at].record(watch.elapsed().as_secs_f64());
    }

    /// Counts a call that did not get what it asked for.
    pub(super) fn refused(&self, reason: Reason) {
        self.refusals[reason as usize].increment(1);
    }

    /// Counts a call whose answer refuses it.
    pub(super) fn answered(&self, answer: &Answer) {
        if let Some(reason) = reason(answer) {
            self.refused(reason);
        }
    }
}

impl std::fmt::Debug for Numbers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Numbers")
    }
}

fn reason(answer: &Answer) -> Option<Reason> {
    match answer {
        Answer::Placed(Ok(_)) | Answer::Settled(Ok(_)) => None,
        Answer::Placed(Err(PlaceRefusal::NotEnoughStock { .. })) => Some(Reason::NotEnoughStock),
        Answer::Placed(Err(PlaceRefusal::KeyReused)) => Some(Reason::KeyReused),
        Answer::Settled(Err(SettleRefusal::NotFound(_))) => Some(Reason::NoSuchOrder),
        Answer::Settled(Err(SettleRefusal::Illegal { .. })) => Some(Reason::IllegalStatus),
        Answer::Placed(Err(PlaceRefusal::NoId)) | Answer::Settled(Err(SettleRefusal::Corrupt(_))) => {
            Some(Reason::Internal)
        }
    }
}

/// What a batch will have done when it is committed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// By status, in the order of `OrderStatus::ALL`.
    changes: [u64; OrderStatus::ALL.len()],
    reserved: u64,
    sold: u64,
    released: u64,
}

impl Tally {
    /// Of the changes of a batch; the lines of orders that ended are among what was loaded.
    pub(super) fn of(changes: &Changes, loaded: &Loaded) -> Self {
        let mut tally = Self::default();
        for event in &changes.events {
            let at = OrderStatus::ALL.iter().position(|status| *status == event.status);
            tally.changes[at.unwrap_or(0)] += 1;
        }
        let reserved = changes.placed.iter().map(|placed| &placed.order);
        for order in reserved.filter(|order| order.status == OrderStatus::AwaitingPayment) {
            tally.reserved += units(&order.lines);
        }
        for settled in &changes.settled {
            let units = loaded.order(settled.order).map_or(0, |order| units(&order.lines));
            match settled.status {
                OrderStatus::Payed => tally.sold += units,
                OrderStatus::Cancelled => tally.released += units,
                OrderStatus::New | OrderStatus::AwaitingPayment | OrderStatus::Failed => {}
            }
        }
        tally
    }
}

fn units(lines: &Lines) -> u64 {
    lines.iter().map(|line| u64::from(line.quantity.get())).sum()
}
