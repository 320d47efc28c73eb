//! Standbys that come and go, on clusters of a test's own, because it breaks them.

mod private;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use adapters::postgres::connect::Connector;
use adapters::postgres::testing::{Database, WholeLedger, admin};
use domain::order::ports::OrderQueries;
use domain::testing::build::{draft, order_id, place};
use domain::testing::ledger_contract::{now, run, run_at, stock};
use domain::types::OrderId;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use self::private::Private;
use crate::reading::clients_read_what_they_have_written;
use crate::support::{patient, placed, until};

/// Reads one order again and again, for as long as it lives.
struct Reader {
    stop: Arc<AtomicBool>,
    reads: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Reader {
    fn start(ledger: &Arc<WholeLedger>, order: OrderId) -> Self {
        let (stop, reads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (ledger, stopped, counted) = (Arc::clone(ledger), Arc::clone(&stop), Arc::clone(&reads));
        let task = tokio::spawn(async move {
            while !stopped.load(Ordering::Relaxed) {
                let read = timeout(Duration::from_secs(45), ledger.order(order)).await;
                let read = read.expect("in bounded time").expect("some server answers");
                assert!(read.is_some());
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        Self { stop, reads, task }
    }

    /// Reads go on now.
    async fn goes_on(&self) {
        let before = self.reads.load(Ordering::Relaxed);
        until("reads go on", async || self.reads.load(Ordering::Relaxed) > before + 20).await;
    }

    async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("no read failed");
    }
}

/// A ledger over a cluster, an order in it, and somebody who reads it.
async fn read_all_the_time(cluster: &Private, standbys: usize) -> (Arc<WholeLedger>, Reader) {
    let database = Database::fresh_on(cluster.servers()).await;
    database.stock(&[(1, 1_000_000)]).await;
    let mut settings = patient(database.settings());
    settings.health_interval = Duration::from_millis(500);
    settings.read_timeout = Duration::from_secs(3);
    settings.connect_timeout = Duration::from_secs(3);
    let ledger = WholeLedger::connected(Connector::new(settings), Arc::new(database)).await;
    let ledger = Arc::new(ledger);
    ledger.in_step(standbys).await;
    let order = placed(&run(&*ledger, &[place(draft(&[(1, 1)]))]).await[0]);
    let reader = Reader::start(&ledger, order);
    (ledger, reader)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_answer_in_turn_and_show_what_was_written() {
    let cluster = Private::up(2);
    let database = Database::fresh_on(cluster.servers()).await;
    clients_read_what_they_have_written(database, &cluster.replicas()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_hangs_or_dies_is_left_and_comes_back() {
    let cluster = Private::up(2);
    let (ledger, reader) = read_all_the_time(&cluster, 2).await;
    // One hangs: the other answers.
    cluster.signal("STOP", 3);
    ledger.in_step(1).await;
    assert_eq!(ledger.view.borrow().replicas, [1]);
    reader.goes_on().await;
    // The other one dies: the primary answers.
    cluster.script(&["node", "postgres", "kill", "2"]);
    ledger.in_step(0).await;
    assert_eq!(ledger.view.borrow().primary, Some(0));
    reader.goes_on().await;
    cluster.signal("CONT", 3);
    ledger.in_step(1).await;
    reader.goes_on().await;
    cluster.script(&["node", "postgres", "start", "2"]);
    ledger.in_step(2).await;
    reader.end().await;
    placed(&run(&*ledger, &[place(draft(&[(1, 1)]))]).await[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_nobody_waits_for_or_that_lags_is_not_read() {
    let cluster = Private::up(1);
    let (ledger, reader) = read_all_the_time(&cluster, 1).await;
    cluster.wait_for("").await;
    ledger.in_step(0).await;
    reader.goes_on().await;
    // It lags while nobody waits for it; then it is waited for again, and has not caught up.
    let replica = admin(&cluster.replicas()[0], "postgres").await;
    replica.batch_execute("select pg_wal_replay_pause()").await.unwrap();
    for reserved in 2..12 {
        let order = placed(&run(&*ledger, &[place(draft(&[(1, 1)]))]).await[0]);
        assert!(ledger.order(order).await.unwrap().is_some());
        assert_eq!(stock(&*ledger, 1).await, Some((1_000_000, reserved)));
    }
    cluster.wait_for("FIRST 1 (node2)").await;
    let mut view = ledger.view.clone();
    until("the primary waits for it", async || {
        view.borrow_and_update().lag_bytes.iter().any(|(_, lag)| *lag > 0)
    })
    .await;
    let looks = ledger.connector.settings().health_interval * 5;
    let taken = timeout(looks, view.wait_for(|view| !view.replicas.is_empty())).await;
    assert!(
        taken.is_err(),
        "it was read though it lags: {:?}",
        taken.map(|view| view.map(|view| view.clone()))
    );
    reader.goes_on().await;
    replica.batch_execute("select pg_wal_replay_resume()").await.unwrap();
    ledger.in_step(1).await;
    reader.end().await;
    let order = placed(&run_at(&*ledger, &[place(draft(&[(1, 1)]))], now()).await.unwrap()[0]);
    assert!(ledger.order(order).await.unwrap().is_some());
    assert!(ledger.order(order_id(i64::MAX)).await.unwrap().is_none());
}
