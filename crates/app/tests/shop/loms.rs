//! The tables of LOMS, row by row, over gRPC and over the gateway of one real process: both give
//! the same answer, and a refused request changes nothing.

use adapters::grpc::proto::loms_client::LomsClient;
use adapters::grpc::proto::{
    Item, OrderCancelRequest, OrderCreateRequest, OrderInfoRequest, OrderPayRequest, StocksInfoRequest,
};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tonic::transport::Channel;
use tonic::{Code, Request};

use super::harness::App;

const STOCK: &[(i64, u32)] = &[(1, 10), (2, 10)];

fn create(user_id: i64, items: &[(i64, u32)]) -> OrderCreateRequest {
    let items = items
        .iter()
        .map(|(sku, count)| Item {
            sku: *sku,
            count: *count,
        })
        .collect();
    OrderCreateRequest { user_id, items }
}

/// The code of a creation over gRPC, and the HTTP status and code of the same one over the gateway.
async fn both(app: &App, client: &mut LomsClient<Channel>, message: OrderCreateRequest) -> (i32, u16, i64) {
    let body = serde_json::to_string(&message).unwrap();
    let grpc = client
        .order_create(message)
        .await
        .map_or_else(|status| status.code() as i32, |_| 0);
    let (status, answer) = app
        .call(Method::POST, &format!("{}/order/create", app.gateway), Some(&body))
        .await;
    (grpc, status.as_u16(), answer["code"].as_i64().unwrap_or(0))
}

#[tokio::test]
async fn bad_orders_are_refused_alike_and_change_nothing() {
    let app = App::start("loms", STOCK, &[], &[]).await;
    let mut client = LomsClient::connect(app.grpc.clone()).await.unwrap();
    let many: Vec<(i64, u32)> = (1..=501).map(|sku| (sku, 1)).collect();
    for (message, expected) in [
        (create(0, &[(1, 1)]), (3, 400, 3)),
        (create(-1, &[(1, 1)]), (3, 400, 3)),
        (create(i64::MIN, &[(1, 1)]), (3, 400, 3)),
        (create(1, &[]), (3, 400, 3)),
        (create(1, &[(0, 1)]), (3, 400, 3)),
        (create(1, &[(-5, 1)]), (3, 400, 3)),
        (create(1, &[(1, 0)]), (3, 400, 3)),
        (create(1, &many), (3, 400, 3)),
        (create(1, &[(1, u32::MAX), (1, 1)]), (3, 400, 3)),
        (create(1, &[(1, 1), (2, 11)]), (9, 400, 9)),
        (create(1, &[(99, 1)]), (9, 400, 9)),
        (create(i64::MAX, &[(1, 1), (1, 1)]), (0, 200, 0)),
    ] {
        let shown = format!("{message:?}");
        assert_eq!(
            both(&app, &mut client, message).await,
            expected,
            "{}",
            &shown[..shown.len().min(100)]
        );
    }
    assert_eq!((app.free(1).await, app.free(2).await), (6, 10));
    let (status, last) = app.order(6).await;
    let items = json!([{ "sku": "1", "count": 2 }]);
    let told = json!({ "status": "awaiting payment", "userId": i64::MAX.to_string(), "items": items });
    assert_eq!((status, last), (200, told));
    app.stop().await;
}

#[tokio::test]
async fn an_order_goes_its_way_by_either_protocol() {
    let app = App::start("loms", STOCK, &[], &[]).await;
    let mut client = LomsClient::connect(app.grpc.clone()).await.unwrap();
    for items in [&[(1, 2)], &[(1, 3)], &[(1, 99)]] {
        let _ = client.order_create(create(5, items)).await; // the third fails
    }
    let code = |result: Result<(), tonic::Status>| result.map_or_else(|status| status.code(), |()| Code::Ok);
    let rows = [
        // (order, what, code, status): 1 is payed, 2 cancelled, 3 failed, 4 is not there.
        (1, "pay", Code::Ok, 200),
        (1, "pay", Code::Ok, 200),
        (1, "cancel", Code::FailedPrecondition, 400),
        (2, "cancel", Code::Ok, 200),
        (2, "cancel", Code::Ok, 200),
        (2, "pay", Code::FailedPrecondition, 400),
        (3, "pay", Code::FailedPrecondition, 400),
        (3, "cancel", Code::FailedPrecondition, 400),
        (4, "pay", Code::NotFound, 404),
        (4, "cancel", Code::NotFound, 404),
        (0, "pay", Code::InvalidArgument, 400),
        (-1, "cancel", Code::InvalidArgument, 400),
    ];
    for (order_id, what, expected, http) in rows {
        let answer = match what {
            "pay" => code(client.order_pay(OrderPayRequest { order_id }).await.map(drop)),
            _ => code(client.order_cancel(OrderCancelRequest { order_id }).await.map(drop)),
        };
        assert_eq!(answer, expected, "{what} {order_id}");
        let url = format!("{}/order/{what}", app.gateway);
        let (status, body) = app
            .call(Method::POST, &url, Some(&format!(r#"{{"orderId":"{order_id}"}}"#)))
            .await;
        assert_eq!(status, http, "{what} {order_id}: {body}");
        let told = if http == 200 {
            body == json!({})
        } else {
            body["code"] == expected as i32 && body["details"] == json!([])
        };
        assert!(told, "{what} {order_id}: {body}");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_key_gives_the_same_answer_by_either_protocol() {
    let app = App::start("loms", STOCK, &[], &[]).await;
    let mut client = LomsClient::connect(app.grpc.clone()).await.unwrap();
    let mut grpc = async |message: OrderCreateRequest, key: &'static str| {
        let mut request = Request::new(message);
        request.metadata_mut().insert("idempotency-key", key.parse().unwrap());
        client
            .order_create(request)
            .await
            .map(|answer| answer.into_inner().order_id)
            .map_err(|status| status.code())
    };
    let http = async |body: &'static str, key: &'static str| {
        let request = Client::new().post(format!("{}/order/create", app.gateway)).body(body);
        let request = request
            .header("content-type", "application/json")
            .header("idempotency-key", key);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    assert_eq!(grpc(create(1, &[(1, 1), (1, 1)]), "k").await, Ok(1));
    assert_eq!(
        http(r#"{"userId":1,"items":[{"sku":1,"count":2}]}"#, "k").await,
        (200, json!({ "orderId": "1" }))
    );
    assert_eq!(grpc(create(1, &[(1, 3)]), "k").await, Err(Code::AlreadyExists));
    assert_eq!(http(r#"{"userId":1,"items":[{"sku":1,"count":3}]}"#, "k").await.0, 409);
    assert_eq!(grpc(create(2, &[(1, 2)]), "k").await, Ok(2));
    assert_eq!(
        grpc(create(1, &[(1, 99)]), "short").await,
        Err(Code::FailedPrecondition)
    );
    let refused = http(r#"{"userId":1,"items":[{"sku":1,"count":99}]}"#, "short").await;
    assert!(
        refused.0 == 400 && refused.1["message"].as_str().unwrap().starts_with("order 3 failed"),
        "{refused:?}"
    );
    assert_eq!(
        http(r#"{"userId":1,"items":[{"sku":1,"count":1}]}"#, "two words")
            .await
            .0,
        400
    );
    assert_eq!(app.free(1).await, 6);
    app.stop().await;
}

#[tokio::test]
async fn what_is_no_message_is_told_with_code_and_status() {
    let app = App::start("loms", STOCK, &[], &[]).await;
    let post = async |path: &str, kind: &str, body: Vec<u8>| {
        let request = Client::new()
            .post(format!("{}{path}", app.gateway))
            .header("content-type", kind)
            .body(body);
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.unwrap())
    };
    let (json, deep) = (
        "application/json",
        format!(r#"{{"userId":{}{}}}"#, "[".repeat(9000), "]".repeat(9000)),
    );
    for (path, kind, body, expected, code) in [
        ("/order/create", json, b"".to_vec(), 400, 3),
        ("/order/create", json, b"{".to_vec(), 400, 3),
        ("/order/create", json, b"{\"userId\":\xff}".to_vec(), 400, 3),
        ("/order/create", json, deep.into_bytes(), 400, 3),
        ("/order/create", json, br#"{"userId":"x"}"#.to_vec(), 400, 3),
        (
            "/order/create",
            json,
            br#"{"userId":9223372036854775808}"#.to_vec(),
            400,
            3,
        ),
        (
            "/order/create",
            json,
            br#"{"userId":1,"items":[{"sku":1,"count":4294967296}]}"#.to_vec(),
            400,
            3,
        ),
        (
            "/order/create",
            json,
            br#"{"userId":1,"items":[{"sku":1,"count":-1}]}"#.to_vec(),
            400,
            3,
        ),
        ("/order/create", json, vec![b' '; 257 * 1024], 413, 8),
        ("/order/create", "text/plain", b"{}".to_vec(), 415, 3),
        ("/order/info", json, b"{}".to_vec(), 405, 12),
        ("/nowhere", json, b"{}".to_vec(), 404, 5),
    ] {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let (status, answer) = post(path, kind, body).await;
        assert_eq!(
            (status, answer["code"].as_i64()),
            (expected, Some(code)),
            "{path} {shown}: {answer}"
        );
        assert!(
            answer["message"].is_string() && answer["details"] == json!([]),
            "{answer}"
        );
    }
    app.stop().await;
}

#[tokio::test]
async fn reads_tell_what_is_there_and_refuse_what_is_no_question() {
    let app = App::start("loms", STOCK, &[], &[]).await;
    let mut client = LomsClient::connect(app.grpc.clone()).await.unwrap();
    client.order_create(create(5, &[(1, 2)])).await.unwrap();
    let info = client
        .order_info(OrderInfoRequest { order_id: 1 })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (info.status.as_str(), info.user_id, info.items),
        ("awaiting payment", 5, vec![Item { sku: 1, count: 2 }])
    );
    for (order_id, expected) in [(9, Code::NotFound), (0, Code::InvalidArgument)] {
        assert_eq!(
            client
                .order_info(OrderInfoRequest { order_id })
                .await
                .unwrap_err()
                .code(),
            expected
        );
    }
    for (sku, expected) in [(99, Code::NotFound), (0, Code::InvalidArgument)] {
        assert_eq!(
            client.stocks_info(StocksInfoRequest { sku }).await.unwrap_err().code(),
            expected
        );
    }
    assert_eq!(
        client
            .stocks_info(StocksInfoRequest { sku: 1 })
            .await
            .unwrap()
            .into_inner()
            .count,
        8
    );
    for query in [
        "",
        "?orderId=",
        "?orderId=x",
        "?orderId=0",
        "?orderId=1&orderId=1",
        "?orderId=9223372036854775808",
    ] {
        let (status, answer) = app
            .call(Method::GET, &format!("{}/order/info{query}", app.gateway), None)
            .await;
        assert_eq!((status.as_u16(), &answer["code"]), (400, &json!(3)), "{query}");
    }
    let huge: Vec<(i64, u32)> = vec![(i64::MAX, u32::MAX); 20_000];
    assert_eq!(
        client.order_create(create(1, &huge)).await.unwrap_err().code(),
        Code::ResourceExhausted
    );
    app.stop().await;
}
