//! The memory stores pass the contract suites of their ports.

use std::time::Duration;

use adapters::memory::carts::{CartLimits, MemoryCarts};
use adapters::memory::ledger::{LedgerLimits, MemoryLedger, StockRecord};
use domain::order::ports::LedgerError;
use domain::stock::model::Stock;
use domain::testing::build::{draft, key, keyed, place, sku};
use domain::testing::ledger_contract::{now, run, run_at};
use domain::{carts_contract, ledger_contract};

const LIMITS: LedgerLimits = LedgerLimits {
    orders_max: 1000,
    outbox_max: 1000,
    keys_kept: Duration::from_secs(24 * 3600),
};

fn ledger_with(limits: LedgerLimits, stock: &[(i64, u32)]) -> MemoryLedger {
    let records = stock.iter().map(|(n, total)| StockRecord {
        sku: sku(*n),
        stock: Stock::new(*total, 0).unwrap(),
    });
    MemoryLedger::new(limits, records, now())
}

async fn ledger(stock: &[(i64, u32)]) -> MemoryLedger {
    ledger_with(LIMITS, stock)
}

async fn carts(carts_max: usize) -> MemoryCarts {
    MemoryCarts::new(CartLimits {
        carts_max,
        answers_max: 100,
    })
}

ledger_contract!(ledger_in_memory, ledger);
carts_contract!(carts_in_memory, carts);

#[tokio::test]
async fn a_full_ledger_is_busy_and_changes_nothing() {
    let ledger = ledger_with(
        LedgerLimits {
            orders_max: 2,
            ..LIMITS
        },
        &[(1, 10)],
    );
    run(&ledger, &[place(draft(&[(1, 1)]))]).await;
    let two = [place(draft(&[(1, 1)])), place(draft(&[(1, 1)]))];
    assert!(matches!(run_at(&ledger, &two, now()).await, Err(LedgerError::Busy(_))));
    run(&ledger, &two[..1]).await;
}

#[tokio::test]
async fn a_full_outbox_is_busy() {
    let ledger = ledger_with(
        LedgerLimits {
            outbox_max: 3,
            ..LIMITS
        },
        &[(1, 10)],
    );
    run(&ledger, &[place(draft(&[(1, 1)]))]).await;
    let refused = run_at(&ledger, &[place(draft(&[(1, 1)]))], now()).await;
    assert!(matches!(refused, Err(LedgerError::Busy(_))));
}

#[tokio::test]
async fn keys_are_kept_for_their_time_and_then_forgotten() {
    let ledger = ledger(&[(1, 10)]).await;
    let first = run(&ledger, &[place(keyed(&[(1, 1)], "a"))]).await;
    let day = now().plus(LIMITS.keys_kept);
    run_at(&ledger, &[place(keyed(&[(1, 1)], "b"))], day).await.unwrap();
    assert_eq!(
        run_at(&ledger, &[place(keyed(&[(1, 1)], "a"))], day).await.unwrap(),
        first
    );
    let after = day.plus(Duration::from_millis(1));
    run_at(&ledger, &[place(keyed(&[(1, 1)], "c"))], after).await.unwrap();
    assert_ne!(
        run_at(&ledger, &[place(keyed(&[(1, 1)], "a"))], after).await.unwrap(),
        first
    );
}

#[tokio::test]
async fn answered_keys_are_bounded() {
    use domain::cart::ports::{Carts, Ended, Freeze};
    use domain::testing::build::{order_id, user};
    let carts = MemoryCarts::new(CartLimits {
        carts_max: 1,
        answers_max: 64,
    });
    for text in ["a", "b"] {
        carts
            .end(user(1), key("none"), Ended::Placed(order_id(1)), vec![key(text)])
            .await
            .unwrap();
    }
    assert_eq!(
        carts.freeze(user(1), Some(key("a")), None).await.unwrap(),
        Freeze::Empty
    );
    assert_eq!(
        carts.freeze(user(1), Some(key("b")), None).await.unwrap(),
        Freeze::Answered(order_id(1))
    );
}
