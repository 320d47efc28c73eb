//! The caller's connection is cut at random moments of its calls: afterwards carts, orders, stock
//! and events agree.

use std::time::Duration;

use adapters::grpc::proto::OrderPayRequest;
use adapters::grpc::proto::loms_client::LomsClient;
use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::proxy::{Fault, Proxy};
use crate::audit::{agree, order_of, told, units};
use crate::harness::App;

const STOCK: &[(i64, u32)] = &[(1, 100_000), (2, 100_000)];
const LANES: i64 = 4;
/// Cuts of a lane: 100 of each call, over all lanes.
const CUTS: usize = 100;

/// What a lane did to its cart: adds of one unit that were answered, and those that were cut.
#[derive(Default)]
struct Adds {
    answered: i64,
    cut: i64,
}

/// Sends an HTTP request, or a part of it, and goes away.
async fn cut_http(random: &mut StdRng, base: &str, path: &str, body: &str) {
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let sent = match random.random_range(0..4) {
        0 => random.random_range(1..request.len()),
        _ => request.len(),
    };
    let mut stream = TcpStream::connect(base.trim_start_matches("http://")).await.unwrap();
    stream.write_all(&request.as_bytes()[..sent]).await.unwrap();
    if random.random_bool(0.5) {
        stream.set_zero_linger().unwrap(); // the end is a reset
    }
    tokio::time::sleep(Duration::from_micros(random.random_range(0..3000))).await;
}

/// Calls LOMS over a connection of its own, and goes away or has the connection broken.
async fn cut_grpc(random: &mut StdRng, link: &Proxy, user: i64, pay: Option<i64>) {
    let mut client = LomsClient::connect(link.url.clone()).await.unwrap();
    let call = tokio::spawn(async move {
        let _ = match pay {
            Some(order_id) => client.order_pay(OrderPayRequest { order_id }).await.map(drop),
            None => client.order_create(order_of(user, 2, 3)).await.map(drop),
        };
    });
    tokio::time::sleep(Duration::from_micros(random.random_range(0..4000))).await;
    if random.random_bool(0.5) {
        call.abort();
    } else {
        link.set(Fault::Cut);
        tokio::time::sleep(Duration::from_millis(5)).await;
        link.set(Fault::Pass);
    }
    let _ = call.await;
}

async fn lane(app: &App, user: i64) -> Adds {
    let mut random = StdRng::seed_from_u64(u64::try_from(user).unwrap());
    let link = Proxy::to(&app.grpc).await;
    let mut adds = Adds::default();
    for _ in 0..CUTS {
        assert!(matches!(app.add(user, 1, 1).await, 200 | 201));
        adds.answered += 1;
        match random.random_range(0..4) {
            0 => {
                adds.cut += 1;
                let path = format!("/user/{user}/cart/1");
                cut_http(&mut random, &app.cart, &path, r#"{"count":1}"#).await;
            }
            1 => cut_http(&mut random, &app.cart, &format!("/checkout/{user}"), "").await,
            2 => cut_grpc(&mut random, &link, user, None).await,
            _ => {
                let order = random.random_range(1..60);
                cut_grpc(&mut random, &link, user, Some(order)).await;
            }
        }
    }
    adds
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_that_are_cut_off_leave_carts_orders_stock_and_events_in_agreement() {
    let app = App::all(STOCK, &[]).await;
    let lanes = join_all((1..=LANES).map(|user| lane(&app, user))).await;
    // What still runs of them is small and local.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let orders = agree(&app, STOCK).await;
    assert!(orders.len() > 50, "only {} orders were made", orders.len());
    for (user, adds) in (1..).zip(lanes) {
        let ordered = units(orders.values().filter(|order| order.user_id == user));
        let in_cart: i64 = app.content(user).await.iter().map(|(_, count)| count).sum();
        let all = ordered.get(&1).copied().unwrap_or(0) + in_cart;
        let possible = adds.answered..=adds.answered + adds.cut;
        assert!(
            possible.contains(&all),
            "user {user}: {all} units, {possible:?} were added"
        );
        // Nothing was left half done that would stop the next.
        assert!(matches!(app.checkout(user).await.0, 200 | 404));
    }
    let orders = agree(&app, STOCK).await;
    let statuses = |wanted: &str| orders.values().filter(|order| order.status == wanted).count();
    assert!(statuses("payed") > 0 && statuses("awaiting payment") > 0);
    told(&app.stop().await, &orders);
}
