//! The order book over ledgers that work, fail, and are told to fail.

use std::time::Duration;

use adapters::memory::ledger::{LedgerLimits, MemoryLedger, StockRecord};
use domain::order::ports::OrderQueries;
use domain::stock::model::Stock;
use domain::stock::ports::StockQueries;
use domain::testing::build::{ManualClock, draft, keyed, order_id, sku};
use domain::testing::faults::{FaultyLedger, LedgerFault};
use domain::types::Sku;

use super::*;

const LIMITS: BatchLimits = BatchLimits {
    batch_max: 8,
    queue_max: 64,
    lanes: 1,
    held_pause: Duration::from_secs(1),
};

fn ledger(total: u32) -> Arc<MemoryLedger> {
    let limits = LedgerLimits {
        orders_max: 100_000,
        outbox_max: 100_000,
        keys_kept: Duration::from_secs(24 * 3600),
    };
    let stock = StockRecord {
        sku: sku(1),
        stock: Stock::new(total, 0).unwrap(),
    };
    Arc::new(MemoryLedger::new(limits, [stock], ManualClock::default().now()))
}

fn start<L: Ledger>(limits: BatchLimits, ledger: L) -> (Batcher, tokio::task::JoinHandle<()>) {
    let (book, batches) = order_book(limits, ledger, ManualClock::default(), Arc::default());
    (book, tokio::spawn(batches.run(CancellationToken::new())))
}

async fn reserved(ledger: &MemoryLedger, sku: Sku) -> u32 {
    ledger.stock(sku).await.unwrap().unwrap().reserved()
}

#[tokio::test]
async fn calls_gather_while_a_batch_is_in_flight_and_each_gets_its_answer() {
    let ledger = ledger(50);
    let sizes = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let seen = Arc::clone(&sizes);
    let counting = FaultyLedger::new(Arc::clone(&ledger), move |footprint| {
        seen.lock().push(footprint.new_orders());
        None
    });
    let (book, batches) = start(LIMITS, counting);
    let placed = futures::future::join_all((0..60).map(|_| book.place(draft(&[(1, 1)]), None))).await;
    let won: Vec<_> = placed.into_iter().filter_map(|answer| answer.unwrap().ok()).collect();
    assert_eq!((won.len(), reserved(&ledger, sku(1)).await), (50, 50));
    assert!(won.is_sorted(), "decided in the order of arrival");
    assert_eq!(sizes.lock().iter().sum::<usize>(), 60);
    assert!(
        sizes.lock().iter().all(|size| *size <= 8) && sizes.lock().contains(&8),
        "{:?}",
        sizes.lock()
    );
    drop(book);
    batches.await.unwrap();
}

#[tokio::test]
async fn a_full_queue_answers_at_once_and_loses_nothing() {
    let ledger = ledger(500);
    let (book, batches) = order_book(
        BatchLimits { queue_max: 3, ..LIMITS },
        Arc::clone(&ledger),
        ManualClock::default(),
        Arc::default(),
    );
    let calls: Vec<_> = (0..10)
        .map(|_| {
            tokio::spawn({
                let book = book.clone();
                async move { book.place(draft(&[(1, 1)]), None).await }
            })
        })
        .collect();
    while calls.iter().filter(|call| call.is_finished()).count() < 7 {
        tokio::task::yield_now().await; // refused although nothing is decided yet
    }
    tokio::spawn(batches.run(CancellationToken::new()));
    let answers = futures::future::join_all(calls).await;
    let placed = answers
        .into_iter()
        .filter(|answer| matches!(answer, Ok(Ok(Ok(_)))))
        .count();
    assert_eq!((placed, reserved(&ledger, sku(1)).await), (3, 3));
}

#[tokio::test]
async fn a_proven_rollback_spoils_only_the_poisonous_member() {
    let ledger = ledger(500);
    let poison = sku(666);
    let faulty = FaultyLedger::new(Arc::clone(&ledger), move |footprint| {
        footprint.skus().contains(&poison).then_some(LedgerFault::RollBack)
    });
    let (book, _batches) = start(LIMITS, faulty);
    let skus = [1, 1, 666, 1];
    let answers = futures::future::join_all(skus.map(|n| book.place(draft(&[(n, 1)]), None))).await;
    assert!(matches!(answers[2], Err(BookError::Poisonous(_))));
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Ok(Ok(_)))).count(), 3);
    assert_eq!(reserved(&ledger, sku(1)).await, 3);
}

#[tokio::test]
async fn an_unknown_outcome_is_told_to_all_and_never_run_again() {
    let ledger = ledger(500);
    let mut faults = vec![LedgerFault::LoseAnswer].into_iter();
    let (book, _batches) = start(LIMITS, FaultyLedger::new(Arc::clone(&ledger), move |_| faults.next()));
    let drafts = [keyed(&[(1, 1)], "a"), keyed(&[(1, 1)], "b")];
    let answers = futures::future::join_all(drafts.clone().map(|draft| book.place(draft, None))).await;
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer, Err(BookError::Unknown(_)))),
        "{answers:?}"
    );
    assert_eq!(reserved(&ledger, sku(1)).await, 2, "it had been committed, once");
    let again = futures::future::join_all(drafts.map(|draft| book.place(draft, None))).await;
    assert!(again.iter().all(|answer| matches!(answer, Ok(Ok(_)))));
    assert_eq!(reserved(&ledger, sku(1)).await, 2, "the keys resolve it");
}

#[tokio::test]
async fn a_batch_ends_although_its_caller_is_gone() {
    let ledger = ledger(500);
    let (book, batches) = order_book(LIMITS, Arc::clone(&ledger), ManualClock::default(), Arc::default());
    {
        let mut call = std::pin::pin!(book.place(draft(&[(1, 1)]), None));
        assert!(futures::poll!(&mut call).is_pending());
    }
    drop(book);
    batches.run(CancellationToken::new()).await;
    assert!(ledger.order(order_id(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn who_touches_a_held_row_is_refused_for_a_while_and_the_others_go_on() {
    let (ledger, held) = (ledger(500), sku(2));
    let tries = Arc::new(parking_lot::Mutex::new(0));
    let seen = Arc::clone(&tries);
    let faulty = FaultyLedger::new(Arc::clone(&ledger), move |footprint| {
        let touches = footprint.skus().contains(&held);
        *seen.lock() += usize::from(touches);
        touches.then_some(LedgerFault::Held(Some(held)))
    });
    let clock = Arc::new(ManualClock::default());
    let (book, batches) = order_book(LIMITS, faulty, Arc::clone(&clock), Arc::default());
    tokio::spawn(batches.run(CancellationToken::new()));
    let both = [1, 2, 1].map(|n| book.place(draft(&[(n, 1)]), None));
    let answers = futures::future::join_all(both).await;
    assert!(matches!(answers[1], Err(BookError::Unavailable(_))), "{answers:?}");
    assert!(
        matches!((&answers[0], &answers[2]), (Ok(Ok(_)), Ok(Ok(_)))),
        "{answers:?}"
    );
    assert_eq!((reserved(&ledger, sku(1)).await, *tries.lock()), (2, 1));
    for _ in 0..5 {
        let again = book.place(draft(&[(1, 1), (2, 1)]), None).await;
        assert!(matches!(again, Err(BookError::Unavailable(_))), "{again:?}");
    }
    assert_eq!(*tries.lock(), 1, "nobody waits for it meanwhile");
    clock.advance(LIMITS.held_pause);
    let later = book.place(draft(&[(2, 1)]), None).await;
    assert!(matches!(later, Err(BookError::Unavailable(_))), "{later:?}");
    assert_eq!(*tries.lock(), 2, "after the pause it is tried again");
}

#[tokio::test]
async fn the_ledger_is_told_which_stock_not_to_wait_for() {
    let ledger = ledger(500);
    let avoided = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let seen = Arc::clone(&avoided);
    let mut first = true;
    let faulty = FaultyLedger::new(Arc::clone(&ledger), move |footprint| {
        seen.lock().push(footprint.avoided().to_vec());
        std::mem::take(&mut first).then_some(LedgerFault::Held(Some(sku(2))))
    });
    let clock = Arc::new(ManualClock::default());
    let (book, batches) = order_book(LIMITS, faulty, Arc::clone(&clock), Arc::default());
    tokio::spawn(batches.run(CancellationToken::new()));
    let refused = book.place(draft(&[(2, 1)]), None).await;
    assert!(matches!(refused, Err(BookError::Unavailable(_))), "{refused:?}");
    let pay = || book.settle(SettleCommand::Pay(order_id(1)), None);
    assert!(matches!(pay().await, Ok(Err(SettleRefusal::NotFound(_)))));
    clock.advance(LIMITS.held_pause);
    assert!(matches!(pay().await, Ok(Err(SettleRefusal::NotFound(_)))));
    assert_eq!(*avoided.lock(), [vec![], vec![sku(2)], vec![]]);
}

/// A batch with a poisonous member is run one by one; when the ledger ceases to answer meanwhile, the
/// others must not wait for it in turn.
#[tokio::test]
async fn who_was_not_begun_when_the_ledger_ceased_to_answer_is_refused() {
    let ledger = ledger(500);
    let mut faults = [Some(LedgerFault::RollBack), None, Some(LedgerFault::LoseCommit)].into_iter();
    let tries = Arc::new(parking_lot::Mutex::new(0));
    let seen = Arc::clone(&tries);
    let faulty = FaultyLedger::new(Arc::clone(&ledger), move |_| {
        *seen.lock() += 1;
        faults.next().expect("no more is asked of it")
    });
    let (book, batches) = order_book(LIMITS, faulty, ManualClock::default(), Arc::default());
    let calls: Vec<_> = (0..5).map(|_| Box::pin(book.place(draft(&[(1, 1)]), None))).collect();
    let all = futures::future::join_all(calls);
    let answers = {
        let mut all = std::pin::pin!(all);
        assert!(
            futures::poll!(&mut all).is_pending(),
            "all are queued before the first batch"
        );
        tokio::spawn(batches.run(CancellationToken::new()));
        all.await
    };
    assert!(matches!(answers[0], Ok(Ok(_))), "{answers:?}");
    assert!(matches!(answers[1], Err(BookError::Unknown(_))), "{answers:?}");
    assert!(
        answers[2..]
            .iter()
            .all(|answer| matches!(answer, Err(BookError::Unavailable(_)))),
        "{answers:?}"
    );
    assert_eq!(*tries.lock(), 3);
}

#[tokio::test]
async fn a_batch_whose_rows_were_released_meanwhile_is_tried_again_and_not_for_ever() {
    let ledger = ledger(500);
    let mut faults = vec![Some(LedgerFault::Held(None)); 2].into_iter();
    let (book, _batches) = start(LIMITS, FaultyLedger::new(Arc::clone(&ledger), move |_| faults.next()?));
    let answer = book.place(draft(&[(1, 1)]), None).await;
    assert!(matches!(answer, Ok(Ok(_))), "{answer:?}");
    let always = FaultyLedger::new(Arc::clone(&ledger), |_| Some(LedgerFault::Held(None)));
    let (book, _batches) = start(LIMITS, always);
    let answer = book.place(draft(&[(1, 1)]), None).await;
    assert!(matches!(answer, Err(BookError::Unavailable(_))), "{answer:?}");
    assert_eq!(reserved(&ledger, sku(1)).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn lanes_decide_side_by_side_and_sell_nothing_twice() {
    let ledger = ledger(50);
    let limits = BatchLimits { lanes: 3, ..LIMITS };
    let (book, batches) = start(limits, Arc::clone(&ledger));
    let placed = futures::future::join_all((0..60).map(|_| book.place(draft(&[(1, 1)]), None))).await;
    let won = placed.into_iter().filter(|answer| matches!(answer, Ok(Ok(_)))).count();
    assert_eq!((won, reserved(&ledger, sku(1)).await), (50, 50));
    drop(book);
    batches.await.unwrap();
}

/// A call that collides with another instance's key is decided again alone, and finds its order.
#[tokio::test]
async fn a_lone_call_that_was_rolled_back_is_tried_once_more() {
    let ledger = ledger(500);
    let mut faults = vec![LedgerFault::RollBack].into_iter();
    let (book, _batches) = start(LIMITS, FaultyLedger::new(Arc::clone(&ledger), move |_| faults.next()));
    let answer = book.place(keyed(&[(1, 1)], "a"), None).await;
    assert!(matches!(answer, Ok(Ok(_))), "{answer:?}");
}
