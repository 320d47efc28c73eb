//! A collector that is away, freezes, and comes back: requests go on, what waits is bounded, what is
//! lost is counted and told, and the end is in time and orderly.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Client;

use crate::collector::Collector;
use crate::harness::{App, PATIENCE, free_port};

/// Spans that may wait.
const QUEUE_MAX: usize = 64;
/// Requests that are made at once, far more than may wait.
const MANY: usize = 500;

async fn start(collector: &str) -> App {
    let settings = [
        ("trace.otlp_endpoint", collector),
        ("trace.sample_ratio", "1.0"),
        ("trace.export_interval_ms", "20"),
        ("trace.export_timeout_ms", "500"),
        ("trace.queue_max", "64"),
        ("trace.batch_max", "16"),
    ];
    App::start("products", &[], &settings, &[]).await
}

/// Makes requests, all of which are answered.
async fn ask(products: &App, requests: usize) {
    let client = Client::builder().timeout(PATIENCE).build().unwrap();
    for _ in 0..requests {
        let request = client
            .get(format!("{}/product/1", products.products))
            .header("x-api-key", "testToken");
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
}

/// How many spans were exported and dropped, by the labels of the counter.
async fn counted(products: &App) -> BTreeMap<String, usize> {
    let text = reqwest::get(format!("{}/metrics", products.products)).await.unwrap();
    let text = text.text().await.unwrap();
    let of_spans = text.lines().filter(|line| line.starts_with("app_trace_spans_"));
    of_spans
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        })
        .collect()
}

const EXPORTED: &str = "app_trace_spans_exported_total";
const FULL: &str = "app_trace_spans_dropped_total{reason=\"queue_full\"}";
const FAILED: &str = "app_trace_spans_dropped_total{reason=\"export_failed\"}";

/// Waits until this many spans have an end, and gives the counters. Meanwhile no more may wait than
/// there are places.
async fn until_counted(products: &App, spans: usize) -> BTreeMap<String, usize> {
    let waited = tokio::time::timeout(PATIENCE, async {
        loop {
            let counted = counted(products).await;
            let done: usize = counted.values().sum();
            assert!(done <= spans, "more than there were: {counted:?}");
            assert!(done + QUEUE_MAX >= spans, "more wait than may: {counted:?} of {spans}");
            if done == spans {
                return counted;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    waited.await.expect("what becomes of the spans is never known")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_costs_spans_only_and_they_flow_when_it_comes() {
    let port = free_port();
    let products = start(&format!("http://127.0.0.1:{port}")).await;
    ask(&products, MANY).await;
    let lost = until_counted(&products, MANY).await;
    assert_eq!(lost.get(EXPORTED).copied().unwrap_or(0), 0, "{lost:?}");
    assert!(lost[FAILED] > 0, "{lost:?}");
    let collector = Collector::at(port).await;
    let mut asked = MANY;
    while collector.told().is_empty() {
        ask(&products, 1).await;
        asked += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(asked < MANY * 2, "it is never found again");
    }
    let counted = until_counted(&products, asked).await;
    assert_eq!(counted[EXPORTED], collector.told().len());
    let told = products.said("spans cannot be exported");
    let batches = MANY / 16;
    assert!(!told.is_empty() && told.len() < batches / 2, "{} lines", told.len());
    assert!(told.iter().all(|line| line["spans_lost"].as_u64() > Some(0)));
    assert_eq!(products.said("spans are exported again").len(), 1);
    products.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_collector_holds_up_neither_requests_nor_the_end() {
    let collector = Collector::start().await;
    let products = start(&collector.url).await;
    ask(&products, 10).await;
    let counted = until_counted(&products, 10).await;
    assert_eq!(counted[EXPORTED], 10);
    collector.freeze(true);
    ask(&products, MANY).await;
    let counted = until_counted(&products, MANY + 10).await;
    assert!(counted[FULL] > 0 && counted[FAILED] > 0, "{counted:?}");
    assert!(
        !products
            .said("spans were dropped: too many wait for the collector")
            .is_empty()
    );
    collector.freeze(false);
    ask(&products, 5).await;
    collector.until("the next ones", |told| told.len() >= 15).await;
    // At the end it is frozen again: what it would be told is told to nobody, and the end is orderly.
    collector.freeze(true);
    ask(&products, QUEUE_MAX).await;
    products.stop().await;
}
