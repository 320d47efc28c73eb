//! One trace from checkout to notification: what spans there are, whose children, and what they say.

use std::collections::BTreeMap;

use crate::collector::Collector;
use crate::harness::App;
use crate::hook::Hook;
use crate::shop::{CALLER, Shop, exporting, post};
use crate::told::{Told, tree};

const TO_CART: u128 = 0xa1;
const TO_CHECKOUT: u128 = 0xa2;
const TO_PAY: u128 = 0xa3;

const ADDED: &str = "\
cart SERVER POST /user/{user_id}/cart/{sku}
  cart CLIENT GET /product/{sku}
    products SERVER GET /product/{sku}
  cart CLIENT loms.v1.Loms/StocksInfo
    loms SERVER loms.v1.Loms/StocksInfo
      loms CLIENT stock_by_sku";

const CHECKED_OUT: &str = "\
cart SERVER POST /checkout/{user_id}
  cart CLIENT loms.v1.Loms/OrderCreate
    loms SERVER loms.v1.Loms/OrderCreate
      loms INTERNAL order book batch
        loms CLIENT begin
        loms CLIENT commit
        loms CLIENT insert_events
        loms CLIENT insert_items
        loms CLIENT insert_keys
        loms CLIENT insert_orders
        loms CLIENT lock_stock
        loms CLIENT next_order_ids
        loms CLIENT recorded_orders
        loms CLIENT update_stock
      loms PRODUCER send TOPIC
        notifier CONSUMER process TOPIC
          notifier CLIENT POST
      loms PRODUCER send TOPIC
        notifier CONSUMER process TOPIC
          notifier CLIENT POST";

const PAYED: &str = "\
loms SERVER POST /order/pay
  loms INTERNAL order book batch
    loms CLIENT begin
    loms CLIENT commit
    loms CLIENT insert_events
    loms CLIENT items_of_orders
    loms CLIENT lock_orders
    loms CLIENT lock_stock
    loms CLIENT settle_orders
    loms CLIENT update_stock
  loms PRODUCER send TOPIC
    notifier CONSUMER process TOPIC
      notifier CLIENT POST";

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_goes_from_checkout_to_notification() {
    let hook = Hook::start(204).await;
    // Libraries make spans too, at levels that are off by default; none of theirs is exported.
    let chatty = [("log.libraries", "trace")];
    let shop = Shop::open(&[(1, 10)], &hook.url, &[&[], &chatty, &chatty]).await;
    assert_eq!(shop.add(1, 2, TO_CART).await, 201);
    assert_eq!(shop.checkout(TO_CHECKOUT).await, 200);
    shop.until_handled(TO_CHECKOUT, 2).await;
    // The first order of a database.
    let pay = format!("{}/order/pay", shop.loms.gateway);
    assert_eq!(post(&pay, r#"{"orderId":1}"#, TO_PAY).await, 200);
    shop.until_handled(TO_PAY, 1).await;
    let (collector, topics) = shop.close().await;
    let topic = topics.settings.topic.as_str();

    let added = collector.of_trace(&format!("{TO_CART:032x}"));
    assert_eq!(tree(&added, CALLER).join("\n"), ADDED);
    let told = collector.of_trace(&format!("{TO_CHECKOUT:032x}"));
    assert_eq!(tree(&told, CALLER).join("\n").replace(topic, "TOPIC"), CHECKED_OUT);
    assert_eq!(told.len(), CHECKED_OUT.lines().count(), "all of them stand in the tree");
    let payed = collector.of_trace(&format!("{TO_PAY:032x}"));
    assert_eq!(tree(&payed, CALLER).join("\n").replace(topic, "TOPIC"), PAYED);
    assert_eq!(
        collector.told().len(),
        added.len() + told.len() + payed.len(),
        "probes, looks at servers and the like make no spans"
    );

    for span in added.iter().chain(&told).chain(&payed) {
        assert_attributes(span, topic);
        assert_resource(span);
        assert!(span.took.0 <= span.took.1, "{span:?}");
    }
    let [batch] = &told.iter().filter(|span| span.kind == "INTERNAL").collect::<Vec<_>>()[..] else {
        panic!("one batch");
    };
    assert_eq!(batch.links, std::slice::from_ref(&batch.parent), "its only member");
    assert_what_other_systems_said_goes_on(&told);
    let of_hook = told.iter().chain(&payed).filter(|span| span.name == "POST");
    let mut sent: Vec<_> = of_hook
        .map(|span| format!("00-{}-{}-01", span.trace, span.id))
        .collect();
    let mut came = hook.traceparents();
    sent.sort();
    came.sort();
    assert_eq!(came, sent, "the receiver is told the span that called it");
    assert_messages(&[told, payed].concat(), &topics.read(topic).await);
}

/// The stream in memory has no spans of its own: who handles an event stands below its cause.
const IN_ONE_PROCESS: &str = "\
app SERVER POST /checkout/{user_id}
  app CONSUMER process loms.order-events
  app CONSUMER process loms.order-events
  app INTERNAL order book batch";

#[tokio::test(flavor = "multi_thread")]
async fn in_one_process_it_is_one_trace_as_well() {
    let collector = Collector::start().await;
    let app = App::all(&[(1, 10)], &exporting(&collector)).await;
    let add = format!("{}/user/1/cart/1", app.cart);
    assert_eq!(post(&add, r#"{"count":1}"#, TO_CART).await, 201);
    assert_eq!(post(&format!("{}/checkout/1", app.cart), "", TO_CHECKOUT).await, 200);
    let handled = |told: &[Told]| told.iter().filter(|span| span.kind == "CONSUMER").count() == 2;
    collector.until("the events are handled", handled).await;
    app.stop().await;
    let told = collector.of_trace(&format!("{TO_CHECKOUT:032x}"));
    assert_eq!(tree(&told, CALLER).join("\n"), IN_ONE_PROCESS);
    let systems = told.iter().map(|span| span.of("messaging.system"));
    assert_eq!(systems.filter(|system| *system == "memory").count(), 2);
}

/// `tracestate` goes on over HTTP and gRPC; the outbox keeps the `traceparent` alone.
fn assert_what_other_systems_said_goes_on(told: &[Told]) {
    for span in told {
        let synchronous = !matches!(span.kind, "PRODUCER" | "CONSUMER") && span.service() != "notifier";
        assert_eq!(span.state, if synchronous { "vendor=1" } else { "" }, "{span:?}");
    }
}

/// Attributes with their values: `*` stands for any, words in capitals for what the span tells elsewhere.
type Expected = &'static [(&'static str, &'static str)];

const RPC_SERVER: Expected = &[
    ("rpc.system.name", "grpc"),
    ("rpc.method", "NAME"),
    ("rpc.response.status_code", "OK"),
];
const RPC_CLIENT: Expected = &[
    ("rpc.system.name", "grpc"),
    ("rpc.method", "NAME"),
    ("rpc.response.status_code", "OK"),
    ("server.address", "127.0.0.1"),
    ("server.port", "*"),
];
const HTTP_SERVER: Expected = &[
    ("http.request.method", "METHOD"),
    ("http.route", "ROUTE"),
    ("http.response.status_code", "*"),
    ("url.scheme", "http"),
];
const WEBHOOK: Expected = &[
    ("http.request.method", "POST"),
    ("http.response.status_code", "204"),
    ("server.address", "127.0.0.1"),
    ("server.port", "*"),
];
const PRODUCTS: Expected = &[
    ("http.request.method", "GET"),
    ("http.response.status_code", "200"),
    ("url.template", "/product/{sku}"),
    ("url.full", "*"),
    ("server.address", "127.0.0.1"),
    ("server.port", "*"),
];
const SQL: Expected = &[
    ("db.system.name", "postgresql"),
    ("db.operation.name", "OPERATION"),
    ("db.query.summary", "NAME"),
    ("db.namespace", "*"),
    ("server.address", "127.0.0.1"),
    ("server.port", "*"),
];
const SEND: Expected = &[
    ("messaging.system", "kafka"),
    ("messaging.destination.name", "TOPIC"),
    ("messaging.destination.partition.id", "*"),
    ("messaging.operation.name", "send"),
    ("messaging.operation.type", "send"),
    ("messaging.client.id", "loms"),
    ("messaging.kafka.offset", "*"),
    ("messaging.message.id", "*"),
];
const PROCESS: Expected = &[
    ("messaging.system", "kafka"),
    ("messaging.destination.name", "TOPIC"),
    ("messaging.destination.partition.id", "*"),
    ("messaging.operation.name", "process"),
    ("messaging.operation.type", "process"),
    ("messaging.consumer.group.name", "TOPIC"),
    ("messaging.kafka.offset", "*"),
    ("messaging.message.id", "*"),
    ("notifier.outcome", "delivered"),
];

/// That a span has what the semantic conventions ask for, and nothing else.
fn assert_attributes(span: &Told, topic: &str) {
    let expected = match (span.kind, &*span.name) {
        ("SERVER", name) if name.contains("Loms/") => RPC_SERVER,
        ("SERVER", _) => HTTP_SERVER,
        ("CLIENT", name) if name.contains("Loms/") => RPC_CLIENT,
        ("CLIENT", "POST") => WEBHOOK,
        ("CLIENT", "GET /product/{sku}") => PRODUCTS,
        ("CLIENT", _) => SQL,
        ("INTERNAL", _) => &[("loms.batch.size", "1")],
        ("PRODUCER", _) => SEND,
        ("CONSUMER", _) => PROCESS,
        other => panic!("no such span is expected: {other:?}"),
    };
    let (method, route) = span.name.split_once(' ').unwrap_or((&span.name, ""));
    let mut wanted = BTreeMap::new();
    for (name, value) in expected {
        let value = match *value {
            "*" => span.of(name),
            "NAME" => &span.name,
            "METHOD" => method,
            "OPERATION" => operation(&span.name),
            "ROUTE" => route,
            "TOPIC" => topic,
            other => other,
        };
        assert!(!value.is_empty(), "{name} is missing in {span:?}");
        wanted.insert((*name).to_owned(), value.to_owned());
    }
    assert_eq!(span.attributes, wanted, "{}", span.name);
    assert!(
        span.whole.contains("events: []"),
        "what is logged is no part of it: {span:?}"
    );
    assert!(!span.failed, "{span:?}");
}

/// What a query of this name does.
fn operation(query: &str) -> &str {
    match query.split('_').next() {
        Some("settle") => "update",
        Some(word @ ("begin" | "commit" | "insert" | "update")) => word,
        _ => "select",
    }
}

fn assert_resource(span: &Told) {
    let keys: Vec<&str> = span.resource.keys().map(String::as_str).collect();
    let expected = [
        "service.instance.id",
        "service.name",
        "service.version",
        "telemetry.sdk.language",
        "telemetry.sdk.name",
        "telemetry.sdk.version",
    ];
    assert_eq!(keys, expected);
    assert_eq!(span.resource["service.version"], env!("CARGO_PKG_VERSION"));
}

/// The messages of the topic carry the spans that sent them, and those tell where they stand.
fn assert_messages(told: &[Told], standing: &[adapters::kafka::testing::Standing]) {
    let sent: Vec<_> = told.iter().filter(|span| span.kind == "PRODUCER").collect();
    assert_eq!((sent.len(), standing.len()), (3, 3));
    for message in standing {
        let span = sent
            .iter()
            .find(|span| span.of("messaging.message.id") == message.headers["event-id"])
            .unwrap();
        let header = format!("00-{}-{}-01", span.trace, span.id);
        assert_eq!(message.headers["traceparent"], header);
        let place = (message.partition.to_string(), message.offset.to_string());
        let of = |name: &str| span.of(name).to_owned();
        assert_eq!(
            (of("messaging.destination.partition.id"), of("messaging.kafka.offset")),
            place
        );
    }
}
