//! Calls that fail, take too long, or that nobody waits for any more, count as such.

use std::net::SocketAddr;
use std::time::Duration;

use adapters::grpc::proto::loms_client::LomsClient;
use adapters::grpc::proto::{Item, OrderCreateRequest, OrderInfoRequest};
use adapters::postgres::testing::Database;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tonic::Code;

use super::harness::App;
use super::scrape::{Scraped, scrape};

/// Passes bytes on, and holds answers back while it is told to.
async fn proxy(to: SocketAddr) -> (SocketAddr, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, (frozen, watching)) = (listener.local_addr().unwrap(), watch::channel(false));
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let (mut watching, Ok(far)) = (watching.clone(), TcpStream::connect(to).await) else {
                continue;
            };
            let (mut from_near, mut to_near) = near.into_split();
            let (mut from_far, mut to_far) = far.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut from_near, &mut to_far).await });
            tokio::spawn(async move {
                let mut bytes = [0; 4096];
                while let Ok(read @ 1..) = from_far.read(&mut bytes).await {
                    let thawed = watching.wait_for(|frozen| !frozen).await.is_ok();
                    if !thawed || to_near.write_all(&bytes[..read]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, frozen)
}

fn order(count: u32) -> OrderCreateRequest {
    OrderCreateRequest {
        user_id: 1,
        items: vec![Item { sku: 1, count }],
    }
}

fn statements(seen: &Scraped, query: &str, error: &str) -> f64 {
    seen.sum(
        "db_client_operations_total",
        &[("db_query_summary", query), ("error_type", error)],
    )
}

fn calls(seen: &Scraped, method: &str, code: &str) -> f64 {
    let method = format!("loms.v1.Loms/{method}");
    seen.sum(
        "rpc_server_calls_total",
        &[("rpc_method", &method), ("rpc_response_status_code", code)],
    )
}

/// The gRPC call of the order is given up; the server learns it.
async fn give_up(loms: &App) {
    let mut client = LomsClient::connect(loms.grpc.clone()).await.unwrap();
    let waited = tokio::time::timeout(Duration::from_millis(50), client.order_create(order(1))).await;
    assert!(waited.is_err(), "it waits for the row");
    loms.until(async || calls(&scrape(&loms.gateway).await, "OrderCreate", "CANCELLED") == 1.0)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_takes_too_long_or_is_given_up_counts_as_such() {
    let database = Database::fresh().await;
    database.stock(&[(1, 10)]).await;
    let servers = database.servers().primary.clone();
    let port = servers.get_ports()[0];
    let (proxy, frozen) = proxy(([127, 0, 0, 1], port).into()).await;
    let url = database.url_at(&[proxy.port()]);
    let loms = App::start("loms", &[], &[("postgres.url", url.as_str())], &[]).await;
    let mut client = LomsClient::connect(loms.grpc.clone()).await.unwrap();
    let placed = client.order_create(order(1)).await.unwrap().into_inner().order_id;

    let admin = database.admin().await;
    admin
        .batch_execute("begin; select from stock for update")
        .await
        .unwrap();
    give_up(&loms).await;
    let held = client.order_create(order(1)).await.unwrap_err();
    assert_eq!(held.code(), Code::Unavailable, "{held:?}");
    admin.batch_execute("rollback").await.unwrap();
    let seen = scrape(&loms.gateway).await;
    assert!(
        statements(&seen, "lock_stock", "55") >= 1.0,
        "no lock within lock_timeout"
    );
    assert!(seen.sum("loms_order_refusals_total", &[("reason", "held_rows")]) >= 1.0);
    assert!(seen.sum("loms_batch_duration_seconds_count", &[("outcome", "contended")]) >= 1.0);

    frozen.send_replace(true);
    let unread = client
        .order_info(OrderInfoRequest { order_id: placed })
        .await
        .unwrap_err();
    assert_eq!(unread.code(), Code::Unavailable, "{unread:?}");
    let seen = scrape(&loms.gateway).await;
    assert!(statements(&seen, "order_by_id", "timeout") >= 1.0);
    assert_eq!(calls(&seen, "OrderInfo", "UNAVAILABLE"), 1.0);
    frozen.send_replace(false);
    loms.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_caller_is_gone_counts_as_cancelled() {
    let slow = [("products.misbehave.delay_ms", "3000")];
    let products = App::start("products", &[], &slow, &[]).await;
    let address = products.products.trim_start_matches("http://").to_owned();
    let mut caller = TcpStream::connect(&address).await.unwrap();
    caller
        .write_all(b"GET /product/1 HTTP/1.1\r\nhost: here\r\nx-api-key: testToken\r\n\r\n")
        .await
        .unwrap();
    let base = products.products.clone();
    products
        .until(async || scrape(&base).await.sum("http_server_active_requests", &[]) == 2.0)
        .await;
    caller.set_zero_linger().unwrap(); // what a caller that crashes does
    drop(caller);
    let of = [
        ("error_type", "cancelled"),
        ("http_route", "/product/{sku}"),
        ("http_response_status_code", ""),
    ];
    products
        .until(async || scrape(&base).await.sum("http_server_requests_total", &of) == 1.0)
        .await;
    assert_eq!(scrape(&base).await.sum("http_server_active_requests", &[]), 1.0);
    products
        .until(async || products.said("request cancelled").len() == 1)
        .await;
    let line = &products.said("request cancelled")[0];
    assert_eq!(
        (&line["status"], &line["route"]),
        (&499.into(), &"/product/{sku}".into())
    );
    products.stop().await;
}
