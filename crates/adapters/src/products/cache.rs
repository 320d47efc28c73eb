//! What is known of products, in front of whoever knows it: a bounded cache from which the least
//! recently used goes first, each entry with an end of its own (that a sku is unknown is remembered
//! for a shorter time). Errors are not remembered. A miss joins the flight of its sku.
//!
//! A hit reads one entry and clones one `Arc`.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::cart::ports::{Product, Products, ProductsError};
use domain::types::Sku;
use metrics::Counter;
use moka::Expiry;
use moka::future::Cache;
use moka::policy::EvictionPolicy;

use super::client::{HttpProducts, PAGE_MAX};
use super::flights::{Answer, Flights};
use crate::metrics::{CACHE_HITS, CACHE_MISSES};

/// Pages that warming up fetches at most; with the longest pages, 100,000 products.
pub const WARM_UP_PAGES_MAX: usize = 100;

/// What the cache holds, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheSettings {
    /// Skus remembered, known and unknown together.
    pub entries_max: u64,
    /// How long a product is remembered.
    pub ttl: Duration,
    /// How long it is remembered that a sku is unknown.
    pub unknown_ttl: Duration,
}

/// A cache in front of `P`. Cheap to clone; clones share everything.
pub struct CachedProducts<P> {
    source: Arc<P>,
    known: Cache<Sku, Option<Product>>,
    flights: Flights,
    entries_max: u64,
    hits: Counter,
    misses: Counter,
}

impl<P> Clone for CachedProducts<P> {
    fn clone(&self) -> Self {
        Self {
            source: Arc::clone(&self.source),
            known: self.known.clone(),
            flights: self.flights.clone(),
            entries_max: self.entries_max,
            hits: self.hits.clone(),
            misses: self.misses.clone(),
        }
    }
}

impl<P> fmt::Debug for CachedProducts<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedProducts")
            .field("entries", &self.known.entry_count())
            .field("entries_max", &self.entries_max)
            .finish_non_exhaustive()
    }
}

impl<P: Products> CachedProducts<P> {
    /// An empty cache; make it after the metrics recorder was installed.
    pub fn new(source: P, settings: CacheSettings) -> Self {
        let known = Cache::builder()
            .max_capacity(settings.entries_max)
            .eviction_policy(EvictionPolicy::lru())
            .expire_after(Lifetimes(settings))
            .build();
        Self {
            source: Arc::new(source),
            known,
            flights: Flights::default(),
            entries_max: settings.entries_max,
            hits: metrics::counter!(CACHE_HITS.name),
            misses: metrics::counter!(CACHE_MISSES.name),
        }
    }

    /// Whom it asks.
    #[must_use]
    pub fn source(&self) -> &P {
        &self.source
    }

    /// Entries held, about.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.known.entry_count()
    }

    fn ask(&self, sku: Sku) -> impl Future<Output = Answer> + Send + 'static {
        let (source, known) = (Arc::clone(&self.source), self.known.clone());
        async move {
            // The flight before this one may have landed since the caller looked.
            if let Some(found) = known.get(&sku).await {
                return Ok(found);
            }
            let answer = source.product(sku).await?;
            // Remembered before the flight is off the list, so that nobody asks in between.
            known.insert(sku, answer.clone()).await;
            Ok(answer)
        }
    }
}

impl<P: Products> Products for CachedProducts<P> {
    async fn product(&self, sku: Sku) -> Result<Option<Product>, ProductsError> {
        if let Some(found) = self.known.get(&sku).await {
            self.hits.increment(1);
            return Ok(found);
        }
        self.misses.increment(1);
        self.flights.join(sku, self.ask(sku)).await
    }
}

impl CachedProducts<HttpProducts> {
    /// Fetches the list of products page by page, at most what the cache holds and at most
    /// [`WARM_UP_PAGES_MAX`] pages, and tells how many products that were. Pages take their turns like
    /// all requests. What came before a failure stays. May be repeated, to keep the cache warm.
    ///
    /// # Errors
    /// [`ProductsError`] of the page that failed; shoppers are served all the same.
    pub async fn warm_up(&self) -> Result<usize, ProductsError> {
        let room = usize::try_from(self.entries_max).unwrap_or(usize::MAX);
        let (mut fetched, mut last) = (0, 0);
        for _ in 0..WARM_UP_PAGES_MAX {
            let count = PAGE_MAX.min(room - fetched);
            if count == 0 {
                break;
            }
            let page = self.source.list(last, count).await?;
            let full = page.len() == count;
            fetched += page.len();
            for product in page {
                last = product.sku.get();
                self.known.insert(product.sku, Some(product)).await;
            }
            if !full {
                break;
            }
        }
        Ok(fetched)
    }
}

/// How long entries live.
struct Lifetimes(CacheSettings);

impl Lifetimes {
    const fn of(&self, entry: Option<&Product>) -> Option<Duration> {
        Some(if entry.is_some() {
            self.0.ttl
        } else {
            self.0.unknown_ttl
        })
    }
}

impl Expiry<Sku, Option<Product>> for Lifetimes {
    fn expire_after_create(&self, _: &Sku, entry: &Option<Product>, _: Instant) -> Option<Duration> {
        self.of(entry.as_ref())
    }

    fn expire_after_update(
        &self,
        _: &Sku,
        entry: &Option<Product>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        self.of(entry.as_ref())
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
