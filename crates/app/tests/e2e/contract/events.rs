//! Order events as the notifier tells them: every change, once, in order per order, by whatever way
//! it came; and the change that nobody asks for, expiry.

use std::collections::{BTreeMap, BTreeSet};

use adapters::grpc::proto::{OrderCancelRequest, OrderPayRequest};
use reqwest::Method;
use serde_json::{Value, json};

use crate::audit::{loms, order_of};
use crate::harness::{App, PATIENCE};
use crate::process::{Folder, Ports, Running, ready};

#[tokio::test]
async fn an_order_that_is_not_paid_in_time_is_cancelled_with_its_event() {
    let settings = [
        ("order.payment_window_seconds", "1"),
        ("order.expiry_interval_ms", "20"),
    ];
    let app = App::all(&[(1, 10)], &settings).await;
    let mut client = loms(&app).await;
    for user in 1..=2 {
        client.order_create(order_of(user, 1, 3)).await.unwrap();
    }
    client.order_pay(OrderPayRequest { order_id: 1 }).await.unwrap();
    assert_eq!(
        (app.free(1).await, &app.order(2).await.1["status"]),
        (4, &json!("awaiting payment"))
    );
    app.until(async || app.order(2).await.1["status"] == "cancelled").await;
    assert_eq!(
        (app.free(1).await, &app.order(1).await.1["status"]),
        (7, &json!("payed"))
    );
    let (status, refused) = app
        .call(
            Method::POST,
            &format!("{}/order/pay", app.gateway),
            Some(r#"{"orderId":2}"#),
        )
        .await;
    assert_eq!((status.as_u16(), &refused["code"]), (400, &json!(9)));
    let mut ways = BTreeMap::<i64, Vec<String>>::new();
    for (order, status) in app.stop().await {
        ways.entry(order).or_default().push(status);
    }
    assert_eq!(ways[&1], ["new", "awaiting payment", "payed"]);
    assert_eq!(ways[&2], ["new", "awaiting payment", "cancelled"]);
}

/// Four orders, by three ways: one is payed, one cancelled, one fails, one stays.
async fn story(ports: &Ports) {
    let http = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
    let post = async |url: String, body: &'static str| {
        let request = http.post(url).header("content-type", "application/json");
        request.body(body).send().await.unwrap().status().as_u16()
    };
    let (cart, gateway) = (ports.url("cart.http"), ports.url("loms.http"));
    assert_eq!(post(format!("{cart}/user/1/cart/1"), r#"{"count":2}"#).await, 201);
    assert_eq!(post(format!("{cart}/checkout/1"), "").await, 200);
    let url = ports.url("loms.grpc");
    let mut client = adapters::grpc::proto::loms_client::LomsClient::connect(url)
        .await
        .unwrap();
    client.order_create(order_of(2, 1, 1)).await.unwrap();
    client.order_create(order_of(2, 1, 99)).await.unwrap_err();
    let order = r#"{"userId":3,"items":[{"sku":1,"count":1}]}"#;
    assert_eq!(post(format!("{gateway}/order/create"), order).await, 200);
    for _ in 0..2 {
        assert_eq!(post(format!("{gateway}/order/pay"), r#"{"orderId":1}"#).await, 200);
        client.order_cancel(OrderCancelRequest { order_id: 2 }).await.unwrap();
        client.order_pay(OrderPayRequest { order_id: 3 }).await.unwrap_err();
    }
}

#[tokio::test]
async fn every_change_is_one_line_in_order_and_repeats_are_none() {
    let folder = Folder::new();
    let ports = Ports::free();
    let mut arguments = ports.arguments("all");
    let (catalogue, stock) = (
        folder.catalogue("catalogue.json", 1..=1),
        folder.file("stock.json", r#"[{"sku":1,"total_count":10}]"#),
    );
    arguments.extend(["--catalogue".to_owned(), catalogue, "--stock".to_owned(), stock]);
    let app = Running::start(&arguments, &[]);
    ready(&ports.url("cart.http")).await;
    story(&ports).await;
    app.signal("TERM");
    let ended = app.ended().await;
    assert_eq!(ended.code, Some(0));
    let lines = ended
        .out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let events: Vec<Value> = lines.filter(|line| line["msg"] == "order event").collect();
    let mut ways = BTreeMap::<i64, Vec<&str>>::new();
    for event in &events {
        let order = event["order_id"].as_i64().unwrap();
        ways.entry(order).or_default().push(event["status"].as_str().unwrap());
        assert_eq!(event["service"], "notifier");
        let moment = event["moment"].as_str().unwrap();
        assert!(
            moment.len() == "2026-01-02T03:04:05.678Z".len() && moment.ends_with('Z'),
            "{moment}"
        );
    }
    let expected = [
        (1, vec!["new", "awaiting payment", "payed"]),
        (2, vec!["new", "awaiting payment", "cancelled"]),
        (3, vec!["new", "failed"]),
        (4, vec!["new", "awaiting payment"]),
    ];
    assert_eq!(ways, BTreeMap::from(expected));
    let ids: BTreeSet<&str> = events.iter().map(|event| event["event_id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), events.len(), "an id twice");
}
