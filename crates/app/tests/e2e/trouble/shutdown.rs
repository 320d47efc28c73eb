//! An end under load: what was taken is answered, what was answered is told, nothing is done for a
//! request that was not answered, and the ports are free at once.

use std::collections::HashSet;
use std::time::Duration;

use futures::future::join_all;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::fake_products::{FakeProducts, Mood};
use super::proxy::{Fault, Proxy};
use crate::audit::{loms, order_of};
use crate::harness::{App, free_port};

const STOCK: &[(i64, u32)] = &[(1, 10_000_000)];
const CONNECTIONS: i64 = 16;

/// Orders over one connection of HTTP, one after the other, until it ends; the orders made. An
/// answer that began is whole.
async fn http_orders(gateway: String, user: i64) -> Vec<i64> {
    let mut made = Vec::new();
    let Ok(mut stream) = TcpStream::connect(gateway.trim_start_matches("http://")).await else {
        return made;
    };
    let body = format!(r#"{{"userId":{user},"items":[{{"sku":1,"count":1}}]}}"#);
    let request = format!(
        "POST /order/create HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    while stream.write_all(request.as_bytes()).await.is_ok() {
        let Some((status, body)) = answer(&mut stream).await else {
            return made;
        };
        assert_eq!(status, 200, "{body}");
        made.push(body["orderId"].as_str().unwrap().parse().unwrap());
    }
    made
}

/// The next answer of a connection; `None` where it ended before one began.
async fn answer(stream: &mut TcpStream) -> Option<(u16, Value)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) if head.is_empty() => return None,
            Err(error) => panic!("half an answer: {error}: {}", String::from_utf8_lossy(&head)),
        }
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head
        .split("content-length: ")
        .nth(1)
        .unwrap()
        .split("\r\n")
        .next()
        .unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).await.expect("a whole body");
    Some((head[9..12].parse().unwrap(), serde_json::from_slice(&body).unwrap()))
}

/// Orders over a connection of gRPC, eight at a time, until it ends.
async fn grpc_orders(app: &App, user: i64) -> JoinSet<Vec<i64>> {
    let client = loms(app).await;
    let mut callers = JoinSet::new();
    for _ in 0..8 {
        let mut client = client.clone();
        callers.spawn(async move {
            let mut made = Vec::new();
            while let Ok(answer) = client.order_create(order_of(user, 1, 1)).await {
                made.push(answer.into_inner().order_id);
            }
            made
        });
    }
    callers
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_under_load_does_nothing_that_is_not_answered_and_tells_all_that_is() {
    let names = ["cart.http", "products.http", "loms.grpc", "loms.http", "notifier.http"];
    let ports = names.map(|name| (name, free_port()));
    let app = App::start("all", STOCK, &[], &ports).await;
    let mut http = JoinSet::new();
    for user in 1..=CONNECTIONS {
        http.spawn(http_orders(app.gateway.clone(), user));
    }
    let grpc = join_all((101..=104).map(|user| grpc_orders(&app, user))).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    app.terminate();
    let mut answered: Vec<i64> = http.join_all().await.concat();
    for callers in grpc {
        answered.extend(callers.join_all().await.concat());
    }
    let events = app.ended().await;
    let told: HashSet<i64> = events
        .iter()
        .filter(|(_, status)| status == "awaiting payment")
        .map(|(order, _)| *order)
        .collect();
    let count = answered.len();
    let answered: HashSet<i64> = answered.into_iter().collect();
    assert!(count == answered.len() && count > 200, "{count} orders");
    let untold: Vec<_> = answered.difference(&told).collect();
    assert!(untold.is_empty(), "answered, never told: {untold:?}");
    let unanswered: Vec<_> = told.difference(&answered).collect();
    assert!(unanswered.is_empty(), "made, never answered: {unanswered:?}");
    let again = App::start("all", STOCK, &[], &ports).await;
    assert_eq!((again.add(1, 1, 1).await, again.checkout(1).await.0), (201, 200));
    again.stop().await;
}

/// The notifier is far behind when the end is asked for: what was answered is told all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_of_events_is_told_before_the_end() {
    let narrow = [
        ("relay.batch_max", "4"),
        ("relay.retry_pause_ms", "5"),
        ("notifier.stream_max", "8"),
        ("notifier.batch_max", "1"),
    ];
    let app = App::all(STOCK, &narrow).await;
    let client = loms(&app).await;
    let orders = (1..=500).map(|user| {
        let mut client = client.clone();
        async move { client.order_create(order_of(user, 1, 1)).await.unwrap() }
    });
    join_all(orders).await;
    app.terminate();
    assert_eq!(app.ended().await.len(), 1000);
}

/// Requests that wait for others when the end is asked for: all of them are answered.
#[tokio::test(flavor = "multi_thread")]
async fn requests_that_wait_for_products_and_loms_are_answered_before_the_end() {
    let products = FakeProducts::start(Mood::Good);
    let loms = App::start("loms", &[(1, 1000), (2, 1000)], &[], &[]).await;
    let link = Proxy::to(&loms.grpc).await;
    let settings = [
        ("cart.products.url", products.url.as_str()),
        ("cart.products.warm_up", "false"),
        ("cart.products.request_timeout_ms", "5000"),
        ("cart.loms.url", &link.url),
    ];
    let cart = App::start("cart", &[], &settings, &[]).await;
    for user in 1..=10 {
        assert_eq!(cart.add(user, 1, 1).await, 201);
    }
    let asked = products.arrived();
    products.set(Mood::Late(Duration::from_millis(1_500)));
    link.set(Fault::Delay(Duration::from_millis(700)));
    let waiting = async {
        let checkouts = join_all((1..=10).map(|user| cart.checkout(user)));
        let adds = join_all((11..=40).map(|user| cart.add(user, 2, 1)));
        tokio::join!(checkouts, adds)
    };
    let end = async {
        cart.until(async || products.arrived() > asked).await;
        // All of them have been read by then, also on a busy machine.
        tokio::time::sleep(Duration::from_millis(500)).await;
        cart.terminate();
    };
    let ((checkouts, adds), ()) = tokio::join!(waiting, end);
    assert!(checkouts.iter().all(|(status, _)| *status == 200), "{checkouts:?}");
    assert_eq!(adds, [201; 30]);
    cart.ended().await;
    assert_eq!(loms.free(1).await, 990);
    loms.stop().await;
}
