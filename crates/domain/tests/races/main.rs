//! Races on real threads over the stores in memory, without the batcher between, so that
//! nothing but the stores and the rules holds them: winners are counted.

mod checkouts;
mod orders;

use std::sync::Arc;
use std::time::Duration;

use adapters::memory::ledger::{LedgerLimits, MemoryLedger, StockRecord};
use domain::clock::Clock;
use domain::stock::model::Stock;
use domain::testing::build::{ManualClock, sku};
use domain::testing::direct_book::DirectBook;

type Book = Arc<DirectBook<Arc<MemoryLedger>, ManualClock>>;

/// No race may take longer, also on a busy machine.
const AT_MOST: Duration = Duration::from_secs(120);

/// A ledger with `units` of sku 1, and its book.
fn shop(units: u32) -> (Arc<MemoryLedger>, Book) {
    let limits = LedgerLimits {
        orders_max: 1_000_000,
        outbox_max: 1_000_000,
        keys_kept: Duration::from_secs(24 * 3600),
    };
    let record = StockRecord {
        sku: sku(1),
        stock: Stock::new(units, 0).unwrap(),
    };
    let ledger = Arc::new(MemoryLedger::new(limits, [record], ManualClock::default().now()));
    let book = Arc::new(DirectBook::new(Arc::clone(&ledger), ManualClock::default()));
    (ledger, book)
}

/// Runs `tasks` tasks to their end and gives what each answered.
async fn run<T: Send + 'static, F: Future<Output = T> + Send + 'static>(tasks: impl IntoIterator<Item = F>) -> Vec<T> {
    let running: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
    let all = futures::future::try_join_all(running);
    tokio::time::timeout(AT_MOST, all)
        .await
        .expect("no race takes so long")
        .expect("no task panics")
}
