//! The cache over a source that counts what it is asked.

use std::sync::atomic::{AtomicUsize, Ordering};

use domain::types::Price;
use futures::future::join_all;
use tokio::time::{sleep, timeout};

use super::*;

const SHORT: Duration = Duration::from_millis(200);

/// Knows even skus; counts what it is asked, and takes its time or fails when it is told.
#[derive(Default)]
struct Source {
    asked: AtomicUsize,
    delay: Duration,
    failures: AtomicUsize,
}

impl Products for Source {
    async fn product(&self, sku: Sku) -> Result<Option<Product>, ProductsError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        sleep(self.delay).await;
        let fails = self
            .failures
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if fails.is_ok() {
            return Err(ProductsError::Overloaded(429));
        }
        let product = Product {
            sku,
            name: format!("Product {sku}").into(),
            price: Price(100),
        };
        Ok((sku.get() % 2 == 0).then_some(product))
    }
}

fn sku(number: i64) -> Sku {
    Sku::try_from(number).unwrap()
}

fn cached(source: Source) -> CachedProducts<Source> {
    CachedProducts::new(
        source,
        CacheSettings {
            entries_max: 10,
            ttl: 5 * SHORT,
            unknown_ttl: SHORT,
        },
    )
}

fn asked(products: &CachedProducts<Source>) -> usize {
    products.source().asked.load(Ordering::Relaxed)
}

#[tokio::test]
async fn a_hit_is_the_same_allocation_and_asks_nobody() {
    let products = cached(Source::default());
    let first = products.product(sku(2)).await.unwrap().unwrap();
    let again = products.clone().product(sku(2)).await.unwrap().unwrap();
    assert!(Arc::ptr_eq(&first.name, &again.name));
    assert_eq!(asked(&products), 1);
}

#[tokio::test]
async fn concurrent_misses_of_a_sku_make_one_request() {
    let products = cached(Source {
        delay: SHORT / 4,
        ..Source::default()
    });
    let answers = join_all((0..200).map(|user| {
        let products = products.clone();
        async move { products.product(sku(2 + user % 2)).await.unwrap() }
    }));
    assert_eq!(answers.await.iter().flatten().count(), 100);
    assert_eq!(asked(&products), 2);
}

#[tokio::test]
async fn errors_are_not_remembered() {
    let products = cached(Source {
        failures: AtomicUsize::new(1),
        ..Source::default()
    });
    assert!(matches!(
        products.product(sku(2)).await,
        Err(ProductsError::Overloaded(429))
    ));
    assert!(products.product(sku(2)).await.unwrap().is_some());
    assert_eq!(asked(&products), 2);
}

#[tokio::test]
async fn callers_who_give_up_take_nothing_from_those_who_wait() {
    let products = cached(Source {
        delay: SHORT,
        ..Source::default()
    });
    // More than two hundred first callers leave while one waits.
    let impatient = (1..=300).map(|n| {
        let products = products.clone();
        async move { timeout(SHORT * n / 1000, products.product(sku(2))).await }
    });
    let (left, patient) = tokio::join!(join_all(impatient), products.product(sku(2)));
    assert!(left.iter().all(Result::is_err));
    assert!(patient.unwrap().is_some());
    assert_eq!(asked(&products), 1);
}

#[tokio::test]
async fn unknown_skus_are_remembered_for_a_shorter_time() {
    let products = cached(Source::default());
    for _ in 0..3 {
        assert!(products.product(sku(1)).await.unwrap().is_none());
        assert!(products.product(sku(2)).await.unwrap().is_some());
    }
    assert_eq!(asked(&products), 2);
    sleep(2 * SHORT).await;
    products.product(sku(1)).await.unwrap();
    products.product(sku(2)).await.unwrap();
    assert_eq!(asked(&products), 3, "only the unknown one is asked for again");
    sleep(5 * SHORT).await;
    products.product(sku(2)).await.unwrap();
    assert_eq!(asked(&products), 4, "a product is forgotten too");
}

#[tokio::test]
async fn a_product_that_appears_gets_the_time_of_a_product() {
    let products = cached(Source::default());
    products.known.insert(sku(2), None).await;
    let appeared = Product {
        sku: sku(2),
        name: "New".into(),
        price: Price(1),
    };
    products.known.insert(sku(2), Some(appeared)).await;
    sleep(2 * SHORT).await;
    products.product(sku(2)).await.unwrap();
    assert_eq!(asked(&products), 0);
}

#[tokio::test]
async fn the_least_recently_used_goes_first() {
    let products = CachedProducts::new(
        Source::default(),
        CacheSettings {
            entries_max: 10,
            ttl: Duration::from_secs(60),
            unknown_ttl: SHORT,
        },
    );
    for n in 1..=10 {
        products.product(sku(2 * n)).await.unwrap();
        products.known.run_pending_tasks().await;
    }
    // The oldest is used again, so that the second is now the one to go.
    products.product(sku(2)).await.unwrap();
    products.known.run_pending_tasks().await;
    products.product(sku(100)).await.unwrap();
    products.known.run_pending_tasks().await;
    assert_eq!(products.entries(), 10);
    assert_eq!(asked(&products), 11);
    products.product(sku(2)).await.unwrap();
    assert_eq!(asked(&products), 11, "the used one stayed");
    products.product(sku(4)).await.unwrap();
    assert_eq!(asked(&products), 12, "the least recently used went");
}

#[tokio::test]
async fn hits_are_cheap() {
    let settings = CacheSettings {
        entries_max: 10,
        ttl: Duration::from_secs(60),
        unknown_ttl: SHORT,
    };
    let products = CachedProducts::new(Source::default(), settings);
    products.product(sku(2)).await.unwrap();
    // Some 2 µs each even in an unoptimised build; the bound is 100.
    let hits = async {
        for _ in 0..50_000 {
            products.product(sku(2)).await.unwrap();
        }
    };
    assert!(timeout(Duration::from_secs(5), hits).await.is_ok());
    assert_eq!(asked(&products), 1);
}
