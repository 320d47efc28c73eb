//! A cart whose products misbehave: the shopper gets 503 within the request's deadline, and never
//! do more than ten requests leave in a second.

use std::time::Duration;

use app::clock::SystemClock;
use domain::clock::Clock;
use reqwest::{Client, Response};
use serde_json::Value;

use super::fake_products::{FakeProducts, Mood};
use crate::harness::App;

const STOCK: &[(i64, u32)] = &[(1, 1000), (2, 1000), (3, 1000)];
/// The deadline of a shopper's request in these tests, and what a busy machine may add to it.
const DEADLINE: Duration = Duration::from_millis(1_300);
const BUSY: Duration = Duration::from_millis(1_500);
const USERS: i64 = 200;

async fn cart(products: &FakeProducts, loms: &App) -> App {
    let settings = [
        ("cart.products.url", products.url.as_str()),
        ("cart.loms.url", &loms.grpc),
        ("cart.request_timeout_ms", "1300"),
        ("cart.products.request_timeout_ms", "800"),
        ("cart.products.cache_ttl_seconds", "1"),
        ("cart.products.warm_up", "false"),
    ];
    App::start("cart", &[], &settings, &[]).await
}

async fn add(http: &Client, cart: &App, user: i64, sku: i64) -> Response {
    let url = format!("{}/user/{user}/cart/{sku}", cart.cart);
    let request = http.post(url).header("content-type", "application/json");
    request.body(r#"{"count":1}"#).send().await.unwrap()
}

/// A problem of this status that says nothing about what is behind the cart.
async fn is_problem(answer: Response, status: u16) {
    assert_eq!(answer.status(), status);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    assert_eq!(answer.headers().contains_key("retry-after"), status == 503);
    let text = answer.text().await.unwrap();
    for internal in ["127.0.0.1", "420", "429", "hyper", "reqwest", "JSON", "testToken"] {
        assert!(!text.contains(internal), "{text}");
    }
    let body: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(body["status"], status);
    for field in ["type", "title", "detail"] {
        assert!(body[field].is_string(), "{field}: {body}");
    }
}

/// 200 users ask for a sku each, all different, at the same time.
async fn everybody(http: &Client, cart: &App, first_sku: i64) {
    let asked = (0..USERS).map(|user| async move {
        let asked = SystemClock.now();
        let answer = add(http, cart, 1 + user, first_sku + user).await;
        let took = SystemClock.now().since(asked);
        assert!(took < DEADLINE + BUSY, "{took:?}");
        is_problem(answer, 503).await;
    });
    futures::future::join_all(asked).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_products_do_shoppers_get_503_in_time_and_ten_requests_a_second_leave() {
    let products = FakeProducts::start(Mood::Good);
    let loms = App::start("loms", STOCK, &[], &[]).await;
    let cart = cart(&products, &loms).await;
    let http = Client::new();
    for sku in 1..=3 {
        assert_eq!(add(&http, &cart, 1000, sku).await.status(), 201);
    }
    let moods = [
        Mood::Slow,
        Mood::Status(420),
        Mood::Status(429),
        Mood::Status(500),
        Mood::Garbage,
        Mood::Close,
        Mood::Half,
        Mood::HalfThenSilence,
    ];
    for (round, mood) in (1..).zip(moods) {
        products.set(mood);
        let before = products.arrived();
        everybody(&http, &cart, round * 10_000).await;
        assert!(products.arrived() > before, "{mood:?}: nothing was asked");
    }
    for mood in [Mood::NoJson, Mood::OtherSku, Mood::Status(302)] {
        products.set(mood);
        is_problem(add(&http, &cart, 1, 100_000).await, 503).await;
    }
    // What is in a cart needs products too: they are not cached any more.
    let url = format!("{}/user/1000/cart", cart.cart);
    is_problem(http.get(&url).send().await.unwrap(), 503).await;
    // All that was only their fault: no shopper's cart was touched, and all goes on.
    products.set(Mood::Good);
    cart.until(async || http.get(&url).send().await.unwrap().status() == 200)
        .await;
    assert_eq!(cart.content(1).await, []);
    assert_eq!(cart.content(1000).await, [(1, 1), (2, 1), (3, 1)]);
    products.assert_at_most_ten_a_second();
    cart.stop().await;
    loms.stop().await;
}

/// With time enough everybody is served at that pace, by waiting: nobody is refused.
#[tokio::test(flavor = "multi_thread")]
async fn who_can_wait_is_served_at_the_pace_that_products_allow() {
    let skus: Vec<(i64, u32)> = (1..=40).map(|sku| (sku, 10)).collect();
    let products = FakeProducts::start(Mood::Good);
    let loms = App::start("loms", &skus, &[], &[]).await;
    let settings = [
        ("cart.products.url", products.url.as_str()),
        ("cart.loms.url", &loms.grpc),
        ("cart.request_timeout_ms", "20000"),
        ("cart.products.request_timeout_ms", "15000"),
        ("cart.products.warm_up", "false"),
    ];
    let cart = App::start("cart", &[], &settings, &[]).await;
    let http = Client::new();
    let asked = (0..USERS).map(|user| {
        let (http, cart) = (&http, &cart);
        async move { add(http, cart, 1 + user, 1 + user % 40).await.status().as_u16() }
    });
    let statuses = futures::future::join_all(asked).await;
    assert_eq!(statuses, [201; 200]);
    assert_eq!(
        products.arrived(),
        40,
        "users who want the same wait for the same request"
    );
    products.assert_at_most_ten_a_second();
    cart.stop().await;
    loms.stop().await;
}

#[tokio::test]
async fn a_key_that_products_refuse_is_our_mistake() {
    let products = FakeProducts::start(Mood::Status(401));
    let loms = App::start("loms", STOCK, &[], &[]).await;
    let cart = cart(&products, &loms).await;
    is_problem(add(&Client::new(), &cart, 1, 1).await, 500).await;
    assert_eq!(products.arrived(), 1, "it is not tried again");
    loms.stop().await;
    // The cart has logged an error, as it should: it is not asked for an end without any.
}
