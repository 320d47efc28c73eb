//! What the server can do at most with our statements: a bare client on one connection that sends
//! batch after batch, each in one piece, the next before the last is answered. It alone writes, so it
//! knows the stock without reading it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use adapters::postgres::testing::Database;
use futures::future::try_join_all;
use sql::queries::unit::{
    InsertEventsStmt, InsertItemsStmt, InsertOrdersStmt, LockStockStmt, NextOrderIdsStmt, UpdateStockStmt,
    insert_events, insert_items, insert_orders, lock_stock, next_order_ids, update_stock,
};
use sql::types::OrderStatus;
use time::OffsetDateTime;
use tokio_postgres::{Client, Config, Error, NoTls};

use super::server::refused;
use super::way::{Shape, order};
use crate::clock;
use crate::error::LoadError;

/// Orders of a batch.
const BATCH: u64 = 64;
/// Batches that are sent and not answered.
const AHEAD: usize = 8;
/// Orders that a block of numbers is for, and blocks that are taken at once.
const BLOCK: i64 = 1_000;
const BLOCKS: i32 = 16;

/// A bare client.
pub(crate) struct Raw {
    client: Client,
    statements: Statements,
    /// Total and reserved units by sku.
    stock: HashMap<i64, (i64, i64)>,
    /// Numbers for orders to come.
    ids: VecDeque<i64>,
    made: u64,
}

struct Statements {
    next_order_ids: NextOrderIdsStmt,
    lock_stock: LockStockStmt,
    insert_orders: InsertOrdersStmt,
    insert_items: InsertItemsStmt,
    insert_events: InsertEventsStmt,
    update_stock: UpdateStockStmt,
}

/// A batch as the arrays of its statements.
#[derive(Default)]
struct Batch {
    ids: Vec<i64>,
    users: Vec<i64>,
    statuses: Vec<OrderStatus>,
    moments: Vec<OffsetDateTime>,
    none: Vec<Option<i64>>,
    item_orders: Vec<i64>,
    item_skus: Vec<i64>,
    item_counts: Vec<i64>,
    event_orders: Vec<i64>,
    event_statuses: Vec<OrderStatus>,
    event_moments: Vec<OffsetDateTime>,
    traces: Vec<Option<String>>,
    skus: Vec<i64>,
    totals: Vec<i64>,
    reserved: Vec<i64>,
}

impl Raw {
    /// On a database with our schema and stock, which nobody else uses meanwhile.
    pub(crate) async fn new(
        mut target: Config,
        database: &Database,
        synchronous_commit: &str,
    ) -> Result<Self, LoadError> {
        let options = format!("-c synchronous_commit={synchronous_commit} -c enable_seqscan=off -c jit=off");
        target.dbname(database.name()).options(options);
        let (client, connection) = target.connect(NoTls).await.map_err(|error| refused(&error))?;
        tokio::spawn(connection);
        let stock = client.query("select sku, total_count, reserved from stock", &[]).await;
        let stock = stock.map_err(|error| refused(&error))?;
        let statements = Statements::prepare(&client).await.map_err(|error| refused(&error))?;
        Ok(Self {
            stock: stock.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect(),
            ids: VecDeque::new(),
            made: 0,
            client,
            statements,
        })
    }

    /// Places orders for so long; how many, and in what time.
    pub(crate) async fn place(&mut self, shape: Shape, duration: Duration) -> Result<(u64, Duration), LoadError> {
        let start = clock::now();
        let mut done = 0;
        while clock::now() - start < duration {
            self.number().await.map_err(|error| refused(&error))?;
            let batches: Vec<Batch> = (0..AHEAD).map(|_| self.batch(shape)).collect();
            // So few are polled in their order, and each is sent at its first poll.
            let sent = batches.iter().map(|batch| self.statements.run(&self.client, batch));
            try_join_all(sent).await.map_err(|error| refused(&error))?;
            done += BATCH * batches.len() as u64;
        }
        Ok((done, clock::now() - start))
    }

    /// Takes blocks of numbers where too few are left for what is sent next.
    async fn number(&mut self) -> Result<(), Error> {
        if self.ids.len() < AHEAD * usize::try_from(BATCH).unwrap_or(usize::MAX) {
            let blocks = self.statements.next_order_ids.bind(&self.client, &BLOCKS).all().await?;
            self.ids
                .extend(blocks.into_iter().flat_map(|first| first..first + BLOCK));
        }
        Ok(())
    }

    fn batch(&mut self, shape: Shape) -> Batch {
        let mut batch = Batch::default();
        let mut touched: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
        let now = OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000);
        for _ in 0..BATCH {
            let Some(id) = self.ids.pop_front() else { break };
            let (user, lines) = order(shape, 7, self.made);
            self.made += 1;
            batch.ids.push(id);
            batch.users.push(user);
            batch.statuses.push(OrderStatus::awaiting_payment);
            batch.moments.push(now);
            batch.none.push(None);
            for status in [OrderStatus::new, OrderStatus::awaiting_payment] {
                batch.event_orders.push(id);
                batch.event_statuses.push(status);
                batch.event_moments.push(now);
                batch.traces.push(None);
            }
            for line in lines {
                batch.item_orders.push(id);
                batch.item_skus.push(line.sku);
                batch.item_counts.push(i64::from(line.count));
                let (total, reserved) = self.stock.entry(line.sku).or_default();
                *reserved += i64::from(line.count);
                touched.insert(line.sku, (*total, *reserved));
            }
        }
        for (sku, (total, reserved)) in touched {
            batch.skus.push(sku);
            batch.totals.push(total);
            batch.reserved.push(reserved);
        }
        batch
    }
}

impl Statements {
    async fn prepare(client: &Client) -> Result<Self, Error> {
        Ok(Self {
            next_order_ids: next_order_ids().prepare(client).await?,
            lock_stock: lock_stock().prepare(client).await?,
            insert_orders: insert_orders().prepare(client).await?,
            insert_items: insert_items().prepare(client).await?,
            insert_events: insert_events().prepare(client).await?,
            update_stock: update_stock().prepare(client).await?,
        })
    }

    /// Everything leaves at the first poll: one round trip.
    async fn run(&self, client: &Client, batch: &Batch) -> Result<(), Error> {
        let nothing: Vec<i64> = Vec::new();
        let (lock, orders, items, events, stock) = (
            self.lock_stock.bind(client, &batch.skus, &nothing),
            self.insert_orders.bind(
                client,
                &batch.ids,
                &batch.users,
                &batch.statuses,
                &batch.moments,
                &batch.none,
                &batch.none,
                &batch.none,
            ),
            self.insert_items
                .bind(client, &batch.item_orders, &batch.item_skus, &batch.item_counts),
            self.insert_events.bind(
                client,
                &batch.event_orders,
                &batch.event_statuses,
                &batch.event_moments,
                &batch.traces,
            ),
            self.update_stock
                .bind(client, &batch.skus, &batch.totals, &batch.reserved),
        );
        let (begun, locked, orders, items, events, stock, committed) = futures::join!(
            client.batch_execute("BEGIN"),
            lock.all(),
            orders.one(),
            items.one(),
            events.one(),
            stock.one(),
            client.batch_execute("COMMIT"),
        );
        begun?;
        locked?;
        orders?;
        items?;
        events?;
        stock?;
        committed
    }
}
