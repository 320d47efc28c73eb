//! The second round trip: all writes over arrays, then COMMIT.

use std::time::Duration;

use domain::order::event::StatusChange;
use domain::order::loaded::{Changes, Placed, SettledOrder};
use domain::order::ports::LedgerError;
use domain::stock::model::Stock;
use domain::types::Sku;
use futures::join;
use tokio_postgres::Error;

use super::super::errors::{refused, rolled_back, unknown};
use super::super::measured::Sql;
use super::super::rows::{timestamp, word};
use super::super::spans::Statement;
use super::{Cached, Statements};

/// Writes and commits; what is certain if it fails.
pub(super) async fn write(
    client: &Cached<'_>,
    to: Statement<'_>,
    statements: &Statements,
    changes: Changes,
    overdue_after: Duration,
) -> Result<(), LedgerError> {
    let (orders, items, keys) = (
        orders(client, to, statements, &changes.placed),
        items(client, to, statements, &changes.placed),
        keys(client, to, statements, &changes.placed),
    );
    // Without an id of its own a transaction has nothing to commit, and waits for nobody.
    let commit = if changes.is_empty() {
        "SELECT pg_current_xact_id(); COMMIT"
    } else {
        "COMMIT"
    };
    // Polled first in this order, so sent in it; each is prepared, so none is overtaken.
    let (orders, items, settled, events, keys, stock, committed) = join!(
        orders,
        items,
        settle(client, to, statements, &changes.settled),
        events(client, to, statements, &changes.events),
        keys,
        stock(client, to, statements, &changes.stock),
        to.commit(overdue_after, client.batch_execute(commit)),
    );
    // The COMMIT of a transaction that failed is a ROLLBACK, and succeeds.
    for written in [orders, items, settled, events, keys, stock] {
        match written {
            Ok(()) => {}
            // The server said so before it came to the COMMIT.
            Err(error) if error.as_db_error().is_some() => return Err(rolled_back(error)),
            Err(error) => return Err(unknown(error)),
        }
    }
    match committed {
        Ok(()) => Ok(()),
        Err(error) if refused(&error).is_some() => Err(rolled_back(error)),
        Err(error) => Err(unknown(error)),
    }
}

async fn orders(
    client: &Cached<'_>,
    to: Statement<'_>,
    statements: &Statements,
    placed: &[Placed],
) -> Result<(), Error> {
    if placed.is_empty() {
        return Ok(());
    }
    let column = |of: fn(&Placed) -> i64| placed.iter().map(of).collect::<Vec<_>>();
    let short = |of: fn(domain::order::model::Shortage) -> Option<i64>| {
        placed
            .iter()
            .map(|placed| placed.order.shortage.and_then(of))
            .collect::<Vec<_>>()
    };
    let statuses: Vec<_> = placed.iter().map(|placed| word(placed.order.status)).collect();
    let placed_at: Vec<_> = placed.iter().map(|placed| timestamp(placed.order.placed_at)).collect();
    let (ids, users) = (
        column(|placed| placed.order.id.get()),
        column(|placed| placed.order.user.get()),
    );
    let (skus, wanted, free) = (
        short(|shortage| Some(shortage.sku.get())),
        short(|shortage| Some(i64::from(shortage.wanted.get()))),
        short(|shortage| shortage.free.map(i64::from)),
    );
    let insert = &statements.insert_orders;
    let inserted = insert.bind(client, &ids, &users, &statuses, &placed_at, &skus, &wanted, &free);
    to.run(Sql::InsertOrders, inserted.one()).await.map(drop)
}

async fn items(
    client: &Cached<'_>,
    to: Statement<'_>,
    statements: &Statements,
    placed: &[Placed],
) -> Result<(), Error> {
    if placed.is_empty() {
        return Ok(());
    }
    let count = placed.iter().map(|placed| placed.order.lines.len()).sum();
    let (mut orders, mut skus, mut counts) = (
        Vec::with_capacity(count),
        Vec::with_capacity(count),
        Vec::with_capacity(count),
    );
    for placed in placed {
        for line in placed.order.lines.iter() {
            orders.push(placed.order.id.get());
            skus.push(line.sku.get());
            counts.push(i64::from(line.quantity.get()));
        }
    }
    let inserted = statements.insert_items.bind(client, &orders, &skus, &counts);
    to.run(Sql::InsertItems, inserted.one()).await.map(drop)
}

async fn settle(
    client: &Cached<'_>,
    to: Statement<'_>,
    statements: &Statements,
    settled: &[SettledOrder],
) -> Result<(), Error> {
    if settled.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = settled.iter().map(|settled| settled.order.get()).collect();
    let statuses: Vec<_> = settled.iter().map(|settled| word(settled.status)).collect();
    let moments: Vec<_> = settled.iter().map(|settled| timestamp(settled.moment)).collect();
    let updated = statements.settle_orders.bind(client, &ids, &statuses, &moments);
    to.run(Sql::SettleOrders, updated.one()).await.map(drop)
}

async fn events(
    client: &Cached<'_>,
    to: Statement<'_>,
    statements: &Statements,
    events: &[StatusChange],
) -> Result<(), Error> {
    if events.is_empty() {
        return Ok(());
    }
    let orders: Vec<_> = events.iter().map(|event| event.order.get()).collect();
    let statuses: Vec<_> = events.iter().map(|event| word(event.status)).collect();
    let moments: Vec<_> = events.iter().map(|event| timestamp(event.moment)).collect();
    let traces: Vec<_> = events
        .iter()
        .map(|event| event.trace.map(|trace| trace.to_string()))
        .collect();
    let inserted = statements
        .insert_events
        .bind(client, &orders, &statuses, &moments, &traces);
    to.run(Sql::InsertEvents, inserted.one()).await.map(drop)
}

/// In key order: two batches that record the same keys wait for each other in one direction.
async fn keys(client: &Cached<'_>, to: Statement<'_>, statements: &Statements, placed: &[Placed]) -> Result<(), Error> {
    let mut keyed: Vec<_> = placed
        .iter()
        .filter_map(|placed| Some((placed.order.user.get(), placed.key.as_ref()?.as_str(), &placed.order)))
        .collect();
    if keyed.is_empty() {
        return Ok(());
    }
    keyed.sort_unstable_by_key(|(user, key, _)| (*user, *key));
    let users: Vec<_> = keyed.iter().map(|(user, ..)| *user).collect();
    let keys: Vec<_> = keyed.iter().map(|(_, key, _)| *key).collect();
    let orders: Vec<_> = keyed.iter().map(|(.., order)| order.id.get()).collect();
    let created_at: Vec<_> = keyed.iter().map(|(.., order)| timestamp(order.placed_at)).collect();
    let inserted = statements.insert_keys.bind(client, &users, &keys, &orders, &created_at);
    to.run(Sql::InsertKeys, inserted.one()).await.map(drop)
}

async fn stock(
    client: &Cached<'_>,
    to: Statement<'_>,
    statements: &Statements,
    stock: &[(Sku, Stock)],
) -> Result<(), Error> {
    if stock.is_empty() {
        return Ok(());
    }
    let skus: Vec<_> = stock.iter().map(|(sku, _)| sku.get()).collect();
    let totals: Vec<_> = stock.iter().map(|(_, stock)| i64::from(stock.total())).collect();
    let reserved: Vec<_> = stock.iter().map(|(_, stock)| i64::from(stock.reserved())).collect();
    let updated = statements.update_stock.bind(client, &skus, &totals, &reserved);
    to.run(Sql::UpdateStock, updated.one()).await.map(drop)
}
