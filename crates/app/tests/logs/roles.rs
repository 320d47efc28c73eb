//! Every role as a process of its own, on Postgres and Kafka, and all of them in one process: what
//! they write while requests go well and badly, and while services come and go.

use adapters::kafka::testing::{Broker, Topics};
use adapters::postgres::testing::Database;
use serde_json::Value;

use crate::harness::{PATIENCE, free_port};
use crate::line::{lines, traces};
use crate::process::{Ports, Running, ready};
use crate::requests::{Asker, KEY, USER};

/// What products ask for: a secret of both sides.
const API_KEY: &str = "api-key-0815-of-products";
/// How the cart knows an item of a cart.
const CART_ROUTE: &str = "/user/{user_id}/cart/{sku}";

/// A process, with its settings by the environment.
fn start(role: &str, ports: &Ports, settings: &[(&str, String)]) -> Running {
    let mut arguments = ports.arguments(role);
    for (name, value) in settings {
        arguments.extend(["--set".to_owned(), format!("{name}={value}")]);
    }
    let secret = [
        ("APP__PRODUCTS__API_KEY", API_KEY),
        ("APP__CART__PRODUCTS__API_KEY", API_KEY),
    ];
    Running::start(&arguments, &secret)
}

/// Ends a process in order; its lines.
async fn end(app: Running) -> Vec<Value> {
    app.signal("TERM");
    let ended = app.ended().await;
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{}", ended.out);
    lines(&ended.out)
}

async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !holds().await {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_ok(), "never came: {what}");
}

/// Requests to a cart that go well, and badly; the trace of the checkout.
async fn shop(asker: &mut Asker, cart: &str) -> String {
    let at = ("cart", cart);
    let item = |sku: i64| format!("/user/{USER}/cart/{sku}");
    let count = r#"{"count":2}"#;
    for (path, body, status) in [
        (item(1001), count, 201),
        (item(1001), count, 200),
        (item(424_242), count, 412), // no such product
        (item(1001), "nonsense", 400),
        (item(0), count, 400),
        (item(1001), r#"{"count":4000000000}"#, 412), // more than there are
    ] {
        let asked = asker.ask(at, ("POST", &path, CART_ROUTE), body).await;
        assert_eq!(asked.status, status, "{path} {body}: {}", asked.body);
    }
    let view = ("GET", format!("/user/{USER}/cart"), "/user/{user_id}/cart");
    assert_eq!(asker.ask(at, (view.0, &view.1, view.2), "").await.status, 200);
    for (method, path) in [
        ("GET", "/no/such/place?card=4111111111111111"),
        ("PATCH", "/checkout/1"),
    ] {
        let route = if method == "GET" {
            "unmatched"
        } else {
            "/checkout/{user_id}"
        };
        assert!((400..500).contains(&asker.ask(at, (method, path, route), "").await.status));
    }
    let path = format!("/checkout/{USER}");
    let checkout = asker.ask(at, ("POST", &path, "/checkout/{user_id}"), "").await;
    assert_eq!(checkout.status, 200, "{}", checkout.body);
    checkout.trace
}

/// Requests to the gateway of LOMS that go well, and badly.
async fn orders(asker: &mut Asker, loms: &str) {
    let at = ("loms", loms);
    let order = format!(r#"{{"userId":"{USER}","items":[{{"sku":"1002","count":1}}]}}"#);
    for (method, path, route, body, status) in [
        ("POST", "/order/create", "/order/create", order.as_str(), 200),
        ("POST", "/order/create", "/order/create", "{}", 400),
        ("POST", "/order/pay", "/order/pay", r#"{"orderId":"999999999"}"#, 404),
        ("GET", "/order/info?orderId=x", "/order/info", "", 400),
        ("GET", "/stock/info?sku=1001", "/stock/info", "", 200),
    ] {
        let asked = asker.ask(at, (method, path, route), body).await;
        assert_eq!(asked.status, status, "{path} {body}: {}", asked.body);
    }
}

/// Nothing of those who ask, and no secret, stands in any line.
fn no_private(lines: &[Value], secrets: &[&str]) {
    let user = USER.to_string();
    let private = [&user, KEY, API_KEY, "a-wrong-key", "4111111111111111", "nonsense"];
    for line in lines {
        let text = line.to_string();
        let found = private.iter().chain(secrets).find(|secret| text.contains(**secret));
        assert_eq!(found, None, "{text}");
    }
}

/// The lines with this message.
fn said(lines: &[Value], msg: &str) -> Vec<Value> {
    lines.iter().filter(|line| line["msg"] == msg).cloned().collect()
}

/// The roles as processes of their own.
struct Apart {
    ports: [Ports; 4],
    products: Running,
    loms: Running,
    notifier: Running,
    cart: Running,
}

impl Apart {
    /// On Postgres and Kafka, with more or less said by the shop and by libraries.
    async fn start(database: &Database, topics: &Topics) -> Self {
        let kafka = [
            ("kafka.brokers", topics.settings.brokers.join(",")),
            ("kafka.topic", topics.settings.topic.clone()),
            ("kafka.dead_letter_topic", topics.settings.dead_letter_topic.clone()),
            ("notifier.group", format!("group-of-{}", topics.settings.topic)),
        ];
        let set = |name: &'static str, value: &str| (name, value.to_owned());
        let ports = [Ports::free(), Ports::free(), Ports::free(), Ports::free()];
        let [of_products, of_loms, of_notifier, of_cart] = &ports;
        let chatty = [set("log.libraries", "trace"), set("log.level", "trace")];
        let products = start("products", of_products, &chatty);
        let mut settings = vec![("postgres.url", database.url()), set("log.libraries", "info")];
        settings.extend(kafka.clone());
        let loms = start("loms", of_loms, &settings);
        let mut settings = vec![set("log.libraries", "debug"), set("log.level", "debug")];
        settings.extend(kafka);
        let notifier = start("notifier", of_notifier, &settings);
        let settings = [
            ("cart.products.url", of_products.url("products.http")),
            ("cart.loms.url", of_loms.url("loms.grpc")),
            set("cart.products.warm_up", "false"),
            // Long enough for first calls on a machine that does other things too.
            set("cart.request_timeout_ms", "25000"),
            set("cart.loms.timeout_ms", "20000"),
            set("cart.products.request_timeout_ms", "20000"),
            set(
                "log.targets",
                "reqwest=debug,hyper=debug,h2=debug,tonic=debug,tower=debug",
            ),
        ];
        let cart = start("cart", of_cart, &settings);
        let servers = ["products.http", "loms.http", "notifier.http", "cart.http"];
        for (ports, server) in ports.iter().zip(servers) {
            ready(&ports.url(server)).await;
        }
        Self {
            ports,
            products,
            loms,
            notifier,
            cart,
        }
    }
}

/// How many lines libraries have written.
fn of_libraries(lines: &[Value]) -> usize {
    let theirs = |line: &&Value| !line["target"].as_str().unwrap_or("app").starts_with("app");
    lines.iter().filter(theirs).count()
}

#[tokio::test]
async fn each_line_of_each_role_is_whole_and_each_request_has_its_line() {
    let (database, topics) = (Database::fresh().await, Topics::fresh(&Broker::shared(), &[]).await);
    database.stock(&[(1001, 100), (1002, 100)]).await;
    let password = database.settings().target.get_password().unwrap().to_vec();
    let password = String::from_utf8(password).unwrap();
    let apart = Apart::start(&database, &topics).await;
    let [of_products, of_loms, _, of_cart] = &apart.ports;
    let mut asker = Asker::new();
    let (cart, products) = (of_cart.url("cart.http"), of_products.url("products.http"));
    let bought = shop(&mut asker, &cart).await;
    orders(&mut asker, &of_loms.url("loms.http")).await;
    let product = ("GET", "/product/1001", "/product/{sku}");
    assert_eq!(asker.ask(("products", &products), product, "").await.status, 401);
    let notifier = apart.notifier;
    until("the events", async || {
        notifier.out().matches("order event").count() >= 4
    })
    .await;

    // LOMS goes: what fails for that is told once with its cause, and each request has its line.
    let of_loms = end(apart.loms).await;
    for _ in 0..5 {
        let path = format!("/user/{USER}/cart/1001");
        let asked = asker.ask(("cart", &cart), ("POST", &path, CART_ROUTE), r#"{"count":1}"#);
        assert_eq!(asked.await.status, 503);
    }
    let (of_products, of_notifier, of_cart) = (end(apart.products).await, end(notifier).await, end(apart.cart).await);

    for (service, lines) in [("cart", &of_cart), ("loms", &of_loms), ("products", &of_products)] {
        asker.look(service, lines);
    }
    for lines in [&of_cart, &of_loms, &of_products, &of_notifier] {
        no_private(lines, &[&password]);
        assert_eq!(said(lines, "stopped").len(), 1);
    }
    let failed = said(&of_cart, "unavailable");
    assert_eq!(failed.len(), 1, "told once, not five times: {failed:?}");
    assert!(
        failed[0]["error"].as_str().unwrap().contains(": "),
        "with its cause: {failed:?}"
    );
    let trace = failed[0]["trace_id"].as_str().unwrap();
    assert!(
        traces(&of_cart, "request failed").contains(trace),
        "with the trace of its request"
    );
    let mut calls = of_loms
        .iter()
        .filter(|line| line["route"] == "/loms.v1.Loms/OrderCreate");
    assert!(calls.any(|line| line["trace_id"] == bought.as_str() && line["method"] == "gRPC"));
    assert!(traces(&of_notifier, "order event").contains(&bought));
    assert!(
        of_libraries(&of_products) > 0 && of_libraries(&of_cart) > 0,
        "libraries were heard too"
    );
}

#[tokio::test]
async fn all_roles_in_one_process_write_lines_as_they_do_apart() {
    let ports = Ports::free();
    // Nobody answers there: events wait, and that is told now and then.
    let broker = format!("127.0.0.1:{}", free_port());
    let settings = [
        ("kafka.brokers", broker),
        ("relay.retry_pause_ms", "1".to_owned()),
        ("relay.retry_pause_max_ms", "20".to_owned()),
    ];
    let app = start("all", &ports, &settings);
    let (cart, loms) = (ports.url("cart.http"), ports.url("loms.http"));
    ready(&cart).await;
    let mut asker = Asker::new();
    let bought = shop(&mut asker, &cart).await;
    orders(&mut asker, &loms).await;
    let suppressed = async || {
        let metrics = reqwest::get(format!("{cart}/metrics"))
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix("app_log_failures_suppressed_total "));
        line.map_or(0.0, |value| value.parse::<f64>().unwrap())
    };
    until("repeated failures", async || suppressed().await >= 3.0).await;
    let lines = end(app).await;
    for service in ["cart", "loms"] {
        asker.look(service, &lines);
    }
    no_private(&lines, &[]);
    let waits = said(&lines, "events wait in the outbox");
    assert!(
        (1..=4).contains(&waits.len()),
        "an outage does not fill the log: {waits:?}"
    );
    assert!(
        waits
            .iter()
            .all(|line| line["suppressed"].is_u64() && line["error"].is_string())
    );
    assert!(traces(&lines, "request").contains(&bought));
}
