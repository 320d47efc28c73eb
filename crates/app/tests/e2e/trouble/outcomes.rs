//! The way to LOMS breaks: what is unknown is told as unknown, and becomes exactly one order of
//! exactly the frozen lines, by a repeat or by itself; what was not done is not done.

use std::time::Duration;

use reqwest::{Client, Method};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::fake_products::{FakeProducts, Mood};
use super::proxy::{Fault, Proxy};
use crate::audit::{agree, order_of};
use crate::harness::{App, free_port};

const STOCK: &[(i64, u32)] = &[(1, 1000), (2, 1000)];
const NEVER: (&str, &str) = ("cart.checkout.resolve_interval_ms", "600000");

/// A cart, and LOMS behind a proxy.
struct Split {
    cart: App,
    loms: App,
    link: Proxy,
    _products: FakeProducts,
}

impl Split {
    async fn start(resolving: (&str, &str), more: &[(&str, &str)]) -> Self {
        let products = FakeProducts::start(Mood::Good);
        let loms = App::start("loms", STOCK, &[], &[]).await;
        let link = Proxy::to(&loms.grpc).await;
        let mut settings = vec![
            ("cart.products.url", products.url.as_str()),
            ("cart.products.warm_up", "false"),
            ("cart.loms.url", &link.url),
            ("cart.loms.timeout_ms", "400"),
            resolving,
        ];
        settings.extend_from_slice(more);
        let cart = App::start("cart", &[], &settings, &[]).await;
        Self {
            cart,
            loms,
            link,
            _products: products,
        }
    }

    /// Adds, as soon as the way to LOMS is whole again.
    async fn add(&self, user: i64, sku: i64, count: u32) {
        let added = async || matches!(self.cart.add(user, sku, count).await, 200 | 201);
        self.cart.until(added).await;
    }

    /// Checks out until there is an order.
    async fn order(&self, user: i64) -> i64 {
        let placed = async {
            loop {
                let (status, body) = self.cart.checkout(user).await;
                match status {
                    200 => return body["order_id"].as_i64().unwrap(),
                    503 | 504 => tokio::time::sleep(Duration::from_millis(20)).await,
                    other => panic!("{other}: {body}"),
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), placed)
            .await
            .expect("an order")
    }

    async fn stop(self) {
        self.cart.stop().await;
        self.loms.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_breaks_a_repeat_finds_the_one_order_of_the_frozen_lines() {
    let shop = Split::start(NEVER, &[]).await;
    let faults = [
        Fault::CutBefore,
        Fault::CutAfter,
        Fault::Swallow,
        Fault::Delay(Duration::from_secs(1)),
    ];
    for (user, fault) in (1..).zip(faults) {
        shop.add(user, 1, 3).await;
        shop.link.set(fault);
        let (status, problem) = shop.cart.checkout(user).await;
        assert_eq!((status, &problem["status"]), (504, &504.into()), "{fault:?}: {problem}");
        shop.link.set(Fault::Cut);
        tokio::time::sleep(Duration::from_millis(20)).await;
        shop.link.set(Fault::Pass);
        // What is added meanwhile is not part of it, and stays.
        shop.add(user, 1, 2).await;
        shop.add(user, 2, 1).await;
        let order = shop.order(user).await;
        let orders = agree(&shop.loms, STOCK).await;
        assert_eq!(orders[&order].items, order_of(user, 1, 3).items, "{fault:?}");
        assert_eq!(
            orders.len(),
            usize::try_from(user).unwrap(),
            "{fault:?}: one order each"
        );
        assert_eq!(shop.cart.content(user).await, [(1, 2), (2, 1)], "{fault:?}");
    }
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_outcome_is_resolved_without_any_repeat() {
    let shop = Split::start(("cart.checkout.resolve_interval_ms", "50"), &[]).await;
    for (user, fault) in (1..).zip([Fault::CutBefore, Fault::CutAfter, Fault::Swallow]) {
        shop.add(user, 1, 3).await;
        shop.link.set(fault);
        assert_eq!(shop.cart.checkout(user).await.0, 504, "{fault:?}");
        shop.link.set(Fault::Pass);
        shop.add(user, 2, 1).await;
        shop.cart
            .until(async || shop.cart.content(user).await == [(2, 1)])
            .await;
        let orders = agree(&shop.loms, STOCK).await;
        assert_eq!(orders.len(), usize::try_from(user).unwrap(), "{fault:?}");
    }
    shop.stop().await;
}

/// The shopper stops waiting long before LOMS answers; nobody repeats, and nothing resolves.
#[tokio::test(flavor = "multi_thread")]
async fn a_checkout_runs_to_its_end_although_nobody_waits() {
    let shop = Split::start(
        NEVER,
        &[("cart.request_timeout_ms", "150"), ("cart.loms.timeout_ms", "5000")],
    )
    .await;
    shop.add(1, 1, 3).await;
    shop.add(2, 1, 4).await;
    shop.link.set(Fault::Delay(Duration::from_millis(600)));
    assert_eq!(shop.cart.checkout(1).await.0, 504);
    // This one's connection is gone even before.
    let stream = TcpStream::connect(shop.cart.cart.trim_start_matches("http://")).await;
    let request = b"POST /checkout/2 HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n";
    let mut stream = stream.unwrap();
    stream.write_all(request).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(stream);
    for user in [1, 2] {
        shop.cart.until(async || shop.cart.content(user).await.is_empty()).await;
    }
    assert_eq!(agree(&shop.loms, STOCK).await.len(), 2);
    shop.stop().await;
}

/// While LOMS is away nothing is frozen: the order is of the cart as it is when LOMS is back.
#[tokio::test(flavor = "multi_thread")]
async fn without_loms_a_checkout_freezes_nothing() {
    let products = FakeProducts::start(Mood::Good);
    let port = free_port();
    let loms = App::start("loms", STOCK, &[], &[("loms.grpc", port)]).await;
    let settings = [
        ("cart.products.url", products.url.as_str()),
        ("cart.products.warm_up", "false"),
        ("cart.loms.url", &loms.grpc),
        ("cart.checkout.resolve_interval_ms", "20"),
    ];
    let cart = App::start("cart", &[], &settings, &[]).await;
    assert_eq!((cart.add(1, 1, 3).await, cart.add(1, 2, 4).await), (201, 201));
    loms.stop().await;
    assert_eq!(cart.checkout(1).await.0, 503);
    let url = format!("{}/user/1/cart/1", cart.cart);
    assert_eq!(cart.call(Method::DELETE, &url, None).await.0, 204);
    assert_eq!(cart.checkout(1).await.0, 503);
    let loms = App::start("loms", STOCK, &[], &[("loms.grpc", port)]).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(agree(&loms, STOCK).await.len(), 0, "nothing was to be resolved");
    cart.until(async || cart.checkout(1).await.0 == 200).await;
    let orders = agree(&loms, STOCK).await;
    assert_eq!((orders.len(), &orders[&1].items), (1, &order_of(1, 2, 4).items));
    cart.stop().await;
    loms.stop().await;
}

/// The shopper's answer is lost on its way; the repeat under the same key gives the same order.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_under_a_key_after_a_lost_answer_gives_the_same_order() {
    let app = App::all(STOCK, &[]).await;
    let link = Proxy::to(&app.cart).await;
    let http = Client::builder().timeout(Duration::from_secs(1)).build().unwrap();
    let checkout = |base: &str| {
        let request = http.post(format!("{base}/checkout/1"));
        request.header("idempotency-key", "of-the-shopper").send()
    };
    assert_eq!(app.add(1, 1, 3).await, 201);
    link.set(Fault::CutAfter);
    checkout(&link.url).await.expect_err("the answer was lost");
    app.until(async || app.content(1).await.is_empty()).await;
    assert_eq!(app.add(1, 2, 5).await, 201);
    for _ in 0..3 {
        let answer = checkout(&app.cart).await.unwrap();
        assert_eq!(answer.status(), 200);
        let body: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(body["order_id"], 1);
    }
    assert_eq!(app.content(1).await, [(2, 5)], "what was added later stays");
    assert_eq!(agree(&app, STOCK).await.len(), 1);
    app.stop().await;
}
