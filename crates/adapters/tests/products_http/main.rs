//! The client of products against a server that misbehaves, over real sockets: what the shopper gets,
//! how often it is asked, and what leaves the process in any second.
#![cfg(feature = "cart")]
#![allow(clippy::disallowed_methods, reason = "these tests measure real time")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its server too")]

mod load;
mod server;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use adapters::products::cache::{CacheSettings, CachedProducts};
use adapters::products::client::{ClientError, HttpProducts, HttpProductsSettings};
use domain::cart::ports::{Products, ProductsError};
use domain::clock::{Clock, Moment};
use domain::trace::TraceContext;
use domain::types::{Price, Sku};
use metrics_exporter_prometheus::PrometheusBuilder;
use server::{Behaviour, FakeProducts};

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Moment::from_unix_millis(i64::try_from(since.as_millis()).unwrap())
    }
}

fn sku(number: i64) -> Sku {
    Sku::try_from(number).unwrap()
}

fn settings(url: &str) -> HttpProductsSettings {
    HttpProductsSettings {
        url: url.to_owned(),
        api_key: "testToken".to_owned(),
        requests_per_second: 10,
        queue_max: 1000,
        request_timeout: Duration::from_secs(2),
        retries_max: 3,
        retry_pause: Duration::from_millis(100),
        retry_pause_max: Duration::from_millis(1500),
    }
}

fn client(settings: &HttpProductsSettings) -> HttpProducts {
    HttpProducts::new(settings, Arc::new(SystemClock), || TraceContext::parse(TRACE)).unwrap()
}

fn cached(url: &str, entries_max: u64) -> CachedProducts<HttpProducts> {
    let lifetime = Duration::from_secs(60);
    CachedProducts::new(
        client(&settings(url)),
        CacheSettings {
            entries_max,
            ttl: lifetime,
            unknown_ttl: lifetime,
        },
    )
}

/// Asks a server of this behaviour for one product, and tells the answer and the requests it took.
async fn ask(behaviour: Behaviour) -> (Result<Option<String>, ProductsError>, FakeProducts) {
    let server = FakeProducts::start(behaviour);
    let answer = client(&settings(&server.url)).product(sku(7)).await;
    (
        answer.map(|product| product.map(|product| product.name.to_string())),
        server,
    )
}

#[tokio::test]
async fn products_are_found_and_unknown_ones_are_none() {
    let server = FakeProducts::start(Behaviour::Answers { products: 10 });
    let client = client(&settings(&server.url));
    let found = client.product(sku(7)).await.unwrap().unwrap();
    assert_eq!(
        (found.sku, &*found.name, found.price),
        (sku(7), "Product 7", Price(107))
    );
    assert_eq!(client.product(sku(11)).await.unwrap(), None);
    let arrivals = server.arrivals();
    assert_eq!(arrivals.len(), 2);
    assert!(
        arrivals
            .iter()
            .all(|arrival| arrival.api_key == "testToken" && arrival.traceparent == TRACE)
    );
    assert!(client.answers());
}

#[tokio::test]
async fn refusals_for_load_are_retried_three_times_and_then_told() {
    for status in [420, 429] {
        let (answer, server) = ask(Behaviour::Status(status, None)).await;
        assert!(
            matches!(answer, Err(ProductsError::Overloaded(said)) if said == status),
            "{answer:?}"
        );
        let arrivals = server.arrivals();
        assert_eq!(arrivals.len(), 4);
        for (pair, pause) in arrivals.windows(2).zip([100, 200, 400]) {
            assert!(pair[1].at - pair[0].at >= Duration::from_millis(pause), "pauses grow");
        }
    }
}

#[tokio::test]
async fn a_retry_that_succeeds_is_a_success() {
    let (answer, server) = ask(Behaviour::RefusesFirst(2)).await;
    assert_eq!(answer.unwrap().as_deref(), Some("Product 7"));
    assert_eq!(server.arrivals().len(), 3);
}

#[tokio::test]
async fn retry_after_is_honoured_in_seconds_and_bounded() {
    let (answer, server) = ask(Behaviour::Status(429, Some("1"))).await;
    assert!(matches!(answer, Err(ProductsError::Overloaded(429))));
    for pair in server.arrivals().windows(2) {
        let pause = pair[1].at - pair[0].at;
        assert!((1_000..1_900).contains(&pause.as_millis()), "{pause:?}");
    }
    let (_, server) = ask(Behaviour::Status(429, Some("86400"))).await;
    let arrivals = server.arrivals();
    assert_eq!(arrivals.len(), 4);
    assert!(
        arrivals[1].at - arrivals[0].at >= Duration::from_millis(1_500),
        "as long as it may"
    );
    assert!(
        arrivals[3].at - arrivals[0].at < Duration::from_secs(6),
        "and not longer"
    );
}

#[tokio::test]
async fn whatever_else_goes_wrong_is_unavailable_after_one_request() {
    let faults = [
        Behaviour::Status(500, None),
        Behaviour::Status(503, Some("1")),
        Behaviour::Status(302, None),
        Behaviour::Status(204, None),
        Behaviour::Body("not json"),
        Behaviour::Body("{\"sku\":7,\"name\":\"no price\"}"),
        Behaviour::Body("{\"sku\":7,\"name\":\"dear\",\"price\":4294967296}"),
        Behaviour::Body("{\"sku\":8,\"name\":\"another\",\"price\":1}"),
        Behaviour::Body("\u{fffd}"),
        Behaviour::Body(""),
        Behaviour::Endless,
        Behaviour::BreaksOff,
        Behaviour::Slow(Duration::from_secs(30)),
    ];
    for fault in faults {
        let began = Instant::now();
        let (answer, server) = ask(fault.clone()).await;
        assert!(
            matches!(answer, Err(ProductsError::Unavailable(_))),
            "{fault:?}: {answer:?}"
        );
        assert_eq!(server.arrivals().len(), 1, "{fault:?}");
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "{fault:?} took {:?}",
            began.elapsed()
        );
    }
}

#[tokio::test]
async fn closed_connections_are_unavailable() {
    let closing = server::closing();
    let client_of_it = client(&settings(&closing));
    let answer = client_of_it.product(sku(7)).await;
    assert!(matches!(answer, Err(ProductsError::Unavailable(_))), "{answer:?}");
    assert!(!client_of_it.answers());
    // Nobody listens on a port that was just given back.
    let gone = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let answer = client(&settings(&format!("http://{gone}"))).product(sku(7)).await;
    assert!(matches!(answer, Err(ProductsError::Unavailable(_))), "{answer:?}");
}

#[tokio::test]
async fn a_wrong_key_is_told_apart() {
    for status in [401, 403] {
        let (answer, server) = ask(Behaviour::Status(status, None)).await;
        assert!(matches!(answer, Err(ProductsError::Unauthorized)), "{answer:?}");
        assert_eq!(server.arrivals().len(), 1);
    }
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused() {
    let refused = |settings: &HttpProductsSettings| HttpProducts::new(settings, Arc::new(SystemClock), || None).err();
    for url in ["", "products:8082", "https://x", "http://", "http://a?b=c"] {
        assert!(matches!(refused(&settings(url)), Some(ClientError::Url(_))), "{url}");
    }
    let key = HttpProductsSettings {
        api_key: "line\nfeed".to_owned(),
        ..settings("http://127.0.0.1:1/")
    };
    assert!(matches!(refused(&key), Some(ClientError::ApiKey)));
}

#[tokio::test]
async fn the_list_warms_the_cache_page_by_page() {
    let server = FakeProducts::start(Behaviour::Answers { products: 2500 });
    let products = cached(&server.url, 10_000);
    assert_eq!(products.warm_up().await.unwrap(), 2500);
    let paths: Vec<String> = server.arrivals().into_iter().map(|arrival| arrival.path).collect();
    let page = |after| format!("/product?count=1000&start_after_sku={after}");
    assert_eq!(paths, [page(0), page(1000), page(2000)]);
    for n in 1..=2500 {
        assert!(products.product(sku(n)).await.unwrap().is_some());
    }
    assert_eq!(server.arrivals().len(), 3, "all were hits");
}

#[tokio::test]
async fn warming_up_fetches_no_more_than_fits_and_may_fail() {
    let server = FakeProducts::start(Behaviour::Answers { products: 2500 });
    assert_eq!(cached(&server.url, 1200).warm_up().await.unwrap(), 1200);
    let last = server.arrivals().pop().unwrap();
    assert_eq!(last.path, "/product?count=200&start_after_sku=1000");
    for fault in [
        Behaviour::Status(500, None),
        Behaviour::Body("[{\"sku\":0,\"name\":\"\",\"price\":1}]"),
        Behaviour::Body("[{\"sku\":2,\"name\":\"\",\"price\":1},{\"sku\":2,\"name\":\"\",\"price\":1}]"),
        Behaviour::Endless,
    ] {
        let server = FakeProducts::start(fault.clone());
        let products = cached(&server.url, 1200);
        assert!(
            matches!(products.warm_up().await, Err(ProductsError::Unavailable(_))),
            "{fault:?}"
        );
        assert!(!products.source().answers());
    }
    let server = FakeProducts::start(Behaviour::Answers { products: 3 });
    let client = client(&settings(&server.url));
    assert_eq!(client.list(1, 1).await.unwrap()[0].sku, sku(2));
    assert_eq!(client.list(3, 10).await.unwrap(), []);
}

// On one thread, because the recorder is the thread's own.
#[tokio::test]
async fn hits_misses_waits_retries_and_requests_are_counted() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _guard = metrics::set_default_local_recorder(&recorder);
    adapters::metrics::ALL
        .iter()
        .for_each(adapters::metrics::Metric::describe);
    let server = FakeProducts::start(Behaviour::RefusesFirst(1));
    let products = cached(&server.url, 10);
    for _ in 0..3 {
        products.product(sku(7)).await.unwrap();
    }
    let text = recorder.handle().render();
    for line in [
        "# HELP cart_products_cache_hits_total Products answered from the cache.",
        "cart_products_cache_hits_total 2",
        "cart_products_cache_misses_total 1",
        "cart_products_wait_seconds_count 2",
        "cart_products_retries_total 1",
        "http_client_request_duration_seconds_count{http_request_method=\"GET\",url_template=\"/product/{sku}\",http_response_status_code=\"420\",error_type=\"420\"} 1",
        "http_client_request_duration_seconds_count{http_request_method=\"GET\",url_template=\"/product/{sku}\",http_response_status_code=\"200\",error_type=\"\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
    }
}
