//! LOMS as its callers meet it: health, reflection, keys in metadata, and the JSON of the gateway
//! in both spellings.

use adapters::grpc::proto::loms_client::LomsClient;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tonic::transport::Channel;
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::audit::{loms, order_of};
use crate::harness::App;

async fn reflect(channel: Channel, question: MessageRequest) -> MessageResponse {
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(question),
    };
    let mut client = ServerReflectionClient::new(channel);
    let answers = client.server_reflection_info(futures::stream::iter([request])).await;
    let answer = answers.unwrap().into_inner().message().await.unwrap().unwrap();
    answer.message_response.unwrap()
}

#[tokio::test]
async fn health_and_reflection_are_there_and_what_is_not_is_unimplemented() {
    let app = App::start("loms", &[(1, 10)], &[], &[]).await;
    let channel = Channel::from_shared(app.grpc.clone()).unwrap().connect().await.unwrap();
    let mut health = HealthClient::new(channel.clone());
    for service in ["", "loms.v1.Loms"] {
        let service = service.to_owned();
        let answer = health.check(HealthCheckRequest { service }).await.unwrap();
        assert_eq!(answer.into_inner().status(), ServingStatus::Serving);
    }
    let service = "loms.v1.Nobody".to_owned();
    let unknown = health.check(HealthCheckRequest { service }).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    let services = reflect(channel.clone(), MessageRequest::ListServices(String::new())).await;
    let MessageResponse::ListServicesResponse(services) = services else {
        panic!("{services:?}");
    };
    let names: Vec<&str> = services.service.iter().map(|service| service.name.as_str()).collect();
    assert!(
        names.contains(&"loms.v1.Loms") && names.contains(&"grpc.health.v1.Health"),
        "{names:?}"
    );
    let file = reflect(
        channel.clone(),
        MessageRequest::FileContainingSymbol("loms.v1.Loms".to_owned()),
    )
    .await;
    assert!(matches!(file, MessageResponse::FileDescriptorResponse(_)), "{file:?}");
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    type Codec = adapters::grpc::codec::StrictCodec<
        adapters::grpc::proto::OrderPayRequest,
        adapters::grpc::proto::OrderPayResponse,
    >;
    let path = tonic::codegen::http::uri::PathAndQuery::from_static("/loms.v1.Loms/OrderBurn");
    let request = Request::new(adapters::grpc::proto::OrderPayRequest { order_id: 1 });
    let refused = grpc.unary(request, path, Codec::default()).await.map(drop).unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    app.stop().await;
}

async fn keyed(client: &mut LomsClient<Channel>, keys: &[&str], count: u32) -> Result<i64, Code> {
    let mut request = Request::new(order_of(1, 1, count));
    for key in keys {
        request.metadata_mut().append("idempotency-key", key.parse().unwrap());
    }
    let answer = client.order_create(request).await;
    answer
        .map(|answer| answer.into_inner().order_id)
        .map_err(|status| status.code())
}

#[tokio::test]
async fn keys_are_1_to_64_visible_characters_and_one_a_call() {
    let app = App::start("loms", &[(1, 10)], &[], &[]).await;
    let mut client = loms(&app).await;
    let (longest, too_long) = ("k".repeat(64), "k".repeat(65));
    for keys in [
        &[""][..],
        &["two words"],
        &["tab\tbed"],
        &[&too_long],
        &["a", "b"],
        &["a", "a"],
    ] {
        assert_eq!(
            keyed(&mut client, keys, 1).await,
            Err(Code::InvalidArgument),
            "{keys:?}"
        );
    }
    for (key, order) in [("!", 1), ("~", 2), (&longest, 3), ("!", 1), (&longest, 3)] {
        assert_eq!(keyed(&mut client, &[key], 1).await, Ok(order), "{key}");
    }
    assert_eq!(keyed(&mut client, &["!"], 2).await, Err(Code::AlreadyExists));
    // What is invalid is not remembered under its key.
    assert_eq!(keyed(&mut client, &["later"], 0).await, Err(Code::InvalidArgument));
    assert_eq!(keyed(&mut client, &["later"], 1).await, Ok(4));
    for key in ["", "two words", "ä", &too_long] {
        let request = Client::new().post(format!("{}/order/create", app.gateway));
        let request = request
            .header("content-type", "application/json")
            .header("idempotency-key", key);
        let body = r#"{"userId":1,"items":[{"sku":1,"count":1}]}"#;
        let answer = request.body(body).send().await.unwrap();
        let (status, body) = (answer.status().as_u16(), answer.json::<Value>().await.unwrap());
        assert_eq!((status, &body["code"]), (400, &json!(3)), "{key}");
    }
    assert_eq!(app.free(1).await, 6);
    app.stop().await;
}

#[tokio::test]
async fn both_spellings_and_both_forms_of_numbers_come_in_and_one_goes_out() {
    let app = App::start("loms", &[(1, 5), (2, 5)], &[], &[]).await;
    let create = async |body: &'static str| {
        let (status, answer) = app
            .call(Method::POST, &format!("{}/order/create", app.gateway), Some(body))
            .await;
        (status.as_u16(), answer)
    };
    let good = [
        r#"{"userId":"7","items":[{"sku":"1","count":1}]}"#,
        r#"{"user_id":7,"items":[{"sku":1,"count":"1"}]}"#,
        r#" {"nobody":{"knows":[null]},"items":[{"count":1,"sku":1,"size":"L"}],"userId":7} "#,
    ];
    for (body, order) in good.into_iter().zip(1..) {
        assert_eq!(
            create(body).await,
            (200, json!({ "orderId": format!("{order}") })),
            "{body}"
        );
    }
    for body in [
        "[]",
        "null",
        r#""text""#,
        r#"{"userId":7,"items":{"sku":1,"count":1}}"#,
        r#"{"userId":7,"items":null}"#,
        r#"{"userId":null,"items":[{"sku":1,"count":1}]}"#,
        r#"{"userId":true,"items":[{"sku":1,"count":1}]}"#,
        r#"{"userId":"7 ","items":[{"sku":1,"count":1}]}"#,
        r#"{"userId":"","items":[{"sku":1,"count":1}]}"#,
        r#"{"userId":7,"items":[{"sku":1,"count":1}]} more"#,
        r#"{"userId":7,"userId":7,"items":[{"sku":1,"count":1}]}"#,
        r#"{"userId":7,"items":[null]}"#,
    ] {
        let (status, answer) = create(body).await;
        assert_eq!(
            (status, &answer["code"], &answer["details"]),
            (400, &json!(3), &json!([])),
            "{body}: {answer}"
        );
    }
    let items = json!([{ "sku": "1", "count": 1 }]);
    for query in ["orderId=1", "order_id=1", "orderId=1&nobody=knows"] {
        let (status, answer) = app
            .call(Method::GET, &format!("{}/order/info?{query}", app.gateway), None)
            .await;
        let told = json!({ "status": "awaiting payment", "userId": "7", "items": items });
        assert_eq!((status.as_u16(), answer), (200, told), "{query}");
    }
    assert_eq!(create(r#"{"userId":7,"items":[{"sku":2,"count":5}]}"#).await.0, 200);
    let (status, answer) = app
        .call(Method::GET, &format!("{}/stock/info?sku=2", app.gateway), None)
        .await;
    assert_eq!(
        (status.as_u16(), answer),
        (200, json!({ "count": 0 })),
        "defaults are emitted"
    );
    app.stop().await;
}
