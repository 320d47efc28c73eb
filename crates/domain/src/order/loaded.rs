//! What a transaction over the ledger reads and writes: a [`Footprint`] names what is locked
//! and loaded, [`Loaded`] is what the rules see, [`Changes`] is what is committed.

use super::event::StatusChange;
use super::model::{Line, Lines, Order};
use super::status::OrderStatus;
use crate::clock::Moment;
use crate::stock::model::{Stock, StockError};
use crate::types::{IdempotencyKey, OrderId, Quantity, Sku, UserId};

/// An idempotency key in its scope.
pub type ScopedKey = (UserId, IdempotencyKey);

/// What a transaction touches. Each list is ascending, each entry once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Footprint {
    skus: Vec<Sku>,
    orders: Vec<OrderId>,
    keys: Vec<ScopedKey>,
    new_orders: usize,
    avoided: Vec<Sku>,
}

impl Footprint {
    /// Sorts and rids of repeats. `new_orders` ids are needed at most.
    #[must_use]
    pub fn new(mut skus: Vec<Sku>, mut orders: Vec<OrderId>, mut keys: Vec<ScopedKey>, new_orders: usize) -> Self {
        skus.sort_unstable();
        skus.dedup();
        orders.sort_unstable();
        orders.dedup();
        keys.sort_unstable();
        keys.dedup();
        Self {
            skus,
            orders,
            keys,
            new_orders,
            avoided: Vec::new(),
        }
    }

    /// The same, not to be waited for where the stock of its orders is among these: somebody was
    /// found to hold them.
    #[must_use]
    pub fn avoiding(self, avoided: Vec<Sku>) -> Self {
        Self { avoided, ..self }
    }

    /// Skus that must not be waited for.
    #[must_use]
    pub fn avoided(&self) -> &[Sku] {
        &self.avoided
    }

    /// Skus of drafts.
    #[must_use]
    pub fn skus(&self) -> &[Sku] {
        &self.skus
    }

    /// Orders to settle.
    #[must_use]
    pub fn orders(&self) -> &[OrderId] {
        &self.orders
    }

    /// Keys of drafts.
    #[must_use]
    pub fn keys(&self) -> &[ScopedKey] {
        &self.keys
    }

    /// Most orders that can be placed.
    #[must_use]
    pub const fn new_orders(&self) -> usize {
        self.new_orders
    }

    /// Most events that can come of it: two a placed order, one a settled one.
    #[must_use]
    pub const fn events_max(&self) -> usize {
        2 * self.new_orders + self.orders.len()
    }
}

/// A loaded stock record.
#[derive(Debug, Clone, Copy)]
struct StockRow {
    sku: Sku,
    stock: Option<Stock>,
    changed: bool,
}

/// What the rules see and change. Changes of stock are noted here, the rest in [`Changes`].
#[derive(Debug, Default)]
pub struct Loaded {
    stock: Vec<StockRow>,
    orders: Vec<Order>,
    keys: Vec<(ScopedKey, Order)>,
    ids: std::vec::IntoIter<OrderId>,
}

/// A line of stock that the books say is there, and is not: the ledger is corrupt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the reservation of sku {sku} does not cover the order")]
pub struct Corrupt {
    /// The sku.
    pub sku: Sku,
    /// What is wrong, `None` where the record is missing.
    #[source]
    pub source: Option<StockError>,
}

impl Loaded {
    /// Takes over what an adapter loaded. `stock` is ascending by sku, `orders` by id, `keys`
    /// by key; skus without a record are left out or `None`; `ids` are fresh.
    #[must_use]
    pub fn new(
        stock: impl IntoIterator<Item = (Sku, Option<Stock>)>,
        orders: Vec<Order>,
        keys: Vec<(ScopedKey, Order)>,
        ids: Vec<OrderId>,
    ) -> Self {
        let stock = stock
            .into_iter()
            .map(|(sku, stock)| StockRow {
                sku,
                stock,
                changed: false,
            })
            .collect();
        Self {
            stock,
            orders,
            keys,
            ids: ids.into_iter(),
        }
    }

    /// Whether there are orders, loaded by id or by key: an answer may rest on them.
    #[must_use]
    pub fn has_orders(&self) -> bool {
        !self.orders.is_empty() || !self.keys.is_empty()
    }

    /// The loaded order.
    #[must_use]
    pub fn order(&self, id: OrderId) -> Option<&Order> {
        self.orders
            .binary_search_by_key(&id, |order| order.id)
            .ok()
            .map(|at| &self.orders[at])
    }

    pub(super) fn set_status(&mut self, id: OrderId, status: OrderStatus) {
        if let Ok(at) = self.orders.binary_search_by_key(&id, |order| order.id) {
            self.orders[at].status = status;
        }
    }

    /// The order recorded under a key before this transaction.
    #[must_use]
    pub fn recorded(&self, user: UserId, key: &IdempotencyKey) -> Option<&Order> {
        let found = self.keys.binary_search_by(|((u, k), _)| (*u, k).cmp(&(user, key)));
        found.ok().map(|at| &self.keys[at].1)
    }

    pub(super) fn next_id(&mut self) -> Option<OrderId> {
        self.ids.next()
    }

    fn row(&self, sku: Sku) -> Option<usize> {
        self.stock.binary_search_by_key(&sku, |row| row.sku).ok()
    }

    /// The stock record of a sku as this transaction has changed it so far.
    #[must_use]
    pub fn stock(&self, sku: Sku) -> Option<Stock> {
        self.row(sku).and_then(|at| self.stock[at].stock)
    }

    /// Reserves all lines or none; the first line that is short.
    pub(super) fn reserve(&mut self, lines: &Lines) -> Result<(), (Line, Option<u32>)> {
        for line in lines.iter() {
            let free = self.stock(line.sku).map(Stock::free);
            if free.is_none_or(|free| free < line.quantity.get()) {
                return Err((*line, free));
            }
        }
        for line in lines.iter() {
            self.change(line.sku, |stock| stock.reserve(line.quantity))
                .map_err(|_| (*line, None))?;
        }
        Ok(())
    }

    /// Applies `f` to all lines of an order or to none.
    pub(super) fn settle(
        &mut self,
        lines: &Lines,
        f: fn(Stock, Quantity) -> Result<Stock, StockError>,
    ) -> Result<(), Corrupt> {
        for line in lines.iter() {
            let stock = self.stock(line.sku).ok_or(Corrupt {
                sku: line.sku,
                source: None,
            })?;
            f(stock, line.quantity).map_err(|error| Corrupt {
                sku: line.sku,
                source: Some(error),
            })?;
        }
        for line in lines.iter() {
            self.change(line.sku, |stock| f(stock, line.quantity))?;
        }
        Ok(())
    }

    fn change(&mut self, sku: Sku, f: impl FnOnce(Stock) -> Result<Stock, StockError>) -> Result<(), Corrupt> {
        let at = self.row(sku).ok_or(Corrupt { sku, source: None })?;
        let row = &mut self.stock[at];
        let stock = row.stock.ok_or(Corrupt { sku, source: None })?;
        row.stock = Some(f(stock).map_err(|error| Corrupt {
            sku,
            source: Some(error),
        })?);
        row.changed = true;
        Ok(())
    }

    /// The records that this transaction changed, by ascending sku.
    pub(super) fn changed_stock(&self) -> Vec<(Sku, Stock)> {
        self.stock
            .iter()
            .filter(|row| row.changed)
            .filter_map(|row| Some((row.sku, row.stock?)))
            .collect()
    }
}

/// A placed order, with the key under which it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The order, awaiting payment or failed.
    pub order: Order,
    /// Its key.
    pub key: Option<IdempotencyKey>,
}

/// A settled order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettledOrder {
    /// Which.
    pub order: OrderId,
    /// Its new status.
    pub status: OrderStatus,
    /// When.
    pub moment: Moment,
}

/// What a transaction commits, all or nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// New orders, in the order of arrival, with fresh ids.
    pub placed: Vec<Placed>,
    /// Orders that ended.
    pub settled: Vec<SettledOrder>,
    /// Stock records with their new values, by ascending sku.
    pub stock: Vec<(Sku, Stock)>,
    /// One for each change of status, in the order of the changes.
    pub events: Vec<StatusChange>,
}

impl Changes {
    /// Whether there is nothing to commit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.placed.is_empty() && self.settled.is_empty() && self.stock.is_empty() && self.events.is_empty()
    }
}
