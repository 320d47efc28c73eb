//! The gateway: canonical JSON, the same rules as over gRPC, and errors in one form.

use app::lifecycle::Lifecycle;
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

use crate::support::{SOON, gateway};

struct Gateway {
    base: String,
    client: Client,
    _life: Lifecycle,
}

impl Gateway {
    async fn start() -> Self {
        let (base, life) = gateway().await;
        let client = Client::builder().timeout(SOON).build().unwrap();
        Self {
            base,
            client,
            _life: life,
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Response {
        let mut request = self.client.request(method, format!("{}{path}", self.base)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Response {
        self.send(Method::POST, path, &[("content-type", "application/json")], body)
            .await
    }

    async fn get(&self, path: &str) -> Response {
        self.send(Method::GET, path, &[], "").await
    }
}

async fn good(response: Response) -> Value {
    let (status, text) = (response.status(), response.text().await.unwrap());
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// Asserts an error in the one form, and returns its message.
async fn error(response: Response, http: u16, code: i64) -> String {
    let (status, text) = (response.status(), response.text().await.unwrap());
    assert_eq!(status, http, "{text}");
    let body: Value = serde_json::from_str(&text).unwrap();
    let expected = json!({"code": code, "message": body["message"], "details": []});
    assert_eq!(body, expected, "{text}");
    body["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_order_goes_its_way_in_canonical_json() {
    let gateway = Gateway::start().await;
    let made = gateway
        .post(
            "/order/create",
            r#"{"userId":"7","items":[{"sku":2,"count":1},{"sku":"1","count":"3"}],"more":[1]}"#,
        )
        .await;
    assert_eq!(good(made).await, json!({"orderId": "1"}));
    let expected = json!({
        "status": "awaiting payment", "userId": "7",
        "items": [{"sku": "1", "count": 3}, {"sku": "2", "count": 1}],
    });
    for query in ["orderId=1", "order_id=1", "orderId=1&more=x"] {
        assert_eq!(good(gateway.get(&format!("/order/info?{query}")).await).await, expected);
    }
    assert_eq!(good(gateway.get("/stock/info?sku=1").await).await, json!({"count": 7}));
    assert_eq!(
        good(gateway.post("/order/pay", r#"{"orderId":1}"#).await).await,
        json!({})
    );
    assert_eq!(
        good(gateway.post("/order/pay", r#"{"order_id":"1"}"#).await).await,
        json!({})
    );
    let message = error(gateway.post("/order/cancel", r#"{"orderId":1}"#).await, 400, 9).await;
    assert!(message.contains("payed"), "{message}");

    let rest = r#"{"user_id":7,"items":[{"sku":1,"count":7}]}"#;
    good(gateway.post("/order/create", rest).await).await;
    assert_eq!(good(gateway.get("/stock/info?sku=1").await).await, json!({"count": 0}));
    assert_eq!(
        good(gateway.post("/order/cancel", r#"{"orderId":"2"}"#).await).await,
        json!({})
    );
    let short = error(
        gateway
            .post("/order/create", r#"{"userId":7,"items":[{"sku":2,"count":11}]}"#)
            .await,
        400,
        9,
    )
    .await;
    assert_eq!(short, "order 3 failed: sku 2: 11 wanted, 9 free");
}

#[tokio::test]
async fn what_breaks_a_rule_is_400() {
    let gateway = Gateway::start().await;
    let bodies = [
        "",
        "null",
        "[]",
        "{",
        "{}",
        r#"{"userId":1}"#,
        r#"{"userId":1,"items":[]}"#,
        r#"{"userId":1,"items":[{}]}"#,
        r#"{"userId":0,"items":[{"sku":1,"count":1}]}"#,
        r#"{"userId":1,"items":[{"sku":1,"count":0}]}"#,
        r#"{"userId":1,"items":[{"sku":1,"count":4294967296}]}"#,
        r#"{"userId":1,"items":[{"sku":1,"count":1.5}]}"#,
        r#"{"userId":1,"items":[{"sku":3,"count":4294967295},{"sku":3,"count":1}]}"#,
        r#"{"userId":9223372036854775808,"items":[{"sku":1,"count":1}]}"#,
        r#"{"userId":1,"user_id":2,"items":[{"sku":1,"count":1}]}"#,
    ];
    for body in bodies {
        error(gateway.post("/order/create", body).await, 400, 3).await;
    }
    for query in [
        "",
        "?",
        "?order=1",
        "?orderId=",
        "?orderId=one",
        "?orderId=0",
        "?orderId=-1",
        "?orderId=1.5",
        "?orderId=9223372036854775808",
        "?orderId=1&orderId=1",
        "?orderId=1&order_id=1",
        "?orderId=%ff",
    ] {
        error(gateway.get(&format!("/order/info{query}")).await, 400, 3).await;
    }
    error(gateway.get("/order/info?orderId=77").await, 404, 5).await;
    error(gateway.get("/stock/info?sku=77").await, 404, 5).await;
    error(gateway.post("/order/pay", r#"{"orderId":77}"#).await, 404, 5).await;
    assert_eq!(good(gateway.get("/stock/info?sku=1").await).await, json!({"count": 10}));
}

#[tokio::test]
async fn a_message_never_sends_a_request_back() {
    let gateway = Gateway::start().await;
    let long = "x".repeat(100_000);
    let many = vec![r#"{"sku":0,"count":0}"#; 10_000].join(",");
    for body in [
        format!(r#"{{"userId":"{long}"}}"#),
        format!(r#"{{"userId":1,"items":[{many}]}}"#),
    ] {
        let message = error(gateway.post("/order/create", body).await, 400, 3).await;
        assert!(message.len() < 2_048, "{} bytes", message.len());
    }
}

#[tokio::test]
async fn requests_of_the_wrong_form_are_refused_in_the_same_form() {
    let gateway = Gateway::start().await;
    let large = " ".repeat(256 * 1024 + 1);
    error(gateway.post("/order/create", large).await, 413, 8).await;
    let full = format!(r#"{{"orderId":77}}{}"#, " ".repeat(256 * 1024 - 14));
    error(gateway.post("/order/pay", full).await, 404, 5).await;
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"] {
        let headers = [("content-type", kind)];
        let refused = gateway
            .send(Method::POST, "/order/pay", &headers, r#"{"orderId":1}"#)
            .await;
        error(refused, 415, 3).await;
    }
    error(
        gateway.send(Method::POST, "/order/pay", &[], r#"{"orderId":1}"#).await,
        415,
        3,
    )
    .await;
    let charset = [("content-type", "Application/JSON; charset=utf-8")];
    error(
        gateway
            .send(Method::POST, "/order/pay", &charset, r#"{"orderId":1}"#)
            .await,
        404,
        5,
    )
    .await;
    error(gateway.get("/order").await, 404, 5).await;
    for (method, path, allow) in [
        (Method::GET, "/order/create", "POST"),
        (Method::POST, "/order/info", "GET"),
        (Method::DELETE, "/stock/info", "GET"),
    ] {
        let refused = gateway.send(method, path, &[], "").await;
        assert_eq!(refused.headers()["allow"], allow);
        error(refused, 405, 12).await;
    }
}

#[tokio::test]
async fn a_key_gives_the_same_answer_again() {
    let gateway = Gateway::start().await;
    let create = async |keys: &[&str], count: u32| {
        let body = json!({"userId": 7, "items": [{"sku": 1, "count": count}]}).to_string();
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(keys.iter().map(|key| ("Idempotency-Key", *key)));
        gateway.send(Method::POST, "/order/create", &headers, body).await
    };
    let first = good(create(&["k"], 1).await).await;
    assert_eq!(good(create(&["k"], 1).await).await, first);
    error(create(&["k"], 2).await, 409, 6).await;
    let long = "k".repeat(65);
    let wrong: [&[&str]; 6] = [&["a", "b"], &["k", "k"], &[""], &["with space"], &["é"], &[&long]];
    for keys in wrong {
        error(create(keys, 1).await, 400, 3).await;
    }
    assert_eq!(good(gateway.get("/stock/info?sku=1").await).await, json!({"count": 9}));
}
