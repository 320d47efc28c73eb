//! The relay over the outbox in memory and in Postgres: stopped between any two steps, two of them
//! at once, woken and drained. The same suite for both.

mod kafka;
mod stuck;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use adapters::memory::ledger::{LedgerLimits, MemoryLedger, StockRecord};
use adapters::memory::stream::MemoryStream;
use adapters::postgres::outbox::PostgresOutbox;
use adapters::postgres::testing::{Database, WholeLedger as PostgresWhole};
use adapters::postgres::turn::{Job, Turn};
use app::engine::relay::{Relay, RelayLimits};
use domain::clock::Clock;
use domain::notify::ports::{Arrival, EventSource, Received};
use domain::order::batch::Answer;
use domain::order::status::OrderStatus;
use domain::stock::model::Stock;
use domain::testing::build::{ManualClock, draft, pay, place, sku};
use domain::testing::faults::{FaultyRelay, RelayFault, RelayPlan};
use domain::testing::ledger_contract::{WholeLedger, run};
use domain::types::OrderId;
use parking_lot::Mutex;
use slog::Logger;
use tokio_util::sync::CancellationToken;

const LIMITS: RelayLimits = RelayLimits {
    batch_max: 7,
    poll_interval: Duration::from_millis(1),
    first_pause: Duration::from_millis(1),
    longest_pause: Duration::from_millis(2),
};

fn relay<O, P>(outbox: O, publisher: P) -> Relay<O, P> {
    Relay {
        outbox,
        publisher,
        committed: Arc::default(),
        limits: LIMITS,
        log: Logger::root(slog::Discard, slog::o!()),
    }
}

fn in_memory() -> Arc<MemoryLedger> {
    let limits = LedgerLimits {
        orders_max: 1_000_000,
        outbox_max: 1_000_000,
        keys_kept: Duration::from_secs(1),
    };
    let stock = StockRecord {
        sku: sku(1),
        stock: Stock::new(1_000_000, 0).unwrap(),
    };
    Arc::new(MemoryLedger::new(limits, [stock], ManualClock::default().now()))
}

async fn in_postgres() -> Arc<PostgresWhole> {
    Arc::new(Database::fresh().await.ledger(&[(1, 1_000_000)]).await)
}

/// Places and pays orders, so that each has three events.
async fn trade(ledger: &impl WholeLedger, orders: usize) {
    let places: Vec<_> = (0..orders).map(|_| place(draft(&[(1, 1)]))).collect();
    for chunk in places.chunks(20) {
        let pays: Vec<_> = run(ledger, chunk)
            .await
            .iter()
            .map(|answer| match answer {
                Answer::Placed(Ok(order)) => pay(order.get()),
                other => panic!("not placed: {other:?}"),
            })
            .collect();
        run(ledger, &pays).await;
    }
}

/// Everything that arrived, in order per partition.
async fn arrived(stream: &MemoryStream) -> Vec<Received> {
    let mut source = stream.subscribe();
    let mut all = Vec::new();
    while stream.lag() > all.len() {
        let Arrival::Deliveries(delivered) = source.next(10_000).await.unwrap() else {
            panic!("nobody closed it");
        };
        all.extend(delivered.into_iter().map(|delivery| delivery.content.unwrap()));
    }
    all
}

fn assert_complete(arrived: &[Received], orders: usize) {
    let mut seen = HashSet::new();
    let mut first: HashMap<OrderId, Vec<OrderStatus>> = HashMap::new();
    for event in arrived {
        if seen.insert(event.event_id.clone()) {
            first.entry(event.order).or_default().push(event.status);
        }
    }
    let expected = [OrderStatus::New, OrderStatus::AwaitingPayment, OrderStatus::Payed];
    assert_eq!(first.len(), orders);
    assert!(first.values().all(|statuses| *statuses == expected), "{first:?}");
}

async fn stopped_between_any_two_steps(ledger: Arc<impl WholeLedger>) {
    let all = [
        RelayFault::Read,
        RelayFault::Send,
        RelayFault::Acknowledge,
        RelayFault::Mark,
    ];
    trade(&ledger, 100).await;
    let stream = MemoryStream::new(100_000);
    let mut step = 0_usize;
    let plan: RelayPlan = Arc::new(Mutex::new(move || {
        step += 1;
        step.is_multiple_of(2).then(|| all[step / 2 % 4])
    }));
    let relay = relay(
        FaultyRelay::new(Arc::clone(&ledger), Arc::clone(&plan)),
        FaultyRelay::new(stream.clone(), plan),
    );
    let mut failures = 0;
    for _ in 0..10_000 {
        match relay.round().await {
            Ok(0) => break,
            Ok(_) => {}
            Err(_) => failures += 1,
        }
    }
    let arrived = arrived(&stream).await;
    assert!(
        failures > 10 && arrived.len() > 300,
        "{failures} failures, {} arrived",
        arrived.len()
    );
    assert_complete(&arrived, 100);
}

async fn two_unfenced_relays(ledger: Arc<impl WholeLedger>) {
    trade(&ledger, 300).await;
    let stream = MemoryStream::new(100_000);
    let stop = CancellationToken::new();
    stop.cancel(); // drain, then end
    let one = tokio::spawn(relay(Arc::clone(&ledger), stream.clone()).run(stop.clone()));
    let other = tokio::spawn(relay(Arc::clone(&ledger), stream.clone()).run(stop));
    one.await.unwrap();
    other.await.unwrap();
    assert_complete(&arrived(&stream).await, 300);
}

async fn woken_and_drained(ledger: Arc<impl WholeLedger>) {
    let stream = MemoryStream::new(1000);
    let mut relay = relay(Arc::clone(&ledger), stream.clone());
    relay.limits.poll_interval = Duration::from_secs(3600);
    let (stop, committed) = (CancellationToken::new(), Arc::clone(&relay.committed));
    let task = tokio::spawn(relay.run(stop.clone()));
    trade(&ledger, 1).await;
    committed.notify_one();
    let woken = async {
        while stream.lag() < 3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), woken).await.unwrap();
    trade(&ledger, 1).await;
    stop.cancel();
    task.await.unwrap();
    assert_complete(&arrived(&stream).await, 2);
}

#[tokio::test]
async fn stopped_between_any_two_steps_it_repeats_and_loses_nothing_in_memory() {
    stopped_between_any_two_steps(in_memory()).await;
}

#[tokio::test]
async fn stopped_between_any_two_steps_it_repeats_and_loses_nothing_in_postgres() {
    stopped_between_any_two_steps(in_postgres().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_unfenced_relays_keep_first_occurrences_in_order_in_memory() {
    two_unfenced_relays(in_memory()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_unfenced_relays_keep_first_occurrences_in_order_in_postgres() {
    two_unfenced_relays(in_postgres().await).await;
}

#[tokio::test]
async fn woken_after_a_commit_and_drained_when_stopped_in_memory() {
    woken_and_drained(in_memory()).await;
}

#[tokio::test]
async fn woken_after_a_commit_and_drained_when_stopped_in_postgres() {
    woken_and_drained(in_postgres().await).await;
}

/// Two instances, one turn: only its holder reads; when the holder is gone the other goes on.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_fenced_relays_one_is_at_work_and_the_other_takes_over() {
    let one = in_postgres().await;
    let other = PostgresWhole::over(Arc::clone(&one.database)).await;
    let fenced = |whole: &PostgresWhole| {
        let turn = Arc::new(Turn::new(Arc::clone(&whole.connector), Job::Relay));
        PostgresOutbox::fenced(turn, Arc::clone(&whole.reads))
    };
    let stream = MemoryStream::new(100_000);
    let (first, second) = (
        relay(fenced(&one), stream.clone()),
        relay(fenced(&other), stream.clone()),
    );
    trade(&one, 10).await;
    assert_eq!(first.round().await.unwrap(), LIMITS.batch_max);
    assert_eq!(second.round().await.unwrap(), 0, "it is not its turn");
    drop(first);
    let taken_over = async {
        while second.round().await.unwrap() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), taken_over).await.unwrap();
    while second.round().await.unwrap() > 0 {}
    assert_complete(&arrived(&stream).await, 10);
}
