//! LOMS over a real broker, and over one that does not answer.

use std::net::TcpListener;

use adapters::kafka::testing::{Broker, Standing, Topics};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::harness::App;

const STOCK: &[(i64, u32)] = &[(1, 100)];

async fn order(loms: &App) -> i64 {
    let url = format!("{}/order/create", loms.gateway);
    let body = r#"{"userId":1,"items":[{"sku":1,"count":1}]}"#;
    let (status, answer) = loms.call(Method::POST, &url, Some(body)).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer["orderId"].as_str().unwrap().parse().unwrap()
}

async fn readiness(loms: &App) -> (StatusCode, Value) {
    loms.call(Method::GET, &format!("{}/readyz", loms.gateway), None).await
}

#[tokio::test]
async fn what_happens_to_an_order_stands_in_the_topic() {
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    let settings = [
        ("kafka.brokers", topics.settings.brokers[0].as_str()),
        ("kafka.topic", &topics.settings.topic),
        ("kafka.dead_letter_topic", &topics.settings.dead_letter_topic),
    ];
    let loms = App::start("loms", STOCK, &settings, &[]).await;
    let mut expected = Vec::new();
    for call in ["pay", "cancel"] {
        let order = order(&loms).await;
        let (url, body) = (
            format!("{}/order/{call}", loms.gateway),
            json!({ "orderId": order }).to_string(),
        );
        assert_eq!(loms.call(Method::POST, &url, Some(&body)).await.0, StatusCode::OK);
        let last = if call == "pay" { "payed" } else { "cancelled" };
        expected.push((order, vec!["new", "awaiting payment", last]));
    }
    let (status, said) = readiness(&loms).await;
    assert_eq!((status, said), (StatusCode::OK, json!({ "status": "ready" })));
    loms.stop().await; // which sends what is left
    let standing = topics.read(&topics.settings.topic).await;
    for (order, statuses) in expected {
        assert_eq!(of(&standing, order), statuses);
    }
    assert_eq!(standing.len(), 6);
}

/// The statuses of an order, in the order of the topic.
fn of(standing: &[Standing], order: i64) -> Vec<String> {
    let values = standing.iter().filter(|message| message.key == order.to_string());
    let values = values.map(|message| serde_json::from_str::<Value>(&message.value).unwrap());
    values
        .map(|value| value["status"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn without_an_answer_from_the_broker_orders_go_on_and_the_end_is_in_time() {
    // One that takes connections and never says a word, as a frozen one does; and none at all.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let frozen = silent.local_addr().unwrap().to_string();
    for broker in [frozen.as_str(), "127.0.0.1:1"] {
        let loms = App::start("loms", STOCK, &[("kafka.brokers", broker)], &[]).await;
        order(&loms).await;
        let degraded = json!({ "status": "ready", "degraded": ["broker"] });
        assert_eq!(readiness(&loms).await, (StatusCode::OK, degraded), "{broker}");
        order(&loms).await;
        loms.stop().await; // code 0: within the grace period
    }
}
