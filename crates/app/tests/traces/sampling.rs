//! Which traces are recorded: the caller's decision, or else the configured share.

use reqwest::Client;

use crate::collector::Collector;
use crate::harness::App;
use crate::shop::exporting;

/// Asks for a product, as part of a trace or not; the answer's trace id.
async fn ask(products: &App, traceparent: Option<&str>) -> String {
    let mut request = Client::new()
        .get(format!("{}/product/1", products.products))
        .header("x-api-key", "testToken");
    if let Some(traceparent) = traceparent {
        request = request.header("traceparent", traceparent);
    }
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.headers()["x-trace-id"].to_str().unwrap().to_owned()
}

const SAMPLED: &str = "00-000000000000000000000000000000c1-00000000000000aa-01";
const NOT_SAMPLED: &str = "00-000000000000000000000000000000c2-00000000000000aa-00";

#[tokio::test(flavor = "multi_thread")]
async fn the_callers_decision_is_followed_and_ratio_0_exports_nothing_else() {
    for ratio in ["0.0", "1.0"] {
        let collector = Collector::start().await;
        let mut settings = exporting(&collector);
        settings[1].1 = ratio;
        let products = App::start("products", &[], &settings, &[]).await;
        let mut expected = vec![ask(&products, Some(SAMPLED)).await];
        ask(&products, Some(NOT_SAMPLED)).await;
        let own = ask(&products, None).await;
        if ratio == "1.0" {
            expected.push(own);
        }
        products.stop().await;
        let mut told: Vec<String> = collector.told().into_iter().map(|span| span.trace).collect();
        told.sort();
        expected.sort();
        assert_eq!(told, expected, "ratio {ratio}; probes are not among them");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_caller_the_share_is_recorded() {
    const CALLS: usize = 600;
    let collector = Collector::start().await;
    let mut settings = exporting(&collector);
    settings[1].1 = "0.25";
    let products = App::start("products", &[], &settings, &[]).await;
    let client = Client::new();
    for _ in 0..CALLS {
        let request = client
            .get(format!("{}/product/1", products.products))
            .header("x-api-key", "testToken");
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
    products.stop().await;
    // 150 are expected; six standard deviations are 64.
    let told = collector.told().len();
    assert!((86..=214).contains(&told), "{told} of {CALLS}");
}
