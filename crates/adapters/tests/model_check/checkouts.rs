//! Whole checkouts of one user at once, over the stores in memory: whatever the schedule, what
//! was added stands once in orders or is still in the cart.

use std::sync::Arc;

use adapters::in_process::InProcessLoms;
use adapters::memory::carts::{CartLimits, MemoryCarts};
use adapters::memory::ledger::MemoryLedger;
use domain::cart::checkout::{Checkout, CheckoutError};
use domain::cart::ports::{Carts, Spawner};
use domain::testing::build::{CountingKeys, ManualClock, key, sku, units, user};
use domain::testing::carts_contract::content;
use domain::testing::direct_book::DirectBook;
use domain::testing::faults::{FaultyLedger, LedgerFault};
use domain::testing::ledger_contract::stock;
use domain::types::OrderId;
use futures::future::BoxFuture;
use shuttle::future::{block_on, spawn};

use super::{at_once, explore_some, ledger};

/// A checkout has many steps, so its schedules are long.
const SCHEDULES: usize = 200;

struct OnShuttle;

impl Spawner for OnShuttle {
    fn spawn(&self, work: BoxFuture<'static, ()>) {
        drop(spawn(work));
    }
}

type Loms = InProcessLoms<DirectBook<FaultyLedger<Arc<MemoryLedger>>, ManualClock>, Arc<MemoryLedger>>;

struct Shop {
    carts: Arc<MemoryCarts>,
    ledger: Arc<MemoryLedger>,
    checkout: Checkout<MemoryCarts, Loms, CountingKeys, OnShuttle>,
}

/// User 1 has two units in the cart; the first calls of the ledger fail like this.
fn shop(faults: &[Option<LedgerFault>]) -> Shop {
    let ledger = ledger(&[(1, 100)]);
    let mut faults = Vec::from(faults).into_iter();
    let faulty = FaultyLedger::new(Arc::clone(&ledger), move |_| faults.next().flatten());
    let book = DirectBook::new(faulty, ManualClock::default());
    let loms = Arc::new(InProcessLoms::new(book, Arc::clone(&ledger), || None));
    let carts = Arc::new(MemoryCarts::new(CartLimits {
        carts_max: 9,
        answers_max: 64 * 10,
    }));
    let checkout = Checkout::new(Arc::clone(&carts), loms, CountingKeys::default(), OnShuttle, 9);
    at_once(carts.add(user(1), sku(1), units(2), 100)).unwrap();
    Shop {
        carts,
        ledger,
        checkout,
    }
}

impl Shop {
    /// Checks out, as often as there are keys, and adds three units, all at once.
    fn race(&self, callers: &[Option<&str>]) -> Vec<Result<OrderId, CheckoutError>> {
        let shoppers: Vec<_> = callers
            .iter()
            .map(|caller| {
                let (checkout, caller) = (self.checkout.clone(), caller.map(key));
                spawn(async move { checkout.run(user(1), caller).await })
            })
            .collect();
        let carts = Arc::clone(&self.carts);
        let adds = spawn(async move { carts.add(user(1), sku(1), units(3), 100).await.unwrap() });
        block_on(adds).unwrap();
        shoppers.into_iter().map(|shopper| block_on(shopper).unwrap()).collect()
    }

    fn assert_nothing_twice_and_nothing_lost(&self) {
        // As often as faults may be left over. That there is nothing to resolve is no matter.
        for _ in 0..3 {
            let _ = block_on(self.checkout.resolve(user(1)));
        }
        let (_, ordered) = at_once(stock(&*self.ledger, 1)).unwrap();
        let left: u32 = at_once(content(&*self.carts, 1)).iter().map(|(_, count)| count).sum();
        assert_eq!(ordered + left, 5, "{ordered} ordered, {left} in the cart");
        assert!(at_once(self.carts.unresolved(9)).unwrap().is_empty());
        assert_eq!(self.checkout.in_flight(), 0);
    }
}

#[test]
fn checkouts_at_once_order_once() {
    explore_some(SCHEDULES, || {
        let shop = shop(&[]);
        let answers = shop.race(&[None, None, None]);
        assert!(answers.iter().any(Result::is_ok), "{answers:?}");
        shop.assert_nothing_twice_and_nothing_lost();
    });
}

#[test]
fn checkouts_at_once_order_once_although_the_ledger_fails() {
    use LedgerFault::{Busy, LoseAnswer, LoseCommit, RollBack};
    for faults in [
        [Some(Busy), None],
        [Some(LoseAnswer), Some(Busy)],
        [Some(LoseCommit), Some(RollBack)],
        [None, Some(LoseAnswer)],
    ] {
        explore_some(SCHEDULES, move || {
            let shop = shop(&faults);
            shop.race(&[None, None]);
            shop.assert_nothing_twice_and_nothing_lost();
        });
    }
}

#[test]
fn equal_keys_at_once_get_one_order() {
    explore_some(SCHEDULES, || {
        let shop = shop(&[]);
        let answers = shop.race(&[Some("same"), Some("same"), Some("same")]);
        let first = *answers[0].as_ref().unwrap();
        assert!(
            answers.iter().all(|answer| answer.as_ref().ok() == Some(&first)),
            "{answers:?}"
        );
        shop.assert_nothing_twice_and_nothing_lost();
    });
}
