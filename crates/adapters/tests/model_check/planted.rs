//! A ledger with a bug that others have shipped: it checks the stock under one lock and takes
//! it under another. The checker must find it with the very race that the real one passes.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use adapters::memory::sync::RwLock;
use domain::order::loaded::{Changes, Footprint, Loaded};
use domain::order::ports::{Ledger, LedgerError, QueryError};
use domain::stock::model::{Movement, Stock};
use domain::stock::ports::StockQueries;
use domain::testing::build::{order_id, sku};
use domain::types::Sku;

use super::orders::last_units;
use super::{exhaust, explore};

struct DropsItsLock(RwLock<HashMap<Sku, Stock>>);

impl DropsItsLock {
    fn with(units: u32) -> Arc<Self> {
        let stock = HashMap::from([(sku(1), Stock::new(units, 0).unwrap())]);
        Arc::new(Self(RwLock::new(stock)))
    }
}

impl Ledger for DropsItsLock {
    async fn transact<D, R>(&self, footprint: Footprint, decide: D) -> Result<R, LedgerError>
    where
        D: FnOnce(&mut Loaded) -> (Changes, R) + Send,
        R: Send,
    {
        let stock: Vec<_> = {
            let checked = self.0.read();
            footprint
                .skus()
                .iter()
                .map(|sku| (*sku, checked.get(sku).copied()))
                .collect()
        }; // planted: whoever comes here now checks the same units
        let (changes, result) = decide(&mut Loaded::new(stock, vec![], vec![], vec![order_id(1)]));
        self.0.write().extend(changes.stock);
        Ok(result)
    }
}

impl StockQueries for DropsItsLock {
    async fn stock(&self, sku: Sku) -> Result<Option<Stock>, QueryError> {
        Ok(self.0.read().get(&sku).copied())
    }

    async fn movements(&self, _: Sku, _: usize) -> Result<Vec<Movement>, QueryError> {
        Ok(Vec::new())
    }
}

fn finds(check: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(check)).is_err()
}

#[test]
fn the_checker_finds_a_lock_dropped_between_check_and_take() {
    assert!(
        finds(|| explore(|| last_units(&DropsItsLock::with(3), 3))),
        "by random schedules"
    );
    assert!(
        finds(|| exhaust(|| last_units(&DropsItsLock::with(3), 3))),
        "by all schedules"
    );
}
