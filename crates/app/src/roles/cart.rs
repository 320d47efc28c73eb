//! The cart: carts in memory, checkout, the resolver behind it, and its HTTP interface.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use adapters::grpc::client::GrpcLoms;
use adapters::memory::carts::{CartLimits, MemoryCarts};
use adapters::metrics::CACHE_ENTRIES;
use adapters::products::cache::{CacheSettings, CachedProducts};
use adapters::products::client::{HttpProducts, HttpProductsSettings};
use domain::cart::checkout::Checkout;
use domain::cart::ports::{Loms, LomsError};
use domain::types::Sku;
use slog::{Logger, info, warn};
use tokio_util::sync::CancellationToken;

use super::{Process, StartError, tell_a_person};
use crate::clock::SystemClock;
use crate::config::ProductsClientSettings;
use crate::engine::cart_numbers::CartNumbers;
use crate::engine::resolver::{self, ResolverLimits};
use crate::http::cart;
use crate::http::swagger::Swagger;
use crate::lifecycle::Stage;
use crate::random::RandomKeys;
use crate::telemetry::names::{CART_ITEMS, CARTS, CHECKOUTS_IN_FLIGHT, CHECKOUTS_PENDING};
use crate::telemetry::{Failures, Repeated, chain, trace};
use crate::wiring::cart::{CartCheckout, CartShop};
use crate::wiring::links::{LomsLink, ProductsLink};

/// The longest pause before a request to products is tried again.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(5);
/// How often gauges are set.
const GAUGE_INTERVAL: Duration = Duration::from_secs(1);
/// How often a cold cache is tried to be warmed, while products do not answer.
const WARM_UP_RETRY: Duration = Duration::from_secs(10);

/// The cart without the rest of the shop: products over HTTP, LOMS over gRPC.
///
/// # Errors
/// [`StartError`].
pub fn start_apart(process: &Process, log: Logger) -> Result<(), StartError> {
    let settings = &process.settings.cart;
    let client = HttpProducts::new(
        &client_settings(&settings.products),
        Arc::new(SystemClock),
        trace::current,
    )?;
    let cache = CacheSettings {
        entries_max: settings.products.cache_max_entries,
        ttl: settings.products.cache_ttl(),
        unknown_ttl: settings.products.cache_unknown_ttl(),
    };
    let products = CachedProducts::new(client, cache);
    process.life.spawn(
        Stage::Telemetry,
        "cache gauge",
        watch_cache(process.life.token(Stage::Telemetry), products.clone()),
    );
    if settings.products.warm_up {
        let ttl = settings.products.cache_ttl();
        let warming = keep_warm(products.clone(), ttl, process.life.token(Stage::Accept), log.clone());
        process.life.spawn(Stage::InFlight, "warm-up", warming);
    }
    process.health.optional("products", {
        let products = products.clone();
        move || {
            let answers = products.source().answers();
            async move {
                if answers {
                    Ok(())
                } else {
                    Err("the last request failed".to_owned())
                }
            }
        }
    });
    let loms = GrpcLoms::new(&settings.loms.url, settings.loms.timeout(), trace::current)?;
    process.health.optional("loms", {
        let loms = loms.clone();
        move || {
            let loms = loms.clone();
            async move { probe(&loms).await.map_err(|error| chain(&error)) }
        }
    });
    start(process, ProductsLink::Http(products), LomsLink::Grpc(loms), log)
}

/// The cart, by these ways to products and LOMS.
///
/// # Errors
/// [`StartError`] where the address cannot be had.
pub fn start(process: &Process, products: ProductsLink, loms: LomsLink, log: Logger) -> Result<(), StartError> {
    let settings = &process.settings.cart;
    let limits = CartLimits {
        carts_max: settings.max_carts,
        answers_max: settings.checkout.answers_max,
    };
    let carts = Arc::new(MemoryCarts::new(limits));
    let loms = Arc::new(loms);
    let life = &process.life;
    let checkout = Checkout::new(
        Arc::clone(&carts),
        Arc::clone(&loms),
        RandomKeys::default(),
        life.clone(),
        settings.checkout.in_flight_max,
    );
    let limits = ResolverLimits {
        interval: settings.checkout.resolve_interval(),
        batch_max: settings.checkout.resolve_batch_max,
        concurrency: settings.checkout.resolve_concurrency,
    };
    let (numbers, stop) = (CartNumbers::new(), life.token(Stage::Accept));
    let resolving = resolver::run(
        Arc::clone(&carts),
        checkout.clone(),
        limits,
        numbers.clone(),
        log.clone(),
        stop,
    );
    life.spawn(Stage::InFlight, "resolver", resolving);
    life.spawn(
        Stage::Telemetry,
        "cart gauges",
        watch(process.clone(), Arc::clone(&carts), checkout.clone()),
    );
    let shop = actix_web::web::Data::new(CartShop {
        carts,
        products: Arc::new(products),
        loms,
        checkout,
        request_timeout: settings.request_timeout(),
        products_concurrency: NonZeroUsize::new(settings.products_concurrency).unwrap_or(NonZeroUsize::MIN),
        numbers,
        failures: Failures::new(log.clone()),
    });
    let swagger = Swagger::of(cart::openapi());
    let server = process.server("cart", settings.http.address(), log);
    let address = server.start(life, move |config| {
        swagger.mount(config);
        config.app_data(shop.clone());
        cart::routes(config);
    })?;
    tell_a_person(&format!(
        "cart         http://{address}/swagger/  metrics http://{address}/metrics"
    ));
    Ok(())
}

/// Asks LOMS something small; whether the sku exists does not matter.
async fn probe(loms: &GrpcLoms) -> Result<(), LomsError> {
    match Sku::try_from(1) {
        Ok(sku) => loms.free_stock(sku).await.map(drop),
        Err(_) => Ok(()),
    }
}

fn client_settings(settings: &ProductsClientSettings) -> HttpProductsSettings {
    HttpProductsSettings {
        url: settings.url.clone(),
        api_key: settings.api_key.expose().to_owned(),
        requests_per_second: settings.requests_per_second,
        queue_max: settings.queue_max,
        request_timeout: settings.request_timeout(),
        retries_max: settings.retries_max,
        retry_pause: settings.retry_pause(),
        retry_pause_max: RETRY_PAUSE_MAX,
    }
}

async fn watch_cache(stop: CancellationToken, products: CachedProducts<HttpProducts>) {
    let entries = metrics::gauge!(CACHE_ENTRIES.name);
    while stop
        .run_until_cancelled(tokio::time::sleep(GAUGE_INTERVAL))
        .await
        .is_some()
    {
        #[expect(clippy::cast_precision_loss, reason = "entries are far below 2^52")]
        entries.set(products.entries() as f64);
    }
}

/// Fills the cache from the list of products, and again before its entries are too old, so that it
/// never goes cold at the pace of the limiter. While products do not answer it tries again.
async fn keep_warm(products: CachedProducts<HttpProducts>, ttl: Duration, stop: CancellationToken, log: Logger) {
    let (failing, mut told) = (Repeated::default(), false);
    while let Some(warmed) = stop.run_until_cancelled(products.warm_up()).await {
        let pause = match warmed {
            Ok(count) => {
                if failing.succeeds().is_some() || !std::mem::replace(&mut told, true) {
                    info!(log, "products known"; "products" => count);
                }
                ttl / 2
            }
            Err(error) => {
                if let Some(suppressed) = failing.fails() {
                    warn!(log, "products cannot be listed"; "error" => chain(&error), "suppressed" => suppressed);
                }
                WARM_UP_RETRY
            }
        };
        if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
    }
}

async fn watch(process: Process, carts: Arc<MemoryCarts>, checkout: CartCheckout) {
    let stop = process.life.token(Stage::Telemetry);
    let (entries, items, flights, pending) = (
        metrics::gauge!(CARTS.name),
        metrics::gauge!(CART_ITEMS.name),
        metrics::gauge!(CHECKOUTS_IN_FLIGHT.name),
        metrics::gauge!(CHECKOUTS_PENDING.name),
    );
    while stop
        .run_until_cancelled(tokio::time::sleep(GAUGE_INTERVAL))
        .await
        .is_some()
    {
        #[expect(clippy::cast_precision_loss, reason = "carts are far below 2^52")]
        {
            let totals = carts.totals();
            entries.set(carts.count() as f64);
            items.set(totals.lines as f64);
            pending.set(totals.unresolved as f64);
            flights.set(checkout.in_flight() as f64);
        }
    }
}
