//! What fails, and whose fault it is: a refusal is no error of the server, for who asked it is one.

use crate::hook::Hook;
use crate::shop::{CALLER, Shop};
use crate::told::tree;

const TO_CART: u128 = 0xb1;
const TO_CHECKOUT: u128 = 0xb2;

/// A webhook that is not there.
const NOWHERE: &str = "http://127.0.0.1:1/a-secret-path";

/// An order that is refused is recorded all the same (its id is of a block that was taken before); its two events are refused by the webhook.
const REFUSED: &str = "\
cart SERVER POST /checkout/{user_id}
  cart CLIENT loms.v1.Loms/OrderCreate ! FAILED_PRECONDITION
    loms SERVER loms.v1.Loms/OrderCreate
      loms INTERNAL order book batch
        loms CLIENT begin
        loms CLIENT commit
        loms CLIENT insert_events
        loms CLIENT insert_items
        loms CLIENT insert_keys
        loms CLIENT insert_orders
        loms CLIENT lock_stock
        loms CLIENT recorded_orders
      loms PRODUCER send TOPIC
        notifier CONSUMER process TOPIC ! dead_lettered
          notifier CLIENT POST ! 422
          notifier CLIENT send TOPIC.dlq
      loms PRODUCER send TOPIC
        notifier CONSUMER process TOPIC ! dead_lettered
          notifier CLIENT POST ! 422
          notifier CLIENT send TOPIC.dlq";

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_order_and_refused_events() {
    let hook = Hook::start(422).await;
    let shop = Shop::open(&[(1, 2)], &hook.url, &[&[], &[], &[]]).await;
    assert_eq!(shop.add(1, 2, TO_CART).await, 201);
    // Somebody else is faster.
    let url = format!("{}/order/create", shop.loms.gateway);
    let order = r#"{"userId":1,"items":[{"sku":1,"count":1}]}"#;
    assert_eq!(crate::shop::post(&url, order, 0xb3).await, 200);
    assert_eq!(shop.checkout(TO_CHECKOUT).await, 412);
    shop.until_handled(TO_CHECKOUT, 2).await;
    shop.until_handled(0xb3, 2).await;
    let (collector, topics) = shop.close().await;
    let told = collector.of_trace(&format!("{TO_CHECKOUT:032x}"));
    let found = tree(&told, CALLER).join("\n");
    assert_eq!(found.replace(&topics.settings.topic, "TOPIC"), REFUSED);
    assert_eq!(told.len(), REFUSED.lines().count());
    let server = told
        .iter()
        .find(|span| span.kind == "SERVER" && span.name.contains("OrderCreate"));
    assert_eq!(server.unwrap().of("rpc.response.status_code"), "FAILED_PRECONDITION");
    for letter in told.iter().filter(|span| span.name.ends_with(".dlq")) {
        assert_eq!(
            letter.of("messaging.destination.name"),
            topics.settings.dead_letter_topic
        );
        assert!(!letter.of("messaging.kafka.offset").is_empty(), "{letter:?}");
        assert!(!letter.of("messaging.message.id").is_empty(), "{letter:?}");
    }
}

/// What comes of the stock meanwhile depends on who is faster.
const PRODUCTS_FAIL: &str = "\
cart SERVER POST /user/{user_id}/cart/{sku} ! 503
  cart CLIENT GET /product/{sku} ! 500
    products SERVER GET /product/{sku} ! 500";

#[tokio::test(flavor = "multi_thread")]
async fn products_that_fail_and_loms_that_is_not_there() {
    let faults = [("products.misbehave.share_500", "1.0")];
    let shop = Shop::open(&[(1, 2)], NOWHERE, &[&faults, &[], &[]]).await;
    assert_eq!(shop.add(1, 1, TO_CART).await, 503);
    let (collector, _) = shop.close().await;
    let told = collector.of_trace(&format!("{TO_CART:032x}"));
    let mut found = tree(&told, CALLER);
    found.retain(|line| !line.contains("loms"));
    assert_eq!(found.join("\n"), PRODUCTS_FAIL);

    let away = [("cart.loms.url", "http://127.0.0.1:1")];
    let shop = Shop::open(&[(1, 2)], NOWHERE, &[&[], &[], &away]).await;
    assert_eq!(shop.add(1, 1, TO_CART).await, 503);
    let (collector, _) = shop.close().await;
    let told = collector.of_trace(&format!("{TO_CART:032x}"));
    let asked = told.iter().find(|span| span.name == "loms.v1.Loms/StocksInfo");
    let asked = asked.expect("LOMS was asked");
    let said = [
        "error.type",
        "rpc.response.status_code",
        "server.address",
        "server.port",
    ]
    .map(|name| asked.of(name));
    assert_eq!(said, ["UNAVAILABLE", "UNAVAILABLE", "127.0.0.1", "1"]);
    assert!(asked.failed && asked.kind == "CLIENT", "{asked:?}");
}

/// The span of each retry tells how often it was sent before.
#[tokio::test(flavor = "multi_thread")]
async fn products_that_are_too_busy() {
    let faults = [("products.misbehave.share_429", "1.0")];
    let retries = [
        ("cart.products.retries_max", "2"),
        ("cart.products.retry_pause_ms", "1"),
    ];
    let shop = Shop::open(&[(1, 2)], NOWHERE, &[&faults, &[], &retries]).await;
    assert_eq!(shop.add(1, 1, TO_CART).await, 503);
    let (collector, _) = shop.close().await;
    let told = collector.of_trace(&format!("{TO_CART:032x}"));
    let asked = told
        .iter()
        .filter(|span| span.name == "GET /product/{sku}" && span.kind == "CLIENT");
    let mut resent: Vec<&str> = asked
        .map(|span| {
            assert!(span.failed && span.of("error.type") == "429", "{span:?}");
            span.of("http.request.resend_count")
        })
        .collect();
    resent.sort_unstable();
    assert_eq!(resent, ["", "1", "2"]);
    let answered = told.iter().filter(|span| span.service() == "products");
    let good = answered.filter(|span| !span.failed && span.of("error.type").is_empty());
    assert_eq!(good.count(), 3, "for who answers 429 it is no error");
}
