//! The calls of LOMS over gRPC, and the codes of what goes wrong.

use adapters::grpc::proto::{
    Item, OrderCancelRequest, OrderCreateRequest, OrderInfoRequest, OrderPayRequest, StocksInfoRequest,
};
use tonic::metadata::MetadataValue;
use tonic::{Code, Request, Status};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};

use crate::support::{Running, order};

type Client = adapters::grpc::proto::loms_client::LomsClient<tonic::transport::Channel>;

async fn free(client: &mut Client, sku: i64) -> u32 {
    let answer = client.stocks_info(StocksInfoRequest { sku }).await;
    answer.unwrap().into_inner().count
}

async fn info(client: &mut Client, order_id: i64) -> (String, i64, Vec<(i64, u32)>) {
    let info = client
        .order_info(OrderInfoRequest { order_id })
        .await
        .unwrap()
        .into_inner();
    let items = info.items.iter().map(|item| (item.sku, item.count)).collect();
    (info.status, info.user_id, items)
}

fn keyed(message: OrderCreateRequest, keys: &[&str]) -> Request<OrderCreateRequest> {
    let mut request = Request::new(message);
    for key in keys {
        let value = MetadataValue::try_from(*key).unwrap();
        request.metadata_mut().append("idempotency-key", value);
    }
    request
}

#[tokio::test]
async fn an_order_is_created_told_payed_and_cancelled() {
    let mut client = Running::whole().await.client().await;
    let made = client.order_create(order(&[(2, 1), (1, 3), (2, 4)])).await.unwrap();
    let order_id = made.into_inner().order_id;
    let expected = ("awaiting payment".to_owned(), 7, vec![(1, 3), (2, 5)]);
    assert_eq!(info(&mut client, order_id).await, expected);
    assert_eq!((free(&mut client, 1).await, free(&mut client, 2).await), (7, 5));

    client.order_pay(OrderPayRequest { order_id }).await.unwrap();
    client.order_pay(OrderPayRequest { order_id }).await.unwrap();
    assert_eq!(info(&mut client, order_id).await.0, "payed");
    let refused = client.order_cancel(OrderCancelRequest { order_id }).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);

    let other = client
        .order_create(order(&[(1, 7)]))
        .await
        .unwrap()
        .into_inner()
        .order_id;
    assert_eq!(free(&mut client, 1).await, 0);
    client
        .order_cancel(OrderCancelRequest { order_id: other })
        .await
        .unwrap();
    client
        .order_cancel(OrderCancelRequest { order_id: other })
        .await
        .unwrap();
    assert_eq!(free(&mut client, 1).await, 7);
    let refused = client.order_pay(OrderPayRequest { order_id: other }).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn a_short_line_fails_the_order_and_says_why() {
    let mut client = Running::whole().await.client().await;
    for (items, line) in [
        (vec![(1, 2), (2, 11)], "sku 2: 11 wanted, 10 free"),
        (vec![(1, 2), (99, 1)], "sku 99: 1 wanted, no stock record"),
    ] {
        let refused = client.order_create(order(&items)).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert!(refused.message().ends_with(line), "{}", refused.message());
        assert_eq!(free(&mut client, 1).await, 10);
    }
    assert_eq!(info(&mut client, 1).await.0, "failed");
    let refused = client.order_pay(OrderPayRequest { order_id: 1 }).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let refused = client
        .order_cancel(OrderCancelRequest { order_id: 1 })
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn a_request_that_breaks_a_rule_is_invalid_and_does_nothing() {
    let mut client = Running::whole().await.client().await;
    let nobody = OrderCreateRequest {
        user_id: 0,
        ..order(&[(1, 1)])
    };
    let sum = order(&[(3, u32::MAX), (1, 1), (3, 1)]);
    let wrong = [
        nobody,
        order(&[]),
        order(&[(1, 0)]),
        order(&[(-1, 1)]),
        order(&[(1, 1); 501]),
        sum,
    ];
    for message in wrong {
        let status = client.order_create(message).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        assert!(!status.message().is_empty());
    }
    for id in [0, -1, i64::MIN] {
        let codes = [
            client.order_info(OrderInfoRequest { order_id: id }).await.map(drop),
            client.order_pay(OrderPayRequest { order_id: id }).await.map(drop),
            client.order_cancel(OrderCancelRequest { order_id: id }).await.map(drop),
            client.stocks_info(StocksInfoRequest { sku: id }).await.map(drop),
        ]
        .map(|result| result.map_err(|status: Status| status.code()));
        assert_eq!(codes, [Err(Code::InvalidArgument); 4], "{id}");
    }
    assert_eq!((free(&mut client, 1).await, free(&mut client, 3).await), (10, u32::MAX));
    let most = OrderCreateRequest {
        user_id: i64::MAX,
        items: vec![Item { sku: 3, count: 1 }; 500],
    };
    client.order_create(most).await.unwrap();
    assert_eq!(free(&mut client, 3).await, u32::MAX - 500);
}

#[tokio::test]
async fn what_is_unknown_is_not_found() {
    let mut client = Running::whole().await.client().await;
    let order_id = i64::MAX;
    let codes = [
        client.order_info(OrderInfoRequest { order_id }).await.map(drop),
        client.order_pay(OrderPayRequest { order_id }).await.map(drop),
        client.order_cancel(OrderCancelRequest { order_id }).await.map(drop),
        client.stocks_info(StocksInfoRequest { sku: 99 }).await.map(drop),
    ]
    .map(|result| result.map_err(|status: Status| status.code()));
    assert_eq!(codes, [Err(Code::NotFound); 4]);
}

#[tokio::test]
async fn a_key_gives_the_same_answer_again() {
    let mut client = Running::whole().await.client().await;
    let first = client
        .order_create(keyed(order(&[(1, 1), (1, 1)]), &["k"]))
        .await
        .unwrap();
    let again = client.order_create(keyed(order(&[(1, 2)]), &["k"])).await.unwrap();
    assert_eq!(first.into_inner(), again.into_inner());
    assert_eq!(free(&mut client, 1).await, 8);
    let other = client.order_create(keyed(order(&[(1, 3)]), &["k"])).await.unwrap_err();
    assert_eq!(other.code(), Code::AlreadyExists);

    let short = client
        .order_create(keyed(order(&[(2, 11)]), &["short"]))
        .await
        .unwrap_err();
    let again = client
        .order_create(keyed(order(&[(2, 11)]), &["short"]))
        .await
        .unwrap_err();
    assert_eq!((short.code(), short.message()), (again.code(), again.message()));

    let long = "k".repeat(65);
    for keys in [&["a", "b"][..], &["k", "k"], &[""], &["with space"], &[&long]] {
        let status = client.order_create(keyed(order(&[(1, 1)]), keys)).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{keys:?}");
    }
    assert_eq!(free(&mut client, 1).await, 8);
}

#[tokio::test]
async fn health_tells_that_it_serves() {
    let running = Running::whole().await;
    let mut health = HealthClient::new(running.channel().await);
    for service in ["", "loms.v1.Loms"] {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let answer = health.check(request).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service:?}");
    }
}
