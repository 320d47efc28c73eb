//! The first round trip: BEGIN, then locks and loads, orders before stock, each ascending.

use std::collections::HashMap;
use std::ops::Range;

use domain::order::loaded::{Footprint, Loaded, ScopedKey};
use domain::order::model::{Line, Order};
use domain::order::ports::Contention;
use domain::types::{IdempotencyKey, OrderId, Sku};
use futures::join;
use sql::queries::unit::{self, ItemsOfOrders, LockOrders, LockStock, RecordedOrders};
use tokio_postgres::Error;

use super::super::errors::Refusal;
use super::super::ids::{self as id_blocks, OrderIds};
use super::super::measured::Sql;
use super::super::rows::{self, Head};
use super::super::spans::Statement;
use super::{Cached, Statements};

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Rows {
    ids: Vec<OrderId>,
    /// What is left of new blocks of ids.
    pub(super) rests: Vec<Range<i64>>,
    orders: Vec<LockOrders>,
    items: Vec<ItemsOfOrders>,
    stock: Vec<LockStock>,
    recorded: Vec<RecordedOrders>,
}

/// Locks and loads.
pub(super) async fn load(
    client: &Cached<'_>,
    to: Statement<'_>,
    statements: &Statements,
    footprint: &Footprint,
    ids: &OrderIds,
) -> Result<Rows, Error> {
    let orders: Vec<i64> = footprint.orders().iter().map(|id| id.get()).collect();
    let skus: Vec<i64> = footprint.skus().iter().map(|sku| sku.get()).collect();
    let users: Vec<i64> = footprint.keys().iter().map(|(user, _)| user.get()).collect();
    let keys: Vec<&str> = footprint.keys().iter().map(|(_, key)| key.as_str()).collect();
    // Taken before anything is awaited: other batches take of the same blocks.
    let mut own = ids.take(footprint.new_orders());
    let blocks = id_blocks::blocks(footprint.new_orders() - own.len());
    let (has_orders, has_keys) = (!orders.is_empty(), !keys.is_empty());
    let has_stock = has_orders || !skus.is_empty();
    let (fresh, locked) = (&statements.next_order_ids, &statements.lock_orders);
    let (items, stock, recorded) = (
        &statements.items_of_orders,
        &statements.lock_stock,
        &statements.recorded_orders,
    );
    // Polled first in this order, so sent in it.
    let (begun, fresh, locked, items, stock, recorded) = join!(
        to.run(Sql::Begin, client.batch_execute("BEGIN")),
        needed(blocks > 0, to, Sql::NextOrderIds, fresh.bind(client, &blocks).all()),
        needed(has_orders, to, Sql::LockOrders, locked.bind(client, &orders).all()),
        needed(has_orders, to, Sql::ItemsOfOrders, items.bind(client, &orders).all()),
        needed(has_stock, to, Sql::LockStock, stock.bind(client, &skus, &orders).all()),
        needed(
            has_keys,
            to,
            Sql::RecordedOrders,
            recorded.bind(client, &users, &keys).all()
        ),
    );
    begun?;
    let mut rests = Vec::new();
    for first in fresh? {
        let (taken, rest) = id_blocks::split_block(first, footprint.new_orders() - own.len());
        own.extend(taken);
        rests.push(rest);
    }
    Ok(Rows {
        ids: own,
        rests,
        orders: locked?,
        items: items?,
        stock: stock?,
        recorded: recorded?,
    })
}

/// Asks for what is needed; what is not, is nothing.
async fn needed<T>(
    is_needed: bool,
    to: Statement<'_>,
    sql: Sql,
    statement: impl Future<Output = Result<Vec<T>, Error>>,
) -> Result<Vec<T>, Error> {
    if is_needed {
        to.run(sql, statement).await
    } else {
        Ok(Vec::new())
    }
}

impl Rows {
    /// As the rules see it.
    pub(super) fn into_loaded(self) -> Result<Loaded, Refusal> {
        let orders = orders(self.orders, self.items)?;
        let keys = recorded(self.recorded)?;
        let stock = self
            .stock
            .into_iter()
            .map(|row| Ok((rows::sku(row.sku)?, Some(rows::stock(row.total_count, row.reserved)?))))
            .collect::<Result<Vec<_>, Refusal>>()?;
        Ok(Loaded::new(stock, orders, keys, self.ids))
    }
}

fn orders(heads: Vec<LockOrders>, items: Vec<ItemsOfOrders>) -> Result<Vec<Order>, Refusal> {
    let mut lines: HashMap<i64, Vec<Result<Line, Refusal>>> = HashMap::with_capacity(heads.len());
    for item in items {
        let line = rows::line(item.sku, item.count);
        lines.entry(item.order_id).or_default().push(line);
    }
    heads
        .into_iter()
        .map(|row| {
            let head = Head {
                id: row.id,
                user: row.user_id,
                status: row.status,
                placed_at: row.placed_at,
                short: (row.short_sku, row.short_wanted, row.short_free),
            };
            head.with(rows::lines(lines.remove(&row.id).unwrap_or_default())?)
        })
        .collect()
}

/// Rows come in the order of their keys, an item each.
fn recorded(items: Vec<RecordedOrders>) -> Result<Vec<(ScopedKey, Order)>, Refusal> {
    items
        .chunk_by(|a, b| a.id == b.id && a.key == b.key)
        .filter_map(|rows| Some((rows.first()?, rows)))
        .map(|(first, items)| {
            let key = IdempotencyKey::new(&first.key).map_err(|_| Refusal::BadRow("idempotency_keys"))?;
            let head = Head {
                id: first.id,
                user: first.user_id,
                status: first.status,
                placed_at: first.placed_at,
                short: (first.short_sku, first.short_wanted, first.short_free),
            };
            let lines = rows::lines(items.iter().map(|row| rows::line(row.sku, row.count)))?;
            Ok(((rows::user_id(first.user_id)?, key), head.with(lines)?))
        })
        .collect()
}

/// Which orders of a footprint have stock that is to be avoided, and which stock. Items never change.
pub(super) async fn touched(
    client: &Cached<'_>,
    to: Statement<'_>,
    footprint: &Footprint,
) -> Result<Contention, Error> {
    let ids: Vec<i64> = footprint.orders().iter().map(|id| id.get()).collect();
    let items = to
        .run(Sql::ItemsOfOrders, unit::items_of_orders().bind(client, &ids).all())
        .await?;
    let touched = items.into_iter().filter_map(|item| {
        let sku = Sku::try_from(item.sku).ok()?;
        let order = OrderId::try_from(item.order_id).ok()?;
        footprint.avoided().contains(&sku).then_some((sku, order))
    });
    let (skus, orders) = touched.unzip();
    Ok(Contention::new(skus, orders))
}

/// Which rows of a footprint others hold, the stock of its orders included.
pub(super) async fn held(client: &Cached<'_>, to: Statement<'_>, footprint: &Footprint) -> Result<Contention, Error> {
    let ids: Vec<i64> = footprint.orders().iter().map(|id| id.get()).collect();
    let items = to
        .run(Sql::ItemsOfOrders, unit::items_of_orders().bind(client, &ids).all())
        .await?;
    let of_orders = items.iter().map(|item| item.sku);
    let mut skus: Vec<i64> = footprint.skus().iter().map(|sku| sku.get()).chain(of_orders).collect();
    skus.sort_unstable();
    skus.dedup();
    let held_skus = to
        .run(Sql::HeldStock, unit::held_stock().bind(client, &skus).all())
        .await?;
    let mut held_orders = to
        .run(Sql::HeldOrders, unit::held_orders().bind(client, &ids).all())
        .await?;
    held_orders.extend(
        items
            .iter()
            .filter(|item| held_skus.contains(&item.sku))
            .map(|item| item.order_id),
    );
    let skus = held_skus.into_iter().filter_map(|sku| Sku::try_from(sku).ok());
    let orders = held_orders.into_iter().filter_map(|id| OrderId::try_from(id).ok());
    Ok(Contention::new(skus.collect(), orders.collect()))
}
