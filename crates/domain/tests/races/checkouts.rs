//! Races over carts and their checkouts.

use std::collections::HashSet;
use std::sync::Arc;

use adapters::in_process::InProcessLoms;
use adapters::memory::carts::{CartLimits, MemoryCarts};
use adapters::memory::ledger::MemoryLedger;
use domain::cart::checkout::{Checkout, CheckoutError};
use domain::cart::ports::{AddError, Carts, CartsError, Loms, LomsError, Spawner};
use domain::order::model::Lines;
use domain::testing::build::{CountingKeys, ManualClock, key, sku, units, user};
use domain::testing::carts_contract::content;
use domain::testing::direct_book::DirectBook;
use domain::testing::ledger_contract::{events, stock};
use domain::types::{IdempotencyKey, OrderId, Quantity, Sku, UserId};
use futures::future::BoxFuture;

use super::{run, shop};

/// Runs what it is given on the runtime of the test.
struct OnTokio;

impl Spawner for OnTokio {
    fn spawn(&self, work: BoxFuture<'static, ()>) {
        tokio::spawn(work);
    }
}

/// LOMS that gives way before and after it decides, as one behind a wire does.
struct SlowLoms(InProcessLoms<DirectBook<Arc<MemoryLedger>, ManualClock>, Arc<MemoryLedger>>);

impl Loms for SlowLoms {
    async fn free_stock(&self, sku: Sku) -> Result<Option<u32>, LomsError> {
        self.0.free_stock(sku).await
    }

    async fn create(&self, user: UserId, lines: Lines, key: IdempotencyKey) -> Result<OrderId, LomsError> {
        tokio::task::yield_now().await;
        let answer = self.0.create(user, lines, key).await;
        tokio::task::yield_now().await;
        answer
    }
}

struct Shop {
    carts: Arc<MemoryCarts>,
    ledger: Arc<MemoryLedger>,
    checkout: Checkout<MemoryCarts, SlowLoms, CountingKeys, OnTokio>,
}

fn open(stock: u32) -> Shop {
    let (ledger, _) = shop(stock);
    let book = DirectBook::new(Arc::clone(&ledger), ManualClock::default());
    let loms = Arc::new(SlowLoms(InProcessLoms::new(book, Arc::clone(&ledger), || None)));
    let carts = Arc::new(MemoryCarts::new(CartLimits {
        carts_max: 100,
        answers_max: 64 * 10_000,
    }));
    let checkout = Checkout::new(Arc::clone(&carts), loms, CountingKeys::default(), OnTokio, 1_000);
    Shop {
        carts,
        ledger,
        checkout,
    }
}

async fn add(carts: &MemoryCarts, n: i64, count: u32) -> Result<(), AddError> {
    carts.add(user(n), sku(1), units(count), u32::MAX).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn eight_checkouts_of_one_user_at_once_make_one_order_a_thousand_times() {
    let shop = open(10_000);
    let mut joined = 0;
    for round in 1..=1_000 {
        add(&shop.carts, 1, 3).await.unwrap();
        let answers = run((0..8).map(|_| {
            let checkout = shop.checkout.clone();
            async move { checkout.run(user(1), None).await }
        }))
        .await;
        let told: HashSet<OrderId> = answers.iter().flatten().copied().collect();
        assert_eq!(told.len(), 1, "{answers:?}");
        // Who came when all was over found an empty cart.
        assert!(
            answers
                .iter()
                .all(|answer| matches!(answer, Ok(_) | Err(CheckoutError::Empty))),
            "{answers:?}"
        );
        joined += answers.iter().filter(|answer| answer.is_ok()).count() - 1;
        assert_eq!(stock(&shop.ledger, 1).await, Some((10_000, 3 * round)));
    }
    assert!(joined > 0, "that was no race");
    assert_eq!(
        (
            events(&shop.ledger).await.len(),
            shop.carts.count(),
            shop.checkout.in_flight()
        ),
        (2_000, 0, 0)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn checkouts_with_one_key_all_get_its_order() {
    let shop = open(10_000);
    for round in 1..=100 {
        add(&shop.carts, 1, 3).await.unwrap();
        let answers = run((0..64).map(|_| {
            let (checkout, caller) = (shop.checkout.clone(), key(&format!("round-{round}")));
            async move { checkout.run(user(1), Some(caller)).await.unwrap() }
        }))
        .await;
        assert_eq!(answers.into_iter().collect::<HashSet<OrderId>>().len(), 1);
        assert_eq!(stock(&shop.ledger, 1).await, Some((10_000, 3 * round)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn what_is_added_during_a_checkout_is_ordered_or_stays() {
    let shop = open(10_000);
    let (mut added, mut stayed) = (0, 0);
    for _ in 0..500 {
        add(&shop.carts, 1, 2).await.unwrap();
        let (checkout, carts) = (shop.checkout.clone(), Arc::clone(&shop.carts));
        let order = tokio::spawn(async move { checkout.run(user(1), None).await });
        let more = tokio::spawn(async move {
            for _ in 0..4 {
                add(&carts, 1, 1).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        order.await.unwrap().unwrap();
        more.await.unwrap();
        added += 6;
        let left: u32 = content(&*shop.carts, 1).await.iter().map(|(_, count)| count).sum();
        let (_, ordered) = stock(&shop.ledger, 1).await.unwrap();
        assert_eq!(ordered + left, added);
        stayed += left;
    }
    assert!(stayed > 0, "that was no race");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn adds_to_one_cart_from_many_tasks_all_arrive() {
    let shop = open(1);
    run((0..64).map(|task| {
        let carts = Arc::clone(&shop.carts);
        async move {
            for n in 0..200 {
                carts
                    .add(user(1), sku(1 + (task + n) % 2), Quantity::ONE, u32::MAX)
                    .await
                    .unwrap();
                tokio::task::yield_now().await;
            }
        }
    }))
    .await;
    assert_eq!(content(&*shop.carts, 1).await, [(1, 6_400), (2, 6_400)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn the_last_places_for_carts_are_given_once() {
    let shop = open(1);
    let made = run((0..64).map(|task| {
        let carts = Arc::clone(&shop.carts);
        async move {
            let mut made = 0;
            for n in 0..10 {
                match add(&carts, 1 + task * 10 + n, 1).await {
                    Ok(()) => made += 1,
                    Err(AddError::Carts(CartsError::TooManyCarts)) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }
            made
        }
    }))
    .await;
    assert_eq!((made.iter().sum::<usize>(), shop.carts.count()), (100, 100));
}
