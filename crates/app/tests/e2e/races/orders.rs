//! Buyers race for units, and equal orders for one key.

use std::collections::HashSet;

use futures::future::join_all;
use tonic::{Code, Request};

use crate::audit::{agree, loms, order_of, told};
use crate::harness::App;

const TASKS: usize = 64;

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_buyers_on_64_tasks_get_exactly_the_hundred_units() {
    const BUYERS: usize = 10_000;
    let stock = [(1, 100)];
    let app = App::all(&stock, &[]).await;
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(loms(&app).await);
    }
    let tasks = (0..TASKS).map(|task| {
        let mut client = clients[task % clients.len()].clone();
        tokio::spawn(async move {
            let mut won = 0;
            for buyer in (1 + task..=BUYERS).step_by(TASKS) {
                let buyer = i64::try_from(buyer).unwrap();
                match client.order_create(order_of(buyer, 1, 1)).await {
                    Ok(_) => won += 1,
                    Err(status) => assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}"),
                }
            }
            won
        })
    });
    let won: i32 = join_all(tasks).await.into_iter().map(Result::unwrap).sum();
    assert_eq!((won, app.free(1).await), (100, 0));
    let orders = agree(&app, &stock).await;
    let failed = orders.values().filter(|order| order.status == "failed").count();
    assert_eq!((orders.len(), failed), (BUYERS, BUYERS - 100));
    told(&app.stop().await, &orders);
}

/// Over both doors of LOMS: gRPC and its gateway.
#[tokio::test(flavor = "multi_thread")]
async fn equal_orders_under_one_key_make_one_order() {
    let stock = [(1, 1000)];
    let app = App::all(&stock, &[]).await;
    let client = loms(&app).await;
    let http = reqwest::Client::new();
    let over_grpc = join_all((0..32).map(|_| {
        let mut client = client.clone();
        async move {
            let mut request = Request::new(order_of(7, 1, 3));
            request.metadata_mut().insert("idempotency-key", "one".parse().unwrap());
            client.order_create(request).await.unwrap().into_inner().order_id
        }
    }));
    let over_http = join_all((0..32).map(|_| async {
        let request = http.post(format!("{}/order/create", app.gateway));
        let request = request
            .header("idempotency-key", "one")
            .header("content-type", "application/json");
        // The same order, although its line is written as two.
        let request = request.body(r#"{"userId":7,"items":[{"sku":1,"count":1},{"sku":1,"count":2}]}"#);
        let answer: serde_json::Value = request.send().await.unwrap().json().await.unwrap();
        answer["orderId"].as_str().unwrap().parse::<i64>().unwrap()
    }));
    let (grpc, http) = futures::future::join(over_grpc, over_http).await;
    let ids: HashSet<i64> = grpc.into_iter().chain(http).collect();
    let orders = agree(&app, &stock).await;
    assert_eq!((ids, orders.len(), app.free(1).await), (HashSet::from([1]), 1, 997));
    told(&app.stop().await, &orders);
}
