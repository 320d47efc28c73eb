//! Rows of the ledger that were found held by somebody else: who touches them is refused for a
//! while, so that one stuck row does not make everybody wait.

use std::collections::HashMap;

use domain::clock::Moment;
use domain::order::batch::{Action, Command};
use domain::order::ports::Contention;
use domain::types::{OrderId, Sku};
use parking_lot::Mutex;

/// Most rows that are remembered; more are forgotten, and found again.
const ROWS_MAX: usize = 10_000;

#[derive(Debug, Default)]
struct Rows {
    skus: HashMap<Sku, Moment>,
    orders: HashMap<OrderId, Moment>,
    last: Option<Moment>,
}

/// The rows, each until when.
#[derive(Debug, Default)]
pub(super) struct HeldRows(Mutex<Rows>);

impl HeldRows {
    /// Remembers rows.
    pub(super) fn note(&self, held: &Contention, until: Moment) {
        let mut rows = self.0.lock();
        if rows.skus.len() + rows.orders.len() > ROWS_MAX {
            *rows = Rows::default();
        }
        rows.skus.extend(held.skus.iter().map(|sku| (*sku, until)));
        rows.orders.extend(held.orders.iter().map(|order| (*order, until)));
        if !held.is_empty() {
            rows.last = rows.last.max(Some(until));
        }
    }

    /// Whether nothing is held, as far as is known; then nothing is remembered any more.
    pub(super) fn is_empty(&self, now: Moment) -> bool {
        let mut rows = self.0.lock();
        match rows.last {
            None => true,
            Some(last) if last <= now => {
                *rows = Rows::default();
                true
            }
            Some(_) => false,
        }
    }

    /// The stock records that are held.
    pub(super) fn skus(&self, now: Moment) -> Vec<Sku> {
        let rows = self.0.lock();
        let held = rows.skus.iter().filter(|(_, until)| **until > now);
        held.map(|(sku, _)| *sku).collect()
    }

    /// Whether a command touches a row that is held.
    pub(super) fn touches(&self, command: &Command, now: Moment) -> bool {
        let rows = self.0.lock();
        let is_held = |until: Option<&Moment>| until.is_some_and(|until| *until > now);
        match &command.action {
            Action::Place(draft) => draft.lines.iter().any(|line| is_held(rows.skus.get(&line.sku))),
            Action::Settle(settle) => is_held(rows.orders.get(&settle.order())),
        }
    }
}
