//! Random checkouts of a few users over the ledger, while answers and commits are lost, the
//! ledger is not there and stock runs out. In the end, when all works again and what is
//! unresolved has been resolved: nothing was ordered twice and nothing was lost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use adapters::in_process::InProcessLoms;
use adapters::memory::carts::{CartLimits, MemoryCarts};
use adapters::memory::ledger::{LedgerLimits, MemoryLedger, StockRecord};
use domain::cart::checkout::{Checkout, CheckoutError};
use domain::cart::ports::Carts;
use domain::clock::Clock;
use domain::order::ports::{OrderQueries, Outbox};
use domain::order::status::OrderStatus;
use domain::stock::model::Stock;
use domain::testing::build::{CountingKeys, ManualClock, ParkedSpawner, key, sku, units, user};
use domain::testing::carts_contract::content;
use domain::testing::direct_book::DirectBook;
use domain::testing::faults::{FaultyLedger, LedgerFault};
use domain::testing::ledger_contract::stock;
use domain::types::OrderId;
use futures::executor::block_on;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::cases;

const USERS: i64 = 2;
const SKUS: i64 = 3;
const STOCK: u32 = 25;

#[derive(Debug, Clone)]
enum Step {
    Add {
        user: i64,
        sku: i64,
        count: u32,
    },
    Checkout {
        user: i64,
        caller: Option<u8>,
        fault: Option<LedgerFault>,
    },
    Resolve {
        user: i64,
        fault: Option<LedgerFault>,
    },
}

fn fault() -> impl Strategy<Value = Option<LedgerFault>> {
    use LedgerFault::{Busy, LoseAnswer, LoseCommit, RollBack};
    option::of(prop_oneof![
        Just(Busy),
        Just(LoseAnswer),
        Just(LoseCommit),
        Just(RollBack)
    ])
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1..=USERS, 1..=SKUS, 1..5_u32).prop_map(|(user, sku, count)| Step::Add { user, sku, count }),
        2 => (1..=USERS, option::of(0..3_u8), fault()).prop_map(|(user, caller, fault)| Step::Checkout { user, caller, fault }),
        1 => (1..=USERS, fault()).prop_map(|(user, fault)| Step::Resolve { user, fault }),
    ]
}

type NextFault = Arc<Mutex<Option<LedgerFault>>>;
type Loms = InProcessLoms<DirectBook<FaultyLedger<Arc<MemoryLedger>>, ManualClock>, Arc<MemoryLedger>>;

struct Shop {
    carts: Arc<MemoryCarts>,
    ledger: Arc<MemoryLedger>,
    fault: NextFault,
    checkout: Checkout<MemoryCarts, Loms, CountingKeys, Arc<ParkedSpawner>>,
}

fn shop() -> Shop {
    let limits = LedgerLimits {
        orders_max: 1000,
        outbox_max: 10_000,
        keys_kept: Duration::from_secs(24 * 3600),
    };
    let records = (1..=SKUS).map(|n| StockRecord {
        sku: sku(n),
        stock: Stock::new(STOCK, 0).unwrap(),
    });
    let ledger = Arc::new(MemoryLedger::new(limits, records, ManualClock::default().now()));
    let fault = NextFault::default();
    let next = Arc::clone(&fault);
    let faulty = FaultyLedger::new(Arc::clone(&ledger), move |_| next.lock().unwrap().take());
    let book = DirectBook::new(faulty, ManualClock::default());
    let loms = Arc::new(InProcessLoms::new(book, Arc::clone(&ledger), || None));
    let carts = Arc::new(MemoryCarts::new(CartLimits {
        carts_max: 10,
        answers_max: 64 * 1000,
    }));
    let checkout = Checkout::new(
        Arc::clone(&carts),
        loms,
        CountingKeys::default(),
        Arc::new(ParkedSpawner::default()),
        10,
    );
    Shop {
        carts,
        ledger,
        fault,
        checkout,
    }
}

/// Units by user and sku that stand in orders which await payment, and those orders.
fn ordered(ledger: &MemoryLedger) -> (BTreeMap<(i64, i64), u32>, BTreeSet<OrderId>) {
    let (mut ordered, mut ids) = (BTreeMap::new(), BTreeSet::new());
    let events = block_on(ledger.unsent(usize::MAX)).unwrap();
    for event in events
        .iter()
        .filter(|event| event.change.status == OrderStatus::AwaitingPayment)
    {
        let order = block_on(ledger.order(event.change.order)).unwrap().unwrap();
        ids.insert(order.id);
        for line in order.lines.iter() {
            *ordered.entry((order.user.get(), line.sku.get())).or_insert(0) += line.quantity.get();
        }
    }
    (ordered, ids)
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn nothing_is_ordered_twice_and_nothing_is_lost(steps in vec(step(), 1..60)) {
        let shop = shop();
        let mut added: BTreeMap<(i64, i64), u32> = BTreeMap::new();
        let mut answered = BTreeSet::new();
        let mut by_caller: BTreeMap<(i64, u8), OrderId> = BTreeMap::new();
        for step in steps {
            *shop.fault.lock().unwrap() = None;
            match step {
                Step::Add { user: who, sku: what, count } => {
                    block_on(shop.carts.add(user(who), sku(what), units(count), u32::MAX)).unwrap();
                    *added.entry((who, what)).or_insert(0) += count;
                }
                Step::Checkout { user: who, caller, fault } => {
                    *shop.fault.lock().unwrap() = fault;
                    let caller_key = caller.map(|n| key(&format!("caller-{n}")));
                    let answer = block_on(shop.checkout.run(user(who), caller_key));
                    if let (Ok(order), Some(caller)) = (&answer, caller) {
                        let first = by_caller.entry((who, caller)).or_insert(*order);
                        prop_assert_eq!(*order, *first, "the same caller's key, the same order");
                    }
                    answered.extend(answer);
                }
                Step::Resolve { user: who, fault } => {
                    *shop.fault.lock().unwrap() = fault;
                    answered.extend(block_on(shop.checkout.resolve(user(who))));
                }
            }
        }
        *shop.fault.lock().unwrap() = None;
        for who in block_on(shop.carts.unresolved(usize::MAX)).unwrap() {
            let answer = block_on(shop.checkout.resolve(who));
            prop_assert!(matches!(answer, Ok(_) | Err(CheckoutError::Refused(_))), "{:?}", answer);
            answered.extend(answer);
        }
        let (ordered, ids) = ordered(&shop.ledger);
        prop_assert_eq!(&ids, &answered, "every order was told, and no other");
        for ((who, what), count) in &added {
            let in_cart = block_on(content(&*shop.carts, *who)).into_iter().find(|(n, _)| n == what).map_or(0, |(_, count)| count);
            let in_orders = ordered.get(&(*who, *what)).copied().unwrap_or(0);
            prop_assert_eq!(in_cart + in_orders, *count, "user {}, sku {}", who, what);
        }
        for n in 1..=SKUS {
            let reserved: u32 = ordered.iter().filter(|((_, what), _)| *what == n).map(|(_, count)| count).sum();
            prop_assert_eq!(block_on(stock(&shop.ledger, n)), Some((STOCK, reserved)));
        }
    }
}
