//! Old idempotency keys are forgotten in batches, by whoever has the turn, as fast as they come.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use adapters::postgres::retention::PostgresKeys;
use adapters::postgres::testing::Database;
use adapters::postgres::turn::{Job, Turn};
use domain::order::ports::KeyRetention;
use domain::testing::ledger_contract::now;
use sql::queries::unit;
use time::OffsetDateTime;
use tokio_postgres::Client;

use crate::support::{number, until};
use crate::turns::instance;

/// Keys that LOMS forgets in one round, by default.
const ROUND: usize = 2_000;
/// Keys that come in a second: what the design hopes for.
const PEAK: i64 = 20_000;
const SECONDS: i64 = 3;

fn keys(database: &Database) -> PostgresKeys {
    PostgresKeys::new(Arc::new(Turn::new(instance(database), Job::Housekeeping)))
}

/// A database with an order whose keys they all are, and some keys that are young.
async fn with_young_keys(young: i64) -> (Database, Client) {
    let database = Database::fresh().await;
    let admin = database.admin().await;
    let order = "insert into orders (id, user_id, status, placed_at) values (1, 1, 'awaiting payment', now())";
    admin.batch_execute(order).await.unwrap();
    record(&admin, 1, young, 1).await;
    (database, admin)
}

/// Records keys of a user so many seconds after [`now`].
async fn record(client: &Client, user: i64, count: i64, after: i64) {
    let at = OffsetDateTime::from_unix_timestamp(now().unix_millis() / 1000 + after).unwrap();
    let keys: Vec<_> = (0..count).map(|n| format!("key {n}")).collect();
    let rows = keys.len();
    let (users, orders, moments) = (vec![user; rows], vec![1_i64; rows], vec![at; rows]);
    let insert = unit::insert_keys();
    let inserted = insert.bind(client, &users, &keys, &orders, &moments).one().await;
    assert_eq!(inserted.unwrap(), count);
}

const ALL: &str = "select count(*) from idempotency_keys";

#[tokio::test]
async fn the_holder_of_the_turn_forgets_old_keys_in_batches() {
    let (database, admin) = with_young_keys(10).await;
    record(&admin, 2, 25, -1).await;
    let (mine, other) = (keys(&database), keys(&database));
    assert_eq!(mine.forget_keys(now(), 10).await.unwrap(), 10);
    assert_eq!(other.forget_keys(now(), 10).await.unwrap(), 0, "it is not its turn");
    assert_eq!(number(&admin, ALL).await, 25);
    assert_eq!(mine.forget_keys(now(), 10).await.unwrap(), 10);
    assert_eq!(mine.forget_keys(now(), 10).await.unwrap(), 5);
    assert_eq!(mine.forget_keys(now(), 10).await.unwrap(), 0, "the others are young");
    assert_eq!(
        number(&admin, "select count(*) from idempotency_keys where user_id = 1").await,
        10
    );
    drop(mine);
    record(&admin, 2, 1, -1).await;
    until("the other one goes on", async || {
        other.forget_keys(now(), 10).await.unwrap() == 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_keeps_up_with_peak_inserts() {
    let (database, admin) = with_young_keys(50_000).await;
    let retention = keys(&database);
    let ended = Arc::new(AtomicBool::new(false));
    let end = Arc::clone(&ended);
    let forgetting = tokio::spawn(async move {
        let (mut gone, mut rounds) = (0, 0);
        // Rounds that follow each other, as those of LOMS do while they are full.
        while !end.load(Ordering::Relaxed) {
            let round = retention.forget_keys(now(), ROUND).await.unwrap();
            assert!(round <= ROUND);
            (gone, rounds) = (gone + round as i64, rounds + 1);
            if round < ROUND {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        (gone, rounds, retention)
    });
    let mut seconds = tokio::time::interval(Duration::from_millis(100));
    for user in 2..2 + SECONDS * 10 {
        seconds.tick().await;
        record(&admin, user, PEAK / 10, -1).await;
    }
    ended.store(true, Ordering::Relaxed);
    let (gone, rounds, retention) = forgetting.await.unwrap();
    let (came, left) = (PEAK * SECONDS, number(&admin, ALL).await - 50_000);
    assert_eq!(gone + left, came);
    assert!(
        left < came / 3,
        "{gone} of {came} keys were forgotten meanwhile, in {rounds} rounds"
    );
    while retention.forget_keys(now(), ROUND).await.unwrap() > 0 {}
    assert_eq!(number(&admin, ALL).await, 50_000, "the young ones");
}
