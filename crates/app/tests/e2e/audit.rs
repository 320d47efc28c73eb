//! The audit over the public API: what orders and stock say must agree, and every event of every
//! order must have been told.

use std::collections::HashMap;

use adapters::grpc::proto::loms_client::LomsClient;
use adapters::grpc::proto::{Item, OrderCreateRequest, OrderInfoRequest, OrderInfoResponse};
use futures::StreamExt;
use tonic::Code;
use tonic::transport::Channel;

use crate::harness::App;

/// Orders that are asked for at the same time.
const CHUNK: i64 = 64;

/// The body of an order of one line.
pub(crate) fn order_of(user_id: i64, sku: i64, count: u32) -> OrderCreateRequest {
    OrderCreateRequest {
        user_id,
        items: vec![Item { sku, count }],
    }
}

/// A client of LOMS over gRPC.
pub(crate) async fn loms(app: &App) -> LomsClient<Channel> {
    LomsClient::connect(app.grpc.clone()).await.unwrap()
}

/// Every order there is, by its id: ids are given without gaps.
pub(crate) async fn orders(app: &App) -> HashMap<i64, OrderInfoResponse> {
    let client = loms(app).await;
    let mut orders = HashMap::new();
    for first in (1..).step_by(64) {
        let chunk: Vec<_> = futures::stream::iter(first..first + CHUNK)
            .map(|order_id| {
                let mut client = client.clone();
                async move { (order_id, client.order_info(OrderInfoRequest { order_id }).await) }
            })
            .buffered(64)
            .collect()
            .await;
        let mut ended = false;
        for (id, answer) in chunk {
            match answer {
                Ok(order) => drop(orders.insert(id, order.into_inner())),
                Err(status) => {
                    assert_eq!(status.code(), Code::NotFound, "order {id}: {status:?}");
                    ended = true;
                }
            }
        }
        if ended {
            return orders;
        }
    }
    unreachable!("the ids have no end")
}

/// Units that these orders hold or have sold, by sku.
pub(crate) fn units<'a>(orders: impl IntoIterator<Item = &'a OrderInfoResponse>) -> HashMap<i64, i64> {
    let mut units = HashMap::new();
    for order in orders {
        if matches!(order.status.as_str(), "awaiting payment" | "payed") {
            for item in &order.items {
                *units.entry(item.sku).or_default() += i64::from(item.count);
            }
        }
    }
    units
}

/// Stock and orders agree: for every sku, what was free at first less what is free now is what
/// orders hold or have sold. Answers with the orders.
pub(crate) async fn agree(app: &App, stock: &[(i64, u32)]) -> HashMap<i64, OrderInfoResponse> {
    let orders = orders(app).await;
    let units = units(orders.values());
    for (sku, before) in stock {
        let taken = i64::from(*before) - app.free(*sku).await;
        assert_eq!(taken, units.get(sku).copied().unwrap_or(0), "sku {sku}");
    }
    orders
}

/// What was told is, for every order, exactly the way to the status that it has.
pub(crate) fn told(events: &[(i64, String)], orders: &HashMap<i64, OrderInfoResponse>) {
    let mut ways: HashMap<i64, Vec<&str>> = HashMap::new();
    for (order, status) in events {
        ways.entry(*order).or_default().push(status);
    }
    assert_eq!(ways.len(), orders.len(), "orders that events tell of");
    for (id, order) in orders {
        let way = match order.status.as_str() {
            "failed" => vec!["new", "failed"],
            "awaiting payment" => vec!["new", "awaiting payment"],
            settled => vec!["new", "awaiting payment", settled],
        };
        assert_eq!(ways.get(id), Some(&way), "order {id}");
    }
}
