//! Orders to place in the memory ledger, and the relay's side of it.

#![allow(dead_code, reason = "each bench uses its part")]

use adapters::memory::ledger::{LedgerLimits, MemoryLedger, StockRecord};
use domain::clock::Moment;
use domain::order::batch::{Action, Answer, Command, decide, footprint};
use domain::order::model::{Draft, Line, Lines};
use domain::order::ports::{Ledger, Outbox};
use domain::stock::model::Stock;
use domain::types::{IdempotencyKey, Quantity, Sku, UserId};
use futures::FutureExt;
use std::time::Duration;

/// Skus that orders are spread over.
pub(crate) const SKUS: u64 = 10_000;
/// Lines of an order.
const LINES: u64 = 3;

/// What orders look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Lines over all skus.
    Spread,
    /// Every order wants the same skus.
    Hot,
    /// As `Spread`, each with an idempotency key, as checkouts have them.
    Keyed,
}

/// The futures of the memory ledger are ready at once.
pub(crate) fn ready<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("the memory ledger never waits")
}

pub(crate) fn now() -> Moment {
    Moment::from_unix_millis(1_767_323_045_678)
}

/// A ledger with more stock than any run can sell.
pub(crate) fn ledger(orders_max: usize) -> MemoryLedger {
    let limits = LedgerLimits {
        orders_max,
        outbox_max: 10_000_000,
        keys_kept: Duration::from_secs(86_400),
    };
    let stock = (1..=SKUS).map(|at| StockRecord {
        sku: sku(at),
        stock: Stock::new(u32::MAX, 0).expect("none is reserved"),
    });
    MemoryLedger::new(limits, stock, now())
}

fn sku(at: u64) -> Sku {
    Sku::try_from(i64::try_from(at).expect("small")).expect("positive")
}

/// Order number `at`; the same number makes the same order.
pub(crate) fn command(shape: Shape, at: u64) -> Command {
    let line = |nth: u64| Line {
        sku: match shape {
            Shape::Hot => sku(1 + nth),
            Shape::Spread | Shape::Keyed => sku(1 + mixed(at * LINES + nth) % SKUS),
        },
        quantity: Quantity::ONE,
    };
    let key = (shape == Shape::Keyed).then(|| IdempotencyKey::new(format!("key-of-order-{at:016}")).expect("ASCII"));
    let user = UserId::try_from(1 + i64::try_from(at % 1_000_000).expect("small")).expect("positive");
    let lines = Lines::merge((0..LINES).map(line)).expect("three lines");
    Command {
        action: Action::Place(Draft { user, lines, key }),
        trace: None,
    }
}

/// SplitMix64: spreads numbers evenly, the same in every run.
fn mixed(at: u64) -> u64 {
    let z = at.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// One batch as the batcher runs it: footprint, load, decision, events and commit.
pub(crate) fn run(ledger: &MemoryLedger, batch: &[Command]) -> Vec<Answer> {
    let footprint = footprint(batch);
    ready(ledger.transact(footprint, |loaded| decide(batch, now(), loaded))).expect("there is room")
}

/// What the relay does with the events of the orders: reads them in chunks and marks them sent.
pub(crate) fn drain(ledger: &MemoryLedger) -> usize {
    let mut drained = 0;
    loop {
        let events = ready(ledger.unsent(1_000)).expect("memory answers");
        if events.is_empty() {
            return drained;
        }
        drained += events.len();
        let ids = events.iter().map(|event| event.id).collect();
        ready(ledger.mark_sent(ids)).expect("memory answers");
    }
}
