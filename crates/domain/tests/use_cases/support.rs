//! The shop in memory as the use cases see it, and the failures that mocks answer.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use adapters::in_process::InProcessLoms;
use adapters::memory::carts::{CartLimits, MemoryCarts};
use adapters::memory::ledger::{LedgerLimits, MemoryLedger, StockRecord};
use domain::cart::ports::{CartsError, LomsError, Product, ProductsError};
use domain::clock::Clock;
use domain::error::Kind;
use domain::order::ports::{BookError, QueryError};
use domain::stock::model::Stock;
use domain::testing::build::{ManualClock, sku};
use domain::testing::direct_book::DirectBook;
use domain::testing::faults::planted;
use domain::types::Price;

pub(crate) type Book = DirectBook<Arc<MemoryLedger>, Arc<ManualClock>>;
pub(crate) type Loms = InProcessLoms<Book, Arc<MemoryLedger>>;

/// Runs a future to its end. What is polled here waits for nothing but other futures beside
/// it, so one that does not end soon never will, and says so instead of hanging.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..1_000 {
        if let Poll::Ready(answer) = future.as_mut().poll(&mut context) {
            return answer;
        }
    }
    panic!("it waits for ever");
}

/// LOMS in memory.
pub(crate) struct Shop {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) ledger: Arc<MemoryLedger>,
    pub(crate) book: Book,
}

impl Shop {
    /// With this stock, pairs of sku and units.
    pub(crate) fn with(stock: &[(i64, u32)]) -> Self {
        let clock = Arc::new(ManualClock::default());
        let limits = LedgerLimits {
            orders_max: 10_000,
            outbox_max: 10_000,
            keys_kept: Duration::from_secs(24 * 3600),
        };
        let records = stock.iter().map(|(n, total)| StockRecord {
            sku: sku(*n),
            stock: Stock::new(*total, 0).unwrap(),
        });
        let ledger = Arc::new(MemoryLedger::new(limits, records, clock.now()));
        let book = DirectBook::new(Arc::clone(&ledger), Arc::clone(&clock));
        Self { clock, ledger, book }
    }

    /// As the cart sees it.
    pub(crate) fn loms(&self) -> Arc<Loms> {
        Arc::new(InProcessLoms::new(self.book.clone(), Arc::clone(&self.ledger), || None))
    }
}

/// Room for `carts_max` carts.
pub(crate) fn carts(carts_max: usize) -> Arc<MemoryCarts> {
    Arc::new(MemoryCarts::new(CartLimits {
        carts_max,
        answers_max: 64 * 100,
    }))
}

pub(crate) fn product(n: i64, price: u32) -> Product {
    Product {
        sku: sku(n),
        name: format!("product {n}").into(),
        price: Price(price),
    }
}

pub(crate) fn carts_down() -> CartsError {
    CartsError::Unavailable(planted())
}

pub(crate) fn products_down() -> ProductsError {
    ProductsError::Unavailable(planted())
}

pub(crate) fn loms_down() -> LomsError {
    LomsError::Unavailable(planted())
}

pub(crate) fn query_failed() -> QueryError {
    QueryError(planted())
}

/// What an order book can fail with.
pub(crate) fn book_errors() -> [BookError; 3] {
    [
        BookError::Unavailable(planted()),
        BookError::Unknown(planted()),
        BookError::Poisonous(planted()),
    ]
}

/// What the caller is told holds nothing of the cause, which is kept for the log.
pub(crate) fn assert_hides_its_cause(error: &impl Kind) {
    let cause = planted().to_string();
    assert!(!error.to_string().contains(&cause), "{error}");
    let mut source = error.source();
    while let Some(deeper) = source {
        if deeper.to_string() == cause {
            return;
        }
        source = deeper.source();
    }
    panic!("{error:?} has lost its cause");
}
