//! Races for stock, for one order, and for one idempotency key.

use std::collections::HashSet;
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use adapters::memory::ledger::MemoryLedger;
use domain::clock::Clock;
use domain::order::model::Draft;
use domain::order::ports::{OrderBook, OrderQueries};
use domain::order::settle::{SettleCommand, Settled};
use domain::order::status::OrderStatus;
use domain::testing::build::{ManualClock, draft, keyed, user};
use domain::testing::ledger_contract::{events, stock};
use domain::types::OrderId;
use futures::executor::block_on;

use super::{Book, run, shop};

const TASKS: i64 = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn ten_thousand_buyers_get_exactly_the_hundred_units_there_are() {
    let (ledger, book) = shop(100);
    let buyers = |task: i64| (1..=10_000_i64).filter(move |n| n % TASKS == task);
    let tasks = (0..TASKS).map(|task| {
        let book = Arc::clone(&book);
        async move {
            let mut won = Vec::new();
            for buyer in buyers(task) {
                let wants = Draft {
                    user: user(buyer),
                    ..draft(&[(1, 1)])
                };
                won.extend(book.place(wants, None).await.unwrap());
                tokio::task::yield_now().await;
            }
            won
        }
    });
    let won: HashSet<OrderId> = run(tasks).await.into_iter().flatten().collect();
    assert_eq!((won.len(), stock(&ledger, 1).await), (100, Some((100, 100))));
    let all = events(&ledger).await;
    let of = |status| all.iter().filter(|event| event.1 == status).count();
    assert_eq!(
        [OrderStatus::New, OrderStatus::AwaitingPayment, OrderStatus::Failed].map(of),
        [10_000, 100, 9_900]
    );
    let told: HashSet<_> = all
        .iter()
        .filter(|event| event.1 == OrderStatus::AwaitingPayment)
        .map(|event| event.0)
        .collect();
    assert_eq!(told, won.iter().map(|order| order.get()).collect());
}

/// What the three threads of a round answered; `None` where the call failed.
type Answers = Vec<(SettleCommand, Option<Settled>)>;

/// One round: the order is payed, cancelled and expired at once, each from a thread.
fn settle_at_once(book: &Book, order: OrderId, round: usize, gate: &Barrier, answers: &Mutex<Answers>, thread: usize) {
    let due = ManualClock::default().now().plus(Duration::from_secs(1));
    let commands = [
        SettleCommand::Pay(order),
        SettleCommand::Cancel(order),
        SettleCommand::Expire(order, due),
    ];
    // Which thread does what goes round, so that none is always first.
    let command = commands[(thread + round) % 3];
    gate.wait();
    let settled = block_on(book.settle(command, None));
    answers
        .lock()
        .unwrap()
        .push((command, settled.ok().and_then(Result::ok)));
    gate.wait();
}

/// Who won the round; all that can be read must agree with it.
fn winner(ledger: &MemoryLedger, order: OrderId, answers: &[(SettleCommand, Option<Settled>)]) -> SettleCommand {
    assert!(answers.iter().all(|(command, _)| command.order() == order));
    let won: Vec<_> = answers
        .iter()
        .filter(|(_, settled)| *settled == Some(Settled::Now))
        .collect();
    assert_eq!((answers.len(), won.len()), (3, 1), "one wins: {answers:?}");
    let (command, _) = *won[0];
    let status = match command {
        SettleCommand::Pay(_) => OrderStatus::Payed,
        SettleCommand::Cancel(_) | SettleCommand::Expire(..) => OrderStatus::Cancelled,
    };
    assert_eq!(block_on(ledger.order(order)).unwrap().unwrap().status, status);
    let expected = [OrderStatus::New, OrderStatus::AwaitingPayment, status];
    let history: Vec<_> = block_on(ledger.history(order))
        .unwrap()
        .into_iter()
        .map(|(status, _)| status)
        .collect();
    assert_eq!(history, expected);
    let told: Vec<_> = block_on(events(ledger))
        .into_iter()
        .filter(|event| event.0 == order.get())
        .map(|event| event.1)
        .collect();
    assert_eq!(told, expected);
    command
}

#[test]
fn of_paying_cancelling_and_expiring_one_order_one_wins_a_thousand_times() {
    const ROUNDS: usize = 1_000;
    let units = u32::try_from(ROUNDS).unwrap();
    let (ledger, book) = shop(units);
    let orders: Vec<OrderId> = (0..ROUNDS)
        .map(|_| block_on(book.place(draft(&[(1, 1)]), None)).unwrap().unwrap())
        .collect();
    let (gate, answers) = (Barrier::new(3), Mutex::new(Answers::new()));
    // Nothing in these threads can panic and leave the others at the gate.
    let work = |thread| {
        for (round, order) in orders.iter().enumerate() {
            settle_at_once(&book, *order, round, &gate, &answers, thread);
        }
    };
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let work = &work;
            scope.spawn(move || work(thread));
        }
    });
    let answers = answers.into_inner().unwrap();
    let rounds = answers.chunks(3).zip(&orders);
    let winners: Vec<_> = rounds
        .map(|(answers, order)| winner(&ledger, *order, answers))
        .collect();
    let payed = winners
        .iter()
        .filter(|command| matches!(command, SettleCommand::Pay(_)))
        .count();
    let expired = winners
        .iter()
        .filter(|command| matches!(command, SettleCommand::Expire(..)))
        .count();
    let left = units - u32::try_from(payed).unwrap();
    assert_eq!(block_on(stock(&ledger, 1)), Some((left, 0)));
    let wins = [payed, expired, ROUNDS - payed - expired];
    assert!(
        wins.iter().all(|wins| *wins > 0),
        "payed, expired, cancelled: {wins:?}; that was no race"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn equal_requests_with_one_key_make_one_order() {
    let (ledger, book) = shop(10_000);
    for round in 0..100 {
        let tasks = (0..TASKS).map(|_| {
            let book = Arc::clone(&book);
            async move {
                book.place(keyed(&[(1, 1), (1, 2)], &format!("round-{round}")), None)
                    .await
                    .unwrap()
                    .unwrap()
            }
        });
        let told: HashSet<OrderId> = run(tasks).await.into_iter().collect();
        assert_eq!(told.len(), 1);
    }
    assert_eq!(stock(&ledger, 1).await, Some((10_000, 300)));
    assert_eq!(events(&ledger).await.len(), 200);
}
