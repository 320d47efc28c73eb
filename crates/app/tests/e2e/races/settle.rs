//! Payment, cancellation and expiry of one order race through the order book that ships: one wins
//! each time, and stock, status and events say which.

use std::sync::Arc;
use std::time::Duration;

use adapters::memory::ledger::{LedgerLimits, MemoryLedger, StockRecord};
use app::engine::batcher::{BatchLimits, Batcher, order_book};
use domain::clock::{Clock, Moment};
use domain::order::expire::Expire;
use domain::order::ports::{OrderBook, OrderQueries, Outbox};
use domain::order::settle::{SettleCommand, SettleRefusal, Settled};
use domain::order::status::OrderStatus;
use domain::stock::model::Stock;
use domain::stock::ports::StockQueries;
use domain::testing::build::{ManualClock, draft, sku};
use domain::types::OrderId;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::Barrier;
use tokio_util::sync::CancellationToken;

const ROUNDS: u32 = 1_000;
const LIMITS: BatchLimits = BatchLimits {
    batch_max: 64,
    queue_max: 1_024,
    lanes: 1,
    held_pause: std::time::Duration::from_secs(1),
};

fn ledger() -> Arc<MemoryLedger> {
    let limits = LedgerLimits {
        orders_max: 10_000,
        outbox_max: 10_000,
        keys_kept: Duration::from_secs(86_400),
    };
    let stock = StockRecord {
        sku: sku(1),
        stock: Stock::new(ROUNDS, 0).unwrap(),
    };
    Arc::new(MemoryLedger::new(limits, [stock], ManualClock::default().now()))
}

/// Whether a call of `settle` did it itself.
async fn settle(book: Batcher, command: SettleCommand, start: Arc<Barrier>, yields: u32) -> bool {
    start.wait().await;
    for _ in 0..yields {
        tokio::task::yield_now().await;
    }
    match book.settle(command, None).await.unwrap() {
        Ok(settled) => settled == Settled::Now,
        Err(SettleRefusal::Illegal { .. }) => false,
        Err(other) => panic!("{other}"),
    }
}

/// Whether a round of expiry did it.
async fn expire(book: Batcher, orders: Arc<MemoryLedger>, before: Moment, start: Arc<Barrier>) -> bool {
    start.wait().await;
    let expire = Expire {
        book: &book,
        orders: &orders,
        batch_max: 10,
    };
    expire.run(before).await.unwrap().cancelled == 1
}

/// One order, three who want to end it; who of them did: payment, cancellation, expiry.
async fn round(book: &Batcher, ledger: &Arc<MemoryLedger>, yields: [u32; 2]) -> (OrderId, [bool; 3]) {
    let order = book.place(draft(&[(1, 1)]), None).await.unwrap().unwrap();
    let start = Arc::new(Barrier::new(3));
    let due = ManualClock::default().now().plus(Duration::from_secs(1));
    let pay = settle(book.clone(), SettleCommand::Pay(order), Arc::clone(&start), yields[0]);
    let cancel = settle(
        book.clone(),
        SettleCommand::Cancel(order),
        Arc::clone(&start),
        yields[1],
    );
    let expire = expire(book.clone(), Arc::clone(ledger), due, start);
    let (pay, cancel, expire) = tokio::join!(tokio::spawn(pay), tokio::spawn(cancel), tokio::spawn(expire));
    (order, [pay.unwrap(), cancel.unwrap(), expire.unwrap()])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_payment_cancellation_and_expiry_one_wins_a_thousand_times() {
    let ledger = ledger();
    let (book, batches) = order_book(LIMITS, Arc::clone(&ledger), ManualClock::default(), Arc::default());
    let deciding = tokio::spawn(batches.run(CancellationToken::new()));
    let mut random = StdRng::seed_from_u64(6);
    let (mut won, mut expected) = ([0; 3], Vec::new());
    for _ in 0..ROUNDS {
        let yields = [random.random_range(0..8), random.random_range(0..8)];
        let (order, winners) = round(&book, &ledger, yields).await;
        assert_eq!(winners.iter().filter(|one| **one).count(), 1, "{order}: {winners:?}");
        for (sum, one) in won.iter_mut().zip(winners) {
            *sum += u32::from(one);
        }
        let status = if winners[0] {
            OrderStatus::Payed
        } else {
            OrderStatus::Cancelled
        };
        assert_eq!(ledger.order(order).await.unwrap().unwrap().status, status);
        expected.extend([OrderStatus::New, OrderStatus::AwaitingPayment, status].map(|status| (order, status)));
    }
    assert!(won.iter().all(|times| *times > 0), "there was no race: {won:?}");
    let stock = ledger.stock(sku(1)).await.unwrap().unwrap();
    assert_eq!((stock.total(), stock.reserved()), (ROUNDS - won[0], 0));
    let events = ledger.unsent(10_000).await.unwrap();
    let told: Vec<_> = events
        .iter()
        .map(|event| (event.change.order, event.change.status))
        .collect();
    assert_eq!(told, expected);
    drop(book);
    deciding.await.unwrap();
}
