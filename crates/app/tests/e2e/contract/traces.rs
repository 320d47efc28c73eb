//! One trace goes through: from the caller's `traceparent` over the cart to products and LOMS, and
//! to the notifier. Every answer carries the id, and the log lines of the call have it.

use std::collections::BTreeSet;

use reqwest::Client;
use serde_json::Value;

use crate::process::{Ports, Running, ready};

const PARENT: &str = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01";
const TRACE: &str = "0123456789abcdef0123456789abcdef";

/// Puts product 1001 into a cart and checks out, as part of [`PARENT`].
async fn buy(cart: &str) {
    for (path, body, expected) in [("/user/1/cart/1001", r#"{"count":1}"#, 201), ("/checkout/1", "", 200)] {
        let request = Client::new()
            .post(format!("{cart}{path}"))
            .header("traceparent", PARENT);
        let request = request.header("content-type", "application/json").body(body);
        let answer = request.send().await.unwrap();
        assert_eq!(
            (
                answer.status().as_u16(),
                answer.headers()["x-trace-id"].to_str().unwrap()
            ),
            (expected, TRACE)
        );
    }
}

/// The routes and messages of the lines of a trace.
fn told(lines: &[Value]) -> BTreeSet<String> {
    let of_trace = lines.iter().filter(|line| line["trace_id"] == TRACE);
    of_trace
        .map(|line| {
            assert_eq!(line["span_id"].as_str().map(str::len), Some(16), "{line}");
            line["route"].as_str().or(line["msg"].as_str()).unwrap().to_owned()
        })
        .collect()
}

async fn end(app: Running) -> Vec<Value> {
    app.signal("TERM");
    let ended = app.ended().await;
    assert_eq!(ended.code, Some(0));
    ended
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn one_trace_goes_through_three_processes() {
    let (of_products, of_loms, of_cart) = (Ports::free(), Ports::free(), Ports::free());
    let products = Running::start(&of_products.arguments("products"), &[]);
    let loms = Running::start(&of_loms.arguments("loms"), &[]);
    let mut arguments = of_cart.arguments("cart");
    for set in [
        format!("cart.products.url={}", of_products.url("products.http")),
        format!("cart.loms.url={}", of_loms.url("loms.grpc")),
        "cart.products.warm_up=false".to_owned(),
    ] {
        arguments.extend(["--set".to_owned(), set]);
    }
    ready(&of_products.url("products.http")).await;
    ready(&of_loms.url("loms.http")).await;
    let cart = Running::start(&arguments, &[]);
    ready(&of_cart.url("cart.http")).await;
    buy(&of_cart.url("cart.http")).await;
    let routes = |routes: &[&str]| routes.iter().map(ToString::to_string).collect::<BTreeSet<String>>();
    let expected = routes(&["/user/{user_id}/cart/{sku}", "/checkout/{user_id}"]);
    assert_eq!(told(&end(cart).await), expected);
    let expected = routes(&["/loms.v1.Loms/StocksInfo", "/loms.v1.Loms/OrderCreate"]);
    assert_eq!(told(&end(loms).await), expected);
    assert_eq!(told(&end(products).await), routes(&["/product/{sku}"]));
}

#[tokio::test]
async fn the_trace_reaches_the_notifier_and_others_have_their_own() {
    let ports = Ports::free();
    let app = Running::start(&ports.arguments("all"), &[]);
    let cart = ports.url("cart.http");
    ready(&cart).await;
    buy(&cart).await;
    let mut ids = BTreeSet::new();
    for parent in [
        "",
        "00-0-0-01",
        "00-00000000000000000000000000000000-0123456789abcdef-01",
        "nonsense",
    ] {
        let answer = Client::new()
            .get(format!("{cart}/user/9/cart"))
            .header("traceparent", parent)
            .send()
            .await;
        let id = answer.unwrap().headers()["x-trace-id"].to_str().unwrap().to_owned();
        assert!(id.len() == 32 && id.bytes().any(|byte| byte != b'0'), "{id}");
        ids.insert(id);
    }
    assert_eq!((ids.len(), ids.contains(TRACE)), (4, false), "each its own: {ids:?}");
    let lines = end(app).await;
    let events = lines
        .iter()
        .filter(|line| line["msg"] == "order event" && line["trace_id"] == TRACE);
    assert_eq!(events.count(), 2);
    for line in &lines {
        let whole = ["ts", "level", "service", "msg"]
            .iter()
            .all(|field| line[field].is_string());
        assert!(whole && line["level"] != "error", "{line}");
    }
}
