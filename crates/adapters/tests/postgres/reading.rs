//! A client reads what it has written, from a standby.

use std::sync::Arc;

use adapters::postgres::connect::Connector;
use adapters::postgres::testing::{Database, WholeLedger, admin};
use domain::order::ports::OrderQueries;
use domain::order::status::OrderStatus;
use domain::testing::build::{draft, place};
use domain::testing::ledger_contract::{run, stock};
use futures::future::join_all;
use tokio_postgres::Config;

use crate::support::{patient, placed, until};

const CLIENTS: i64 = 32;
/// Orders that a client writes together, and reads one by one.
const TOGETHER: usize = 10;
const ROUNDS: i64 = 10_000 / CLIENTS / TOGETHER as i64 + 1;

/// One client with a sku of its own: nobody else changes what it reads.
async fn client(ledger: Arc<WholeLedger>, sku: i64) -> usize {
    let drafts: Vec<_> = (0..TOGETHER).map(|_| place(draft(&[(sku, 1)]))).collect();
    for round in 1..=ROUNDS {
        let answers = run(&*ledger, &drafts).await;
        let reads = answers.iter().map(|answer| ledger.order(placed(answer)));
        for (read, answer) in join_all(reads).await.into_iter().zip(&answers) {
            let read = read.unwrap().unwrap_or_else(|| panic!("{answer:?} is not there"));
            assert_eq!((read.id, read.status), (placed(answer), OrderStatus::AwaitingPayment));
        }
        let reserved = u32::try_from(round).unwrap() * TOGETHER as u32;
        assert_eq!(stock(&*ledger, sku).await, Some((1_000_000, reserved)));
    }
    TOGETHER * usize::try_from(ROUNDS).unwrap()
}

/// Transactions in the test's database that a server has counted.
async fn transactions(server: &Config, database: &Database) -> i64 {
    let counted = "select xact_commit from pg_stat_database where datname = $1";
    let client = admin(server, "postgres").await;
    client.query_one(counted, &[&database.name()]).await.unwrap().get(0)
}

/// Writes 10,000 orders and reads each, and sees that so many replicas answered.
pub(crate) async fn clients_read_what_they_have_written(database: Database, replicas: &[Config]) {
    let records: Vec<_> = (1..=CLIENTS).map(|sku| (sku, 1_000_000)).collect();
    database.stock(&records).await;
    let connector = Connector::new(patient(database.settings()));
    let ledger = Arc::new(WholeLedger::connected(connector, Arc::new(database)).await);
    ledger.in_step(replicas.len()).await;
    let mut before = Vec::new();
    for replica in replicas {
        before.push(transactions(replica, &ledger.database).await);
    }
    let clients = (1..=CLIENTS).map(|sku| tokio::spawn(client(Arc::clone(&ledger), sku)));
    let read: usize = join_all(clients).await.into_iter().map(Result::unwrap).sum();
    assert!(read >= 10_000);
    // Each replica has its share. A server counts with a delay of a second.
    let share = i64::try_from(read / replicas.len()).unwrap() - 100;
    for (replica, before) in replicas.iter().zip(before) {
        until("the replica counts the reads", async || {
            transactions(replica, &ledger.database).await - before >= share
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_standby() {
    let database = Database::fresh().await;
    let standby = database.servers().standby.clone();
    clients_read_what_they_have_written(database, &[standby]).await;
}
