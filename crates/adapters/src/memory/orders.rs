//! The orders of the memory ledger: a row an order, in chunks that never move, found by its
//! number. Ten million of them are a few chunks more, and no growth copies old ones.

use domain::clock::Moment;
use domain::order::loaded::SettledOrder;
use domain::order::model::{Lines, Order, Shortage};
use domain::order::status::OrderStatus;
use domain::types::{OrderId, UserId};

const CHUNK: usize = 1 << 14;

/// An order, packed.
#[derive(Debug)]
struct Row {
    user: UserId,
    lines: Lines,
    placed_at: Moment,
    /// When it was payed or cancelled; meaningless before.
    settled_at: Moment,
    shortage: Option<Box<Shortage>>,
    status: OrderStatus,
}

/// Orders numbered from 1 without gaps, but for those that were not needed.
#[derive(Debug, Default)]
pub(super) struct Orders {
    chunks: Vec<Vec<Option<Row>>>,
    len: usize,
    /// No order before this place awaits payment.
    settled_before: usize,
}

impl Orders {
    /// How many numbers were given.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The id that follows `ahead` others.
    pub(super) fn fresh_id(&self, ahead: usize) -> Option<OrderId> {
        let number = i64::try_from(self.len + ahead + 1).ok()?;
        OrderId::try_from(number).ok()
    }

    fn row(&self, place: usize) -> Option<&Row> {
        self.chunks.get(place / CHUNK)?.get(place % CHUNK)?.as_ref()
    }

    pub(super) fn get(&self, id: OrderId) -> Option<Order> {
        let row = self.row(place(id)?)?;
        Some(Order {
            id,
            user: row.user,
            lines: row.lines.clone(),
            status: row.status,
            shortage: row.shortage.as_deref().copied(),
            placed_at: row.placed_at,
        })
    }

    /// Takes over an order; ids come in ascending order.
    pub(super) fn insert(&mut self, order: Order) {
        let Some(place) = place(order.id) else { return };
        while self.len < place {
            self.push(None); // a number that was given and not needed
        }
        self.push(Some(Row {
            user: order.user,
            lines: order.lines,
            placed_at: order.placed_at,
            settled_at: order.placed_at,
            shortage: order.shortage.map(Box::new),
            status: order.status,
        }));
    }

    fn push(&mut self, row: Option<Row>) {
        if self.len.is_multiple_of(CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.push(row);
        }
        self.len += 1;
    }

    pub(super) fn settle(&mut self, settled: SettledOrder) {
        let Some(place) = place(settled.order) else { return };
        let row = self
            .chunks
            .get_mut(place / CHUNK)
            .and_then(|chunk| chunk.get_mut(place % CHUNK));
        if let Some(Some(row)) = row {
            row.status = settled.status;
            row.settled_at = settled.moment;
        }
    }

    /// Every status the order has had; it follows from the state machine and two moments.
    pub(super) fn history(&self, id: OrderId) -> Vec<(OrderStatus, Moment)> {
        let Some(row) = place(id).and_then(|place| self.row(place)) else {
            return Vec::new();
        };
        let first = (OrderStatus::New, row.placed_at);
        let reserved = (OrderStatus::AwaitingPayment, row.placed_at);
        match row.status {
            OrderStatus::New => vec![first],
            OrderStatus::AwaitingPayment | OrderStatus::Failed => vec![first, (row.status, row.placed_at)],
            OrderStatus::Payed | OrderStatus::Cancelled => vec![first, reserved, (row.status, row.settled_at)],
        }
    }

    /// Orders placed before a moment that await payment, oldest first.
    pub(super) fn unpaid(&mut self, placed_before: Moment, limit: usize) -> Vec<OrderId> {
        let awaits = |row: &Row| row.status == OrderStatus::AwaitingPayment;
        while self.settled_before < self.len && !self.row(self.settled_before).is_some_and(awaits) {
            self.settled_before += 1;
        }
        (self.settled_before..self.len)
            .map_while(|place| match self.row(place) {
                Some(row) if row.placed_at >= placed_before => None,
                row => Some(row.is_some_and(awaits).then_some(place)),
            })
            .flatten()
            .filter_map(|place| OrderId::try_from(i64::try_from(place).ok()? + 1).ok())
            .take(limit)
            .collect()
    }
}

fn place(id: OrderId) -> Option<usize> {
    usize::try_from(id.get() - 1).ok()
}
