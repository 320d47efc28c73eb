//! The routes of the stand-in, its refusals, and its faults.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use actix_web::App;
use actix_web::body::to_bytes;
use actix_web::test::{TestRequest, call_service, init_service};
use domain::clock::Moment;
use rand::SeedableRng;
use serde_json::{Value, json};

use super::*;

const CATALOGUE: &[u8] = br#"[{"sku":5,"name":"Tea \"Earl\"","price":219},{"sku":7,"name":"Milk","price":115},{"sku":9223372036854775807,"name":"Last","price":4294967295}]"#;

/// A clock that stands until it is moved.
#[derive(Default)]
struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> Moment {
        Moment::from_unix_millis(self.0.load(Ordering::Relaxed))
    }
}

fn shop(faults: MisbehaveSettings) -> (web::Data<ProductsShop>, Arc<Hand>) {
    let (catalogue, clock) = (Catalogue::parse(CATALOGUE).unwrap(), Arc::<Hand>::default());
    let random = SmallRng::seed_from_u64(1);
    (
        web::Data::new(ProductsShop::new(catalogue, "testToken", faults, clock.clone(), random)),
        clock,
    )
}

/// The routes over a shop.
macro_rules! app {
    ($shop:expr) => {
        init_service(App::new().app_data($shop).configure(routes)).await
    };
}

fn request(method: &str, uri: &str) -> TestRequest {
    TestRequest::with_uri(uri)
        .method(method.parse().unwrap())
        .insert_header((API_KEY, "testToken"))
}

/// Status and JSON of an answer.
macro_rules! call {
    ($app:expr, $request:expr) => {{
        let answer = call_service(&$app, $request.to_request()).await;
        let (status, body) = (answer.status().as_u16(), to_bytes(answer.into_body()).await.unwrap());
        (status, serde_json::from_slice::<Value>(&body).unwrap_or_default())
    }};
}

#[actix_web::test]
async fn a_product_and_pages_of_the_list() {
    let app = app!(shop(MisbehaveSettings::default()).0);
    let (tea, milk) = (
        json!({"name": "Tea \"Earl\"", "price": 219, "sku": 5}),
        json!({"name": "Milk", "price": 115, "sku": 7}),
    );
    let last = json!({"name": "Last", "price": u32::MAX, "sku": i64::MAX});
    assert_eq!(call!(app, request("GET", "/product/7")), (200, milk.clone()));
    assert_eq!(
        call!(app, request("GET", "/product/9223372036854775807")),
        (200, last.clone())
    );
    for (query, expected) in [
        ("", json!([tea, milk, last])),
        ("?count=1000&start_after_sku=0", json!([tea, milk, last])),
        ("?count=1", json!([tea])),
        ("?count=1&start_after_sku=5", json!([milk])),
        ("?start_after_sku=6&more=x", json!([milk, last])),
        ("?start_after_sku=9223372036854775807", json!([])),
    ] {
        assert_eq!(
            call!(app, request("GET", &format!("/product{query}"))),
            (200, expected),
            "{query:?}"
        );
    }
}

#[actix_web::test]
async fn bad_requests_say_what_is_wrong() {
    let app = app!(shop(MisbehaveSettings::default()).0);
    for (uri, status) in [
        ("/product/6", 404),
        ("/product/0", 400),
        ("/product/-7", 400),
        ("/product/9223372036854775808", 400),
        ("/product/seven", 400),
        ("/product/7.0", 400),
        ("/product?count=0", 400),
        ("/product?count=1001", 400),
        ("/product?count=-1", 400),
        ("/product?count=x", 400),
        ("/product?count=", 400),
        ("/product?count=1&count=2", 400),
        ("/product?start_after_sku=-1", 400),
        ("/product?start_after_sku=9223372036854775808", 400),
    ] {
        let (answered, body) = call!(app, request("GET", uri));
        assert_eq!((answered, &body["status"]), (status, &json!(status)), "{uri}: {body}");
        assert!(
            body["detail"].as_str().is_some_and(|detail| !detail.is_empty()),
            "{uri}: {body}"
        );
    }
    assert_eq!(call!(app, request("DELETE", "/product/7")).0, 405);
}

#[actix_web::test]
async fn the_key_comes_before_anything_else() {
    let faulty = MisbehaveSettings {
        share_500: 1.0,
        ..MisbehaveSettings::default()
    };
    let (shop, _) = shop(faulty.clone());
    let app = app!(shop.clone());
    for key in [None, Some(""), Some("testtoken"), Some("testToken2")] {
        for (method, uri) in [
            ("GET", "/product/7"),
            ("GET", "/product/x"),
            ("GET", "/product?count=0"),
            ("GET", "/misbehave"),
            ("PUT", "/misbehave"),
        ] {
            let mut request = TestRequest::with_uri(uri)
                .method(method.parse().unwrap())
                .set_payload("{}");
            if let Some(key) = key {
                request = request.insert_header((API_KEY, key));
            }
            let (status, body) = call!(app, request);
            assert_eq!(status, 401, "{method} {uri}: {body}");
        }
    }
    assert_eq!(
        shop.misbehaviour.settings(),
        faulty,
        "nobody without the key changes it"
    );
}

#[actix_web::test]
async fn above_the_rate_it_answers_429_until_the_second_is_over() {
    let (shop, clock) = shop(MisbehaveSettings {
        rate_limit_per_second: 3,
        ..MisbehaveSettings::default()
    });
    let app = app!(shop);
    for _ in 0..2 {
        for expected in [200, 200, 200, 429, 429] {
            let answer = call_service(&app, request("GET", "/product/7").to_request()).await;
            assert_eq!(answer.status(), expected);
            let retry_after = answer.headers().get("retry-after").map(|value| value.to_str().unwrap());
            assert_eq!(retry_after, (expected == 429).then_some("1"));
        }
        clock.0.fetch_add(1000, Ordering::Relaxed);
    }
}

#[actix_web::test]
async fn faults_have_their_shares_and_one_seed_gives_one_sequence() {
    let run = || async {
        let (share_420, share_429, share_500) = (0.1, 0.2, 0.3);
        let app = app!(
            shop(MisbehaveSettings {
                share_420,
                share_429,
                share_500,
                ..MisbehaveSettings::default()
            })
            .0
        );
        let mut statuses = Vec::new();
        for _ in 0..2000 {
            statuses.push(
                call_service(&app, request("GET", "/product/7").to_request())
                    .await
                    .status()
                    .as_u16(),
            );
        }
        statuses
    };
    let statuses = run().await;
    for (status, expected) in [(420, 200_usize), (429, 400), (500, 600), (200, 800)] {
        let met = statuses.iter().filter(|met| **met == status).count();
        assert!(met.abs_diff(expected) < 80, "{status}: {met} of about {expected}");
    }
    assert_eq!(run().await, statuses);
}

#[actix_web::test]
async fn it_is_told_to_misbehave_at_run_time_and_to_stop() {
    let app = app!(shop(MisbehaveSettings::default()).0);
    let off = json!({"rate_limit_per_second": 0, "delay_ms": 0, "share_420": 0.0, "share_429": 0.0, "share_500": 0.0});
    assert_eq!(call!(app, request("GET", "/misbehave")), (200, off.clone()));
    let mut calm = off.clone();
    calm["share_420"] = json!(1.0);
    assert_eq!(
        call!(app, request("PUT", "/misbehave").set_payload(r#"{"share_420": 1}"#)),
        (200, calm)
    );
    let (status, body) = call!(app, request("GET", "/product?count=1"));
    assert_eq!((status, &body["title"]), (420, &json!("Enhance Your Calm")));
    assert_eq!(
        call!(app, request("PUT", "/misbehave").set_payload("{}")),
        (200, off.clone())
    );
    assert_eq!(call!(app, request("GET", "/product/7")).0, 200);
    for bad in [
        "",
        "[]",
        r#"{"share_420": 2}"#,
        r#"{"share_500": 0.6, "share_420": 0.6}"#,
        r#"{"delay_ms": 60001}"#,
        r#"{"sharp": 1}"#,
        r#"{"delay_ms": -1}"#,
    ] {
        let (status, body) = call!(app, request("PUT", "/misbehave").set_payload(bad));
        assert_eq!(status, 400, "{bad}: {body}");
    }
    assert_eq!(call!(app, request("GET", "/misbehave")), (200, off));
}

#[actix_web::test]
async fn a_delay_is_added_to_every_answer() {
    let (shop, _) = shop(MisbehaveSettings {
        delay_ms: 150,
        ..MisbehaveSettings::default()
    });
    let app = app!(shop);
    let hurried = tokio::time::timeout(
        Duration::from_millis(100),
        call_service(&app, request("GET", "/product/7").to_request()),
    );
    assert!(hurried.await.is_err());
    assert_eq!(call!(app, request("GET", "/product/7")).0, 200);
}
