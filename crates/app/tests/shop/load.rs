//! Many at once, callers that go away, and an end under load: winners are counted, and cart,
//! orders, stock and events agree afterwards.

use std::collections::HashMap;
use std::time::Duration;

use adapters::grpc::proto::loms_client::LomsClient;
use adapters::grpc::proto::{Item, OrderCancelRequest, OrderCreateRequest, OrderPayRequest};
use futures::StreamExt;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reqwest::Client;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tonic::Request;

use super::harness::App;

fn order_of(user: i64, sku: i64, count: u32) -> OrderCreateRequest {
    OrderCreateRequest {
        user_id: user,
        items: vec![Item { sku, count }],
    }
}

/// Every order that the ledger knows: units that it holds or sold, by sku, as the audit counts them.
async fn units_of_orders(app: &App, sku: i64) -> i64 {
    let (mut units, sku_text) = (0, sku.to_string());
    for id in 1.. {
        let (status, order) = app.order(id).await;
        if status == 404 {
            return units;
        }
        if matches!(order["status"].as_str(), Some("awaiting payment" | "payed")) {
            let items = order["items"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|item| item["sku"].as_str() == Some(&*sku_text));
            units += items.map(|item| item["count"].as_i64().unwrap()).sum::<i64>();
        }
    }
    units
}

/// The events are those of the state machine, in order per order, each once.
fn assert_histories(events: &[(i64, String)]) {
    let mut orders: HashMap<i64, Vec<&str>> = HashMap::new();
    for (order, status) in events {
        orders.entry(*order).or_default().push(status);
    }
    for (order, history) in orders {
        let legal = matches!(
            history[..],
            ["new", "failed"] | ["new", "awaiting payment"] | ["new", "awaiting payment", "payed" | "cancelled"]
        );
        assert!(legal, "order {order}: {history:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_buyers_of_a_hundred_units_make_a_hundred_orders() {
    let app = App::all(&[(1, 100)], &[]).await;
    let client = LomsClient::connect(app.grpc.clone()).await.unwrap();
    let won = futures::stream::iter(1..=10_000)
        .map(|user| {
            let mut client = client.clone();
            async move { client.order_create(order_of(user, 1, 1)).await }
        })
        .buffer_unordered(64)
        .filter(|answer| std::future::ready(answer.is_ok()))
        .count()
        .await;
    assert_eq!((won, app.free(1).await), (100, 0));
    let events = app.stop().await;
    assert_eq!(
        (
            events.len(),
            events.iter().filter(|(_, status)| status == "awaiting payment").count()
        ),
        (20_000, 100)
    );
    assert_histories(&events);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_payment_cancellation_and_expiry_one_wins() {
    const ROUNDS: i64 = 100;
    let settings = [
        ("order.payment_window_seconds", "1"),
        ("order.expiry_interval_ms", "10"),
    ];
    let app = App::all(&[(1, 1000)], &settings).await;
    let client = LomsClient::connect(app.grpc.clone()).await.unwrap();
    let mut creating = client.clone();
    for user in 1..=ROUNDS {
        creating.order_create(order_of(user, 1, 1)).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(900)).await;
    let rounds = futures::stream::iter(1..=ROUNDS).map(|order_id| {
        let (mut paying, mut cancelling) = (client.clone(), client.clone());
        async move {
            let pay = paying.order_pay(OrderPayRequest { order_id });
            let cancel = cancelling.order_cancel(OrderCancelRequest { order_id });
            let (payed, cancelled) = tokio::join!(pay, cancel);
            // Expiry cancels too, so a cancellation may succeed as a repeat; both never do.
            assert!(
                payed.is_ok() != cancelled.is_ok(),
                "order {order_id}: {payed:?} {cancelled:?}"
            );
            i64::from(payed.is_ok())
        }
    });
    let payed: i64 = rounds
        .buffer_unordered(32)
        .fold(0, |sum, one| std::future::ready(sum + one))
        .await;
    assert_eq!(app.free(1).await, 1000 - payed);
    let events = app.stop().await;
    assert_eq!(events.len(), 300);
    assert_histories(&events);
    assert_eq!(
        events.iter().filter(|(_, status)| status == "payed").count(),
        usize::try_from(payed).unwrap()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_checkouts_make_one_order_and_adds_meanwhile_stay() {
    let app = App::all(&[(1, 1_000_000)], &[]).await;
    for round in 1..=100 {
        assert_eq!(app.add(7, 1, 1).await, if round == 1 { 201 } else { 200 });
        let checkouts = futures::future::join_all((0..8).map(|_| app.checkout(7)));
        let (answers, added) = tokio::join!(checkouts, app.add(7, 1, 1));
        assert!(matches!(added, 200 | 201));
        let orders: std::collections::HashSet<_> = answers
            .iter()
            .filter(|(status, _)| *status == 200)
            .map(|(_, body)| body["order_id"].as_i64())
            .collect();
        // The unit that was added meanwhile may make an order of its own, and is never lost.
        assert!((1..=2).contains(&orders.len()), "{answers:?}");
        assert!(
            answers.iter().all(|(status, _)| matches!(status, 200 | 404)),
            "{answers:?}"
        );
        if app.content(7).await.is_empty() {
            assert_eq!(app.add(7, 1, 1).await, 201);
        }
    }
    let in_cart: i64 = app.content(7).await.iter().map(|(_, count)| count).sum();
    assert_eq!(in_cart, 1);
    assert_eq!(1_000_000 - app.free(1).await, units_of_orders(&app, 1).await);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_that_go_away_leave_everything_in_agreement() {
    let app = App::all(&[(1, 100_000)], &[]).await;
    let mut random = StdRng::seed_from_u64(4);
    for round in 0..100 {
        let (user, which) = (1 + round % 5, random.random_range(0..4));
        let (host, path, body) = match which {
            0 => (&app.cart, format!("/user/{user}/cart/1"), r#"{"count":2}"#.to_owned()),
            1 => (&app.cart, format!("/checkout/{user}"), String::new()),
            2 => (
                &app.gateway,
                "/order/create".to_owned(),
                format!(r#"{{"userId":{user},"items":[{{"sku":1,"count":3}}]}}"#),
            ),
            _ => (
                &app.gateway,
                "/order/pay".to_owned(),
                format!(r#"{{"orderId":{}}}"#, random.random_range(1..20)),
            ),
        };
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(host.trim_start_matches("http://")).await.unwrap();
        let cut = if random.random_bool(0.3) {
            random.random_range(1..request.len())
        } else {
            request.len()
        };
        stream.write_all(&request.as_bytes()[..cut]).await.unwrap();
        tokio::time::sleep(Duration::from_micros(random.random_range(0..1500))).await;
        drop(stream);
    }
    // Whatever was in flight has ended when every user's checkout is answered once more.
    for user in 1..=5 {
        assert!(matches!(app.checkout(user).await.0, 200 | 404));
        assert!(app.content(user).await.is_empty());
    }
    assert_eq!(100_000 - app.free(1).await, units_of_orders(&app, 1).await);
    assert_histories(&app.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_under_load_answers_what_was_accepted_and_tells_every_event() {
    let app = App::all(&[(1, 10_000_000)], &[]).await;
    let client = LomsClient::connect(app.grpc.clone()).await.unwrap();
    let http = Client::new();
    let create = format!("{}/order/create", app.gateway);
    let callers: Vec<_> = (1..=32_i64)
        .map(|user| {
            let (mut client, http, create) = (client.clone(), http.clone(), create.clone());
            tokio::spawn(async move {
                let mut made = Vec::new();
                loop {
                    let mut request = Request::new(order_of(user, 1, 1));
                    request.set_timeout(Duration::from_secs(10));
                    let Ok(answer) = client.order_create(request).await else {
                        return made;
                    };
                    made.push(answer.into_inner().order_id);
                    let body = format!(r#"{{"userId":{user},"items":[{{"sku":1,"count":1}}]}}"#);
                    let request = http.post(&create).header("content-type", "application/json").body(body);
                    let Ok(answer) = request.send().await else { return made };
                    if answer.status() != 200 {
                        return made;
                    }
                    let order: serde_json::Value = answer.json().await.expect("an accepted request is answered whole");
                    made.push(order["orderId"].as_str().unwrap().parse().unwrap());
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(700)).await;
    app.terminate();
    let mut made = Vec::new();
    for caller in callers {
        made.extend(caller.await.unwrap());
    }
    assert!(made.len() > 100, "{} orders", made.len());
    let events = app.ended().await;
    assert_histories(&events);
    let told: std::collections::HashSet<i64> = events
        .iter()
        .filter(|(_, status)| status == "awaiting payment")
        .map(|(order, _)| *order)
        .collect();
    let missing: Vec<_> = made.iter().filter(|order| !told.contains(order)).collect();
    assert!(missing.is_empty(), "answered and never told: {missing:?}");
}
