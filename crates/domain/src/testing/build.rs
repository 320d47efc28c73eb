//! Builders of values for tests: they panic on what is out of range.
#![allow(clippy::missing_panics_doc, reason = "tests want the panic")]

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use parking_lot::Mutex;

use crate::cart::ports::{Keys, Spawner};
use crate::clock::{Clock, Moment};
use crate::order::batch::{Action, Command};
use crate::order::model::{Draft, Line, Lines};
use crate::order::settle::SettleCommand;
use crate::types::{IdempotencyKey, OrderId, Quantity, Sku, UserId};

/// A sku.
#[must_use]
pub fn sku(n: i64) -> Sku {
    Sku::try_from(n).expect("a positive sku")
}

/// A user.
#[must_use]
pub fn user(n: i64) -> UserId {
    UserId::try_from(n).expect("a positive user id")
}

/// An order id.
#[must_use]
pub fn order_id(n: i64) -> OrderId {
    OrderId::try_from(n).expect("a positive order id")
}

/// A count.
#[must_use]
pub fn units(n: u32) -> Quantity {
    Quantity::try_from(n).expect("a positive count")
}

/// An idempotency key.
#[must_use]
pub fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::new(text).expect("a valid key")
}

/// Lines from pairs of sku and count.
#[must_use]
pub fn lines(pairs: &[(i64, u32)]) -> Lines {
    Lines::merge(pairs.iter().map(|(s, n)| Line {
        sku: sku(*s),
        quantity: units(*n),
    }))
    .expect("valid lines")
}

/// A draft of user 1 without a key.
#[must_use]
pub fn draft(pairs: &[(i64, u32)]) -> Draft {
    Draft {
        user: user(1),
        lines: lines(pairs),
        key: None,
    }
}

/// A draft of user 1 under a key.
#[must_use]
pub fn keyed(pairs: &[(i64, u32)], text: &str) -> Draft {
    Draft {
        key: Some(key(text)),
        ..draft(pairs)
    }
}

/// The command that places a draft.
#[must_use]
pub fn place(draft: Draft) -> Command {
    Command {
        action: Action::Place(draft),
        trace: None,
    }
}

/// The command that pays an order.
#[must_use]
pub fn pay(n: i64) -> Command {
    Command {
        action: Action::Settle(SettleCommand::Pay(order_id(n))),
        trace: None,
    }
}

/// The command that cancels an order.
#[must_use]
pub fn cancel(n: i64) -> Command {
    Command {
        action: Action::Settle(SettleCommand::Cancel(order_id(n))),
        trace: None,
    }
}

/// A clock that stands until it is moved.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl Default for ManualClock {
    fn default() -> Self {
        Self(AtomicI64::new(1_767_323_045_678)) // 2026-01-02T03:04:05.678Z
    }
}

impl ManualClock {
    /// Moves it on.
    pub fn advance(&self, by: Duration) {
        let millis = i64::try_from(by.as_millis()).expect("less than the age of the universe");
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Moment {
        Moment::from_unix_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Keys `k1`, `k2`, …
#[derive(Debug, Default)]
pub struct CountingKeys(AtomicI64);

impl Keys for CountingKeys {
    fn fresh(&self) -> IdempotencyKey {
        key(&format!("k{}", self.0.fetch_add(1, Ordering::SeqCst) + 1))
    }
}

/// Keeps what it is given to run, until a test runs it.
#[derive(Default)]
pub struct ParkedSpawner(Mutex<Vec<BoxFuture<'static, ()>>>);

impl ParkedSpawner {
    /// What was spawned since the last call.
    pub fn take(&self) -> Vec<BoxFuture<'static, ()>> {
        std::mem::take(&mut self.0.lock())
    }
}

impl Spawner for std::sync::Arc<ParkedSpawner> {
    fn spawn(&self, work: BoxFuture<'static, ()>) {
        self.0.lock().push(work);
    }
}
