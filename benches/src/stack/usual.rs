//! The usual way: a transaction a step, a statement a row. It inserts the order, locks and updates each
//! stock row in ascending order, inserts the items, changes the status, writes a row to the outbox,
//! and commits. Statements are prepared; the pool may have any size.

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod};
use tokio_postgres::{Config, Error, NoTls};

use super::drive::fault;
use super::way::{Step, Way};
use crate::client::{Answer, Fault, FaultKind};
use crate::dataset::Line;
use crate::error::LoadError;

const INSERT_ORDER: &str = "insert into orders (user_id, status) values ($1, 'new') returning id";
const LOCK_STOCK: &str = "select total_count - reserved from stock where sku = $1 for no key update";
const RESERVE: &str = "update stock set reserved = reserved + $2 where sku = $1";
const INSERT_ITEMS: &str =
    "insert into order_items (order_id, sku, count) select $1::bigint, i.* from unnest($2::bigint[], $3::bigint[]) i";
const AWAIT_PAYMENT: &str = "update orders set status = 'awaiting payment' where id = $1";
const OUTBOX: &str = "insert into outbox (order_id, status) select id, status from orders where id = $1";
const LOCK_ORDER: &str = "select cast(status as text) from orders where id = $1 for no key update";
const ITEMS: &str = "select sku, count from order_items where order_id = $1 order by sku";
const HAND_OVER: &str = "update stock set total_count = total_count - $2, reserved = reserved - $2 where sku = $1";
const FREE: &str = "update stock set reserved = reserved - $2 where sku = $1";
const END_ORDER: &str = "update orders set status = cast($2::text as order_status), settled_at = now() where id = $1";

/// A service that makes a transaction a step.
#[derive(Debug)]
pub(crate) struct Usual {
    pool: Pool,
}

impl Usual {
    /// Over a database with `sql/usual.sql`; sessions say how commits wait.
    pub(crate) fn new(mut target: Config, synchronous_commit: &str, connections: usize) -> Result<Self, LoadError> {
        target.options(format!("-c synchronous_commit={synchronous_commit} -c jit=off"));
        let config = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let manager = Manager::from_config(target, NoTls, config);
        let pool = Pool::builder(manager).max_size(connections).build();
        let pool = pool.map_err(|error| LoadError::Target(format!("no pool of connections: {error}")))?;
        Ok(Self { pool })
    }

    /// Another number of connections.
    pub(crate) fn resize(&self, connections: usize) {
        self.pool.resize(connections);
    }

    async fn connection(&self) -> Answer<Object> {
        self.pool
            .get()
            .await
            .map_err(|error| fault(FaultKind::Unavailable, &error))
    }
}

/// Commits what succeeded, rolls back what did not.
async fn end<T>(client: &Object, done: Result<Answer<T>, Error>) -> Answer<T> {
    match done {
        Ok(Ok(value)) => {
            let committed = client.batch_execute("COMMIT").await;
            committed
                .map(|()| value)
                .map_err(|error| fault(FaultKind::Unknown, &error))
        }
        Ok(Err(refused)) => {
            rollback(client).await;
            Err(refused)
        }
        Err(error) => {
            rollback(client).await;
            Err(fault(FaultKind::Unavailable, &error))
        }
    }
}

/// Where even that fails, the connection is gone and the server rolls back.
async fn rollback(client: &Object) {
    let _ = client.batch_execute("ROLLBACK").await;
}

async fn place(client: &Object, user_id: i64, lines: &[Line]) -> Result<Answer<i64>, Error> {
    client.batch_execute("BEGIN").await?;
    let insert = client.prepare_cached(INSERT_ORDER).await?;
    let order_id: i64 = client.query_one(&insert, &[&user_id]).await?.get(0);
    let (lock, reserve) = (
        client.prepare_cached(LOCK_STOCK).await?,
        client.prepare_cached(RESERVE).await?,
    );
    for line in lines {
        let wanted = i64::from(line.count);
        let free: Option<i64> = client.query_opt(&lock, &[&line.sku]).await?.map(|row| row.get(0));
        if free.is_none_or(|free| free < wanted) {
            return Ok(Err(Fault::new(
                FaultKind::Refused,
                "short",
                format!("sku {} is short", line.sku),
            )));
        }
        client.execute(&reserve, &[&line.sku, &wanted]).await?;
    }
    let skus: Vec<i64> = lines.iter().map(|line| line.sku).collect();
    let counts: Vec<i64> = lines.iter().map(|line| i64::from(line.count)).collect();
    let items = client.prepare_cached(INSERT_ITEMS).await?;
    client.execute(&items, &[&order_id, &skus, &counts]).await?;
    let (change, event) = (
        client.prepare_cached(AWAIT_PAYMENT).await?,
        client.prepare_cached(OUTBOX).await?,
    );
    client.execute(&change, &[&order_id]).await?;
    client.execute(&event, &[&order_id]).await?;
    Ok(Ok(order_id))
}

async fn settle(client: &Object, order_id: i64, (status, of_stock): (&str, &str)) -> Result<Answer<()>, Error> {
    client.batch_execute("BEGIN").await?;
    let lock = client.prepare_cached(LOCK_ORDER).await?;
    let found: Option<String> = client.query_opt(&lock, &[&order_id]).await?.map(|row| row.get(0));
    match found.as_deref() {
        Some("awaiting payment") => {}
        Some(found) if found == status => return Ok(Ok(())),
        other => {
            let said = format!("order {order_id} is {}", other.unwrap_or("not there"));
            return Ok(Err(Fault::new(FaultKind::Refused, "status", said)));
        }
    }
    let (items, of_stock) = (
        client.prepare_cached(ITEMS).await?,
        client.prepare_cached(of_stock).await?,
    );
    for row in client.query(&items, &[&order_id]).await? {
        let (sku, count): (i64, i64) = (row.get(0), row.get(1));
        client.execute(&of_stock, &[&sku, &count]).await?;
    }
    let (end, event) = (
        client.prepare_cached(END_ORDER).await?,
        client.prepare_cached(OUTBOX).await?,
    );
    client.execute(&end, &[&order_id, &status]).await?;
    client.execute(&event, &[&order_id]).await?;
    Ok(Ok(()))
}

impl Way for Usual {
    async fn place(&self, user_id: i64, lines: &[Line]) -> Answer<i64> {
        let client = self.connection().await?;
        let done = place(&client, user_id, lines).await;
        end(&client, done).await
    }

    async fn step(&self, step: Step, id: i64) -> Answer<()> {
        let ending = match step {
            Step::Pay => ("payed", HAND_OVER),
            Step::Cancel => ("cancelled", FREE),
            Step::Info | Step::Free | Step::Checkout => return step.unknown(),
        };
        let client = self.connection().await?;
        let done = settle(&client, id, ending).await;
        end(&client, done).await
    }
}
