//! The ledger in memory: orders, stock, idempotency keys and the outbox under one lock, which
//! is what makes a transaction one step. What Postgres bounds by its disk is bounded here by
//! settings: a full ledger or outbox refuses before anything is decided.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use domain::clock::Moment;
use domain::error::cause;
use domain::order::event::OrderEvent;
use domain::order::loaded::{Changes, Footprint, Loaded, ScopedKey};
use domain::order::model::Order;
use domain::order::ports::{Backlog, Ledger, LedgerError, OrderQueries, Outbox, QueryError};
use domain::order::status::OrderStatus;
use domain::stock::model::{Movement, Stock};
use domain::stock::ports::StockQueries;
use domain::types::{EventId, OrderId, Sku};
use rustc_hash::{FxHashMap, FxHashSet};

use super::orders::Orders;
use super::sync::RwLock;

/// The bounds of the ledger.
#[derive(Debug, Clone, Copy)]
pub struct LedgerLimits {
    /// Most orders; a full ledger is busy for new ones.
    pub orders_max: usize,
    /// Most events that may wait in the outbox.
    pub outbox_max: usize,
    /// How long idempotency keys are kept; the contract asks for at least 24 h.
    pub keys_kept: Duration,
}

/// Why the ledger is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// As many orders as it may hold.
    #[error("the ledger in memory holds as many orders as it may")]
    Orders,
    /// As many unsent events as it may hold.
    #[error("as many events as may wait in memory are waiting to be published")]
    Outbox,
}

/// A stock record to begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StockRecord {
    /// Of which sku.
    pub sku: Sku,
    /// Its units.
    pub stock: Stock,
}

#[derive(Debug)]
struct State {
    stock: FxHashMap<Sku, Stock>,
    movements: FxHashMap<Sku, Vec<Movement>>,
    orders: Orders,
    keys: HashMap<ScopedKey, OrderId>,
    keys_by_age: VecDeque<(Moment, ScopedKey)>,
    outbox: VecDeque<OrderEvent>,
    next_event: i64,
}

/// The ledger of one process.
#[derive(Debug)]
pub struct MemoryLedger {
    limits: LedgerLimits,
    state: RwLock<State>,
}

impl MemoryLedger {
    /// A ledger with this stock, which is recorded as its first movements. Its events are
    /// numbered from `started` on, so that those of another run of the process are others.
    #[must_use]
    pub fn new(limits: LedgerLimits, stock: impl IntoIterator<Item = StockRecord>, started: Moment) -> Self {
        let mut state = State {
            stock: FxHashMap::default(),
            movements: FxHashMap::default(),
            orders: Orders::default(),
            keys: HashMap::new(),
            keys_by_age: VecDeque::new(),
            outbox: VecDeque::new(),
            // A million events a millisecond would have to pass before two runs meet.
            next_event: started.unix_millis().saturating_mul(1 << 20).max(1),
        };
        for StockRecord { sku, stock } in stock {
            let units = i64::from(stock.total());
            let first = Movement {
                sku,
                units,
                reason: "initial load".into(),
                moment: started,
            };
            state.stock.insert(sku, stock);
            state.movements.insert(sku, vec![first]);
        }
        Self {
            limits,
            state: RwLock::new(state),
        }
    }
}

impl State {
    fn room(&self, footprint: &Footprint, limits: &LedgerLimits) -> Result<(), Full> {
        if self.orders.len() + footprint.new_orders() > limits.orders_max {
            return Err(Full::Orders);
        }
        if self.outbox.len() + footprint.events_max() > limits.outbox_max {
            return Err(Full::Outbox);
        }
        Ok(())
    }

    fn load(&self, footprint: &Footprint) -> Loaded {
        let orders: Vec<Order> = footprint
            .orders()
            .iter()
            .filter_map(|id| self.orders.get(*id))
            .collect();
        let recorded = |key: &ScopedKey| {
            let order = self.orders.get(*self.keys.get(key)?)?;
            Some((key.clone(), order))
        };
        let keys = footprint.keys().iter().filter_map(recorded).collect();
        let ids = (0..footprint.new_orders())
            .filter_map(|ahead| self.orders.fresh_id(ahead))
            .collect();
        let row = |sku: &Sku| (*sku, self.stock.get(sku).copied());
        if orders.is_empty() {
            return Loaded::new(footprint.skus().iter().map(row), orders, keys, ids);
        }
        let of_orders = orders.iter().flat_map(|order| order.lines.iter().map(|line| line.sku));
        let mut skus: Vec<Sku> = footprint.skus().iter().copied().chain(of_orders).collect();
        skus.sort_unstable();
        skus.dedup();
        Loaded::new(skus.iter().map(row), orders, keys, ids)
    }

    fn commit(&mut self, changes: Changes, keys_kept: Duration) {
        for (sku, stock) in changes.stock {
            self.stock.insert(sku, stock);
        }
        for placed in changes.placed {
            if let Some(key) = placed.key {
                let key = (placed.order.user, key);
                self.keys_by_age.push_back((placed.order.placed_at, key.clone()));
                self.keys.insert(key, placed.order.id);
                self.forget_old_keys(placed.order.placed_at, keys_kept);
            }
            self.orders.insert(placed.order);
        }
        for settled in changes.settled {
            self.orders.settle(settled);
        }
        for change in changes.events {
            if let Ok(id) = EventId::try_from(self.next_event) {
                self.outbox.push_back(OrderEvent { id, change });
                self.next_event += 1;
            }
        }
    }

    /// Two at most for each new key: keeps up, and never stalls a commit.
    fn forget_old_keys(&mut self, now: Moment, kept: Duration) {
        for _ in 0..2 {
            let Some((recorded, _)) = self.keys_by_age.front() else {
                return;
            };
            if now.since(*recorded) <= kept {
                return;
            }
            if let Some((_, key)) = self.keys_by_age.pop_front() {
                self.keys.remove(&key);
            }
        }
    }
}

impl Ledger for MemoryLedger {
    async fn transact<D, R>(&self, footprint: Footprint, decide: D) -> Result<R, LedgerError>
    where
        D: FnOnce(&mut Loaded) -> (Changes, R) + Send,
        R: Send,
    {
        let mut state = self.state.write();
        state
            .room(&footprint, &self.limits)
            .map_err(|full| LedgerError::Busy(cause(full)))?;
        let mut loaded = state.load(&footprint);
        let (changes, result) = decide(&mut loaded);
        state.commit(changes, self.limits.keys_kept);
        Ok(result)
    }
}

impl OrderQueries for MemoryLedger {
    async fn order(&self, id: OrderId) -> Result<Option<Order>, QueryError> {
        Ok(self.state.read().orders.get(id))
    }

    async fn history(&self, id: OrderId) -> Result<Vec<(OrderStatus, Moment)>, QueryError> {
        Ok(self.state.read().orders.history(id))
    }

    async fn unpaid(&self, placed_before: Moment, limit: usize) -> Result<Vec<OrderId>, QueryError> {
        Ok(self.state.write().orders.unpaid(placed_before, limit))
    }
}

impl StockQueries for MemoryLedger {
    async fn stock(&self, sku: Sku) -> Result<Option<Stock>, QueryError> {
        Ok(self.state.read().stock.get(&sku).copied())
    }

    async fn movements(&self, sku: Sku, limit: usize) -> Result<Vec<Movement>, QueryError> {
        let state = self.state.read();
        let all = state.movements.get(&sku).map(Vec::as_slice).unwrap_or_default();
        Ok(all.iter().take(limit).cloned().collect())
    }
}

impl Outbox for MemoryLedger {
    async fn unsent(&self, limit: usize) -> Result<Vec<OrderEvent>, QueryError> {
        Ok(self.state.read().outbox.iter().take(limit).copied().collect())
    }

    async fn mark_sent(&self, sent: Vec<EventId>) -> Result<(), QueryError> {
        let mut sent: FxHashSet<EventId> = sent.into_iter().collect();
        let mut state = self.state.write();
        // Nearly always the oldest are the ones that were sent.
        while state.outbox.front().is_some_and(|event| sent.remove(&event.id)) {
            state.outbox.pop_front();
        }
        if !sent.is_empty() {
            state.outbox.retain(|event| !sent.contains(&event.id));
        }
        Ok(())
    }

    async fn backlog(&self) -> Result<Backlog, QueryError> {
        let state = self.state.read();
        let oldest = state.outbox.front().map(|event| event.change.moment);
        Ok(Backlog {
            events: state.outbox.len() as u64,
            oldest,
        })
    }
}
