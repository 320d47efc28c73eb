//! The stores in memory under a model checker: shuttle's locks instead of real ones, and a
//! scheduler that decides which thread goes on at each of them, from fixed seeds. The races of
//! the contract are small here (two or three threads), but thousands of their schedules are
//! tried. A ledger with a planted bug shows that the checker finds what it is there for.
#![cfg(feature = "model-check")]

mod carts;
mod checkouts;
mod orders;
mod planted;

use std::sync::Arc;
use std::time::Duration;

use adapters::memory::ledger::{LedgerLimits, MemoryLedger, StockRecord};
use domain::order::batch::{Answer, Command};
use domain::order::ports::{Ledger, LedgerError};
use domain::stock::model::Stock;
use domain::testing::build::sku;
use domain::testing::ledger_contract::{now, run_at};
use futures::FutureExt;
use shuttle::scheduler::{DfsScheduler, PctScheduler, RandomScheduler};
use shuttle::{Config, FailurePersistence, Runner};

const SEED: u64 = 20_260_102;
const SCHEDULES: usize = 1_000;

fn config() -> Config {
    let mut config = Config::new();
    // The schedule of a failure is printed; nothing is written beside the tests.
    config.failure_persistence = FailurePersistence::Print;
    config
}

/// Tries random schedules, and such as change their mind at few chosen places.
fn explore(race: impl Fn() + Send + Sync + 'static) {
    explore_some(SCHEDULES, race);
}

/// The same, with so many schedules of each kind.
fn explore_some(schedules: usize, race: impl Fn() + Send + Sync + 'static) {
    let race = Arc::new(race);
    let again = Arc::clone(&race);
    Runner::new(RandomScheduler::new_from_seed(SEED, schedules), config()).run(move || race());
    Runner::new(PctScheduler::new_from_seed(SEED, 3, schedules), config()).run(move || again());
}

/// Tries every schedule there is, and that there are no more than the bound.
fn exhaust(race: impl Fn() + Send + Sync + 'static) {
    const AT_MOST: usize = 200_000;
    let tried = Runner::new(DfsScheduler::new(Some(AT_MOST), false), config()).run(race);
    assert!(tried > 1 && tried < AT_MOST, "{tried} schedules");
}

/// The stores in memory answer at once: only their locks make a thread wait.
fn at_once<T>(answer: impl Future<Output = T>) -> T {
    answer.now_or_never().expect("an answer at once")
}

fn run(ledger: &impl Ledger, command: &Command) -> Result<Answer, LedgerError> {
    at_once(run_at(ledger, std::slice::from_ref(command), now())).map(|mut answers| answers.remove(0))
}

/// Pairs of sku and units.
fn ledger(stock: &[(i64, u32)]) -> Arc<MemoryLedger> {
    let limits = LedgerLimits {
        orders_max: 100,
        outbox_max: 100,
        keys_kept: Duration::from_secs(24 * 3600),
    };
    let records = stock.iter().map(|(n, total)| StockRecord {
        sku: sku(*n),
        stock: Stock::new(*total, 0).unwrap(),
    });
    Arc::new(MemoryLedger::new(limits, records, now()))
}

/// Runs the threads to their end; what each answered.
fn threads<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(work: impl IntoIterator<Item = F>) -> Vec<T> {
    let running: Vec<_> = work.into_iter().map(shuttle::thread::spawn).collect();
    running.into_iter().map(|thread| thread.join().unwrap()).collect()
}
