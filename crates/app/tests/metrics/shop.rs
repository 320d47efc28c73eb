//! All roles apart, on Postgres and Kafka, with a story that makes everything happen that is counted.

use std::time::Duration;

use adapters::grpc::proto::OrderInfoRequest;
use adapters::grpc::proto::loms_client::LomsClient;
use adapters::kafka::testing::{Broker, Topics};
use adapters::postgres::testing::Database;
use reqwest::Method;
use serde_json::json;

use super::harness::{App, PATIENCE};
use super::scrape::{Scraped, scrape};
use super::table::{disagreements, table};

struct Shop {
    products: App,
    loms: App,
    cart: App,
    /// Writes lines, and posts to a webhook that refuses.
    notifiers: [App; 2],
}

impl Shop {
    async fn open(database: &Database, topics: &Topics) -> Self {
        let products = App::start("products", &[], &[], &[]).await;
        let kafka = &topics.settings;
        let group = format!("group-of-{}", kafka.topic);
        let broker = [
            ("kafka.brokers", kafka.brokers[0].as_str()),
            ("kafka.topic", &kafka.topic),
            ("kafka.dead_letter_topic", &kafka.dead_letter_topic),
        ];
        let postgres = database.url();
        let ledger = [
            ("postgres.url", postgres.as_str()),
            ("audit.interval_seconds", "1"),
            ("order.payment_window_seconds", "3600"),
        ];
        let loms = App::start("loms", &[], &[&broker[..], &ledger].concat(), &[]).await;
        let neighbours = [
            ("cart.products.url", products.products.as_str()),
            ("cart.loms.url", &loms.grpc),
        ];
        let cart = App::start("cart", &[], &neighbours, &[]).await;
        let named = [("notifier.group", group.as_str())];
        let lines = App::start("notifier", &[], &[&broker[..], &named].concat(), &[]).await;
        // There is no POST: 405 refuses the event for good.
        let (group, hook) = (format!("{group}-hook"), format!("{}/product", products.products));
        let posts = [
            ("notifier.group", group.as_str()),
            ("notifier.sink", "webhook"),
            ("notifier.webhook.url", &hook),
            ("notifier.webhook.secret", "a secret of at least 16 bytes"),
        ];
        let hook = App::start("notifier", &[], &[&broker[..], &posts].concat(), &[]).await;
        Self {
            products,
            loms,
            cart,
            notifiers: [lines, hook],
        }
    }

    async fn story(&self) {
        let (cart, loms) = (&self.cart, &self.loms);
        let statuses = [
            cart.add(1, 1, 2).await,
            cart.add(1, 1, 1).await,
            cart.add(1, 99, 1).await,
            cart.add(1, 2, 11).await,
        ];
        assert_eq!(statuses, [201, 200, 412, 412]);
        assert_eq!(cart.content(1).await, [(1, 3)]);
        assert_eq!((cart.checkout(1).await.0, cart.checkout(1).await.0), (200, 404));
        let mut orders = Vec::new();
        for count in [1, 2, 1000] {
            let body = json!({ "userId": 1, "items": [{ "sku": 1, "count": count }] }).to_string();
            let (_, answer) = loms
                .call(Method::POST, &format!("{}/order/create", loms.gateway), Some(&body))
                .await;
            orders.extend(answer["orderId"].as_str().map(str::to_owned));
        }
        assert_eq!(orders.len(), 2);
        for (call, order) in [("pay", &orders[0]), ("cancel", &orders[1]), ("cancel", &orders[0])] {
            let (url, body) = (
                format!("{}/order/{call}", loms.gateway),
                json!({ "orderId": order }).to_string(),
            );
            loms.call(Method::POST, &url, Some(&body)).await;
        }
        assert_eq!(loms.order(orders[0].parse().unwrap()).await.0, 200);
        let mut client = LomsClient::connect(loms.grpc.clone()).await.unwrap();
        client
            .order_info(OrderInfoRequest { order_id: 999_999_999 })
            .await
            .unwrap_err();
    }

    /// The roles, and where each is scraped.
    fn roles(&self) -> [(&'static str, &str); 5] {
        [
            ("products", &self.products.products),
            ("loms", &self.loms.gateway),
            ("cart", &self.cart.cart),
            ("notifier", &self.notifiers[0].notifier),
            ("notifier", &self.notifiers[1].notifier),
        ]
    }

    async fn close(self) {
        let [lines, _hook] = self.notifiers; // the other one logs its dead letters as errors
        for app in [self.cart, lines, self.loms, self.products] {
            app.stop().await;
        }
    }
}

/// Scrapes until this holds.
async fn until(base: &str, holds: impl Fn(&Scraped) -> bool) -> Scraped {
    let waited = tokio::time::timeout(PATIENCE, async {
        loop {
            let scraped = scrape(base).await;
            if holds(&scraped) {
                return scraped;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    waited.await.expect("it never held")
}

/// What comes only with a webhook, or only without an event that is refused.
const SOMETIMES: [&str; 5] = [
    "http_client_requests_total",
    "http_client_request_duration_seconds",
    "messaging_client_sent_messages_total",
    "messaging_client_operations_total",
    "messaging_client_operation_duration_seconds",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_role_exposes_what_the_table_says_and_the_numbers_are_right() {
    let database = Database::fresh().await;
    database.stock(&[(1, 10), (2, 10)]).await;
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    let shop = Shop::open(&database, &topics).await;
    shop.story().await;
    // Ten changes: four orders, of which one failed, one was payed and one cancelled.
    let [lines, hook] = &shop.notifiers;
    until(&lines.notifier, |seen| {
        seen.sum("notifier_handled_events_total", &[]) == 10.0
    })
    .await;
    until(&hook.notifier, |seen| {
        seen.sum("notifier_dead_letters_total", &[]) == 10.0
    })
    .await;
    until(&shop.loms.gateway, |seen| {
        seen.sum("loms_audit_last_success_timestamp_seconds", &[]) > 0.0
    })
    .await;
    let table = table();
    for (role, base) in shop.roles() {
        let wrong = |seen: &Scraped| {
            let mut wrong = disagreements(role, seen, &table);
            if base == lines.notifier {
                wrong.retain(|wrong| !SOMETIMES.iter().any(|name| wrong.starts_with(name)));
            }
            wrong
        };
        // Some come by themselves, once a second.
        let waited = tokio::time::timeout(Duration::from_secs(10), until(base, |seen| wrong(seen).is_empty()));
        if waited.await.is_err() {
            panic!("{role}: {:#?}", wrong(&scrape(base).await));
        }
    }
    orders_in_numbers(&scrape(&shop.loms.gateway).await);
    cart_in_numbers(&scrape(&shop.cart.cart).await);
    shop.close().await;
}

fn orders_in_numbers(loms: &Scraped) {
    let changes = |status| loms.sum("loms_order_status_changes_total", &[("status", status)]);
    let found = ["new", "awaiting payment", "failed", "payed", "cancelled"].map(changes);
    assert_eq!(found, [4.0, 3.0, 1.0, 1.0, 1.0]);
    let units = ["reserved", "sold", "released"].map(|what| loms.sum(&format!("loms_stock_{what}_units_total"), &[]));
    assert_eq!(units, [6.0, 1.0, 2.0]);
    let refused = |reason| loms.sum("loms_order_refusals_total", &[("reason", reason)]);
    assert_eq!(
        ["not_enough_stock", "illegal_status", "queue_full"].map(refused),
        [1.0, 1.0, 0.0]
    );
    assert_eq!(loms.sum("loms_outbox_published_events_total", &[]), 10.0);
    assert_eq!(loms.sum("messaging_client_sent_messages_total", &[]), 10.0);
    assert_eq!(loms.sum("loms_audit_violations", &[]), 0.0);
    let sent = |query| {
        loms.sum(
            "db_client_operations_total",
            &[("db_query_summary", query), ("error_type", "")],
        )
    };
    assert_eq!(
        ["insert_orders", "insert_keys", "settle_orders"].map(sent),
        [4.0, 1.0, 2.0]
    );
    assert!(sent("lock_stock") >= 4.0 && sent("begin") >= 6.0 && sent("commit") >= 6.0);
    let timed = loms.sum(
        "db_client_operation_duration_seconds_count",
        &[("db_query_summary", "insert_orders")],
    );
    assert_eq!(timed, 4.0);
    assert_eq!(
        loms.sum("loms_replica_in_use", &[]),
        1.0,
        "the standby, and not the primary"
    );
    let of = [
        ("rpc_method", "loms.v1.Loms/OrderInfo"),
        ("rpc_response_status_code", "NOT_FOUND"),
    ];
    assert_eq!(loms.sum("rpc_server_calls_total", &of), 1.0);
}

fn cart_in_numbers(cart: &Scraped) {
    let added = |outcome| cart.sum("cart_additions_total", &[("outcome", outcome)]);
    assert_eq!(["added", "unknown_sku", "not_enough_stock"].map(added), [2.0, 1.0, 1.0]);
    let checked_out = |outcome| cart.sum("cart_checkouts_total", &[("outcome", outcome)]);
    assert_eq!(["ordered", "empty", "refused"].map(checked_out), [1.0, 1.0, 0.0]);
    let of = [
        ("rpc_method", "loms.v1.Loms/OrderCreate"),
        ("rpc_response_status_code", "OK"),
    ];
    assert_eq!(cart.sum("rpc_client_calls_total", &of), 1.0);
    let of = [
        ("http_route", "/checkout/{user_id}"),
        ("http_response_status_code", "404"),
    ];
    assert_eq!(cart.sum("http_server_requests_total", &of), 1.0);
    assert!(cart.sum("http_client_requests_total", &[("error_type", "")]) >= 1.0);
    assert!(cart.sum("process_resident_memory_bytes", &[]) > 1e6);
    assert!(cart.sum("tokio_workers", &[]) >= 1.0);
    assert_eq!(cart.sum("app_build_info", &[("role", "cart")]), 1.0);
}
