//! The server on real sockets: errors, limits, traces, metrics, and its end.

use std::time::Duration;

use actix_web::HttpResponse;
use domain::trace::TraceContext;
use reqwest::{Client, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::http::debug::DebugPages;
use crate::http::ops::Health;
use crate::http::swagger::Swagger;
use crate::telemetry::Metrics;

#[derive(Deserialize)]
struct Body {
    count: u32,
}

#[derive(Deserialize)]
struct Window {
    count: u32,
}

async fn add(path: web::Path<(i64, i64)>, body: web::Json<Body>) -> HttpResponse {
    HttpResponse::Created().json(json!({ "user": path.0, "count": body.count }))
}

async fn list(window: web::Query<Window>) -> HttpResponse {
    HttpResponse::Ok().json(window.count)
}

async fn wait(path: web::Path<u64>) -> HttpResponse {
    tokio::time::sleep(Duration::from_millis(*path)).await;
    HttpResponse::Ok().body("waited")
}

async fn busy() -> HttpResponse {
    HttpResponse::ServiceUnavailable().finish()
}

async fn doomed() -> HttpResponse {
    panic!("planted")
}

fn routes(config: &mut ServiceConfig) {
    Swagger::of(r#"{"openapi":"3.1.0"}"#).mount(config);
    config
        .service(
            web::resource("/user/{user}/cart/{sku}")
                .route(web::post().to(add))
                .route(web::delete().to(doomed)),
        )
        .service(web::resource("/list").route(web::get().to(list)))
        .service(web::resource("/wait/{ms}").route(web::get().to(wait)))
        .service(web::resource("/busy").route(web::get().to(busy)));
}

struct Running {
    life: Lifecycle,
    base: String,
    client: Client,
}

fn quiet() -> Logger {
    Logger::root(slog::Discard, slog::o!())
}

fn start(change: impl FnOnce(&mut Server)) -> Running {
    let life = Lifecycle::new(quiet(), Duration::from_secs(5));
    let health = Health::new(quiet(), life.stopping());
    let limits = HttpSettings {
        workers: 1,
        ..HttpSettings::default()
    };
    let mut server = Server {
        service: "test",
        listen: "127.0.0.1:0".parse().unwrap(),
        limits,
        body_max_bytes: BODY_MAX_BYTES,
        style: ErrorStyle::PROBLEM,
        ops: Some(Ops {
            metrics: Metrics::detached(),
            debug: DebugPages::default(),
            health,
        }),
        tracing: Tracing::new(0.0),
        requests: RequestLog::new(quiet(), 100),
        log: quiet(),
    };
    change(&mut server);
    let address = server.start(&life, routes).unwrap();
    Running {
        life,
        base: format!("http://{address}"),
        client: Client::new(),
    }
}

impl Running {
    async fn get(&self, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.base)).send().await.unwrap()
    }

    async fn post(&self, path: &str, kind: &str, body: impl Into<reqwest::Body>) -> Response {
        let request = self
            .client
            .post(format!("{}{path}", self.base))
            .header("content-type", kind)
            .body(body);
        request.send().await.unwrap()
    }

    /// Ends the server; the exit code.
    async fn end(self) -> u8 {
        self.life.stop();
        self.life.run().await
    }
}

/// Asserts a problem of this status, and returns its detail.
async fn problem(response: Response, status: u16) -> String {
    assert_eq!(response.status(), status);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_eq!(response.headers()["x-trace-id"].len(), 32);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["status"], status);
    assert!(body["title"].is_string() && body["type"].is_string());
    body["detail"].as_str().unwrap().to_owned()
}

const JSON: &str = "application/json";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_no_handler_sees_are_problems() {
    let server = start(|_| ());
    let cart = "/user/1/cart/2";
    let good = server
        .post(cart, "application/json; charset=utf-8", r#"{"count":3,"more":1}"#)
        .await;
    assert_eq!(good.status(), 201);
    assert_eq!(good.json::<Value>().await.unwrap(), json!({"user": 1, "count": 3}));
    problem(server.get("/nowhere").await, 404).await;
    problem(server.get("/user/1/cart/2/3").await, 404).await;
    let wrong_method = server.get(cart).await;
    assert_eq!(wrong_method.headers()["allow"], "POST, DELETE");
    problem(wrong_method, 405).await;
    let text = server.post(cart, "text/plain", r#"{"count":3}"#).await;
    problem(text, 415).await;
    for body in [
        "",
        "{",
        "{}",
        r#"{"count":-1}"#,
        r#"{"count":4294967296}"#,
        r#"{"count":"1"}"#,
        "[[[[",
    ] {
        let detail = problem(server.post(cart, JSON, body).await, 400).await;
        assert!(detail.starts_with("invalid JSON"), "{body:?}: {detail}");
    }
    problem(server.post(cart, JSON, vec![0xff, 0xfe]).await, 400).await;
    for path in ["/user/x/cart/2", "/user/9223372036854775808/cart/2"] {
        problem(server.post(path, JSON, r#"{"count":1}"#).await, 400).await;
    }
    problem(server.get("/list?count=x").await, 400).await;
    problem(server.get("/list").await, 400).await;
    assert_eq!(server.end().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_are_bounded() {
    let server = start(|server| server.body_max_bytes = 100);
    let cart = "/user/1/cart/2";
    let padded = |size: usize| format!("{{\"count\":1{}}}", " ".repeat(size - 11));
    assert_eq!(server.post(cart, JSON, padded(100)).await.status(), 201);
    let detail = problem(server.post(cart, JSON, padded(101)).await, 413).await;
    assert_eq!(detail, "the body is larger than 100 bytes");
    // Without a length that is known before: by chunks.
    let mut stream = tokio::net::TcpStream::connect(server.base.trim_start_matches("http://"))
        .await
        .unwrap();
    let chunk = "a".repeat(0x80);
    let head =
        "POST /user/1/cart/2 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked";
    stream
        .write_all(format!("{head}\r\n\r\n80\r\n{chunk}\r\n0\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    drop(stream);
    assert_eq!(server.end().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_failures_show_nothing_internal_and_503_says_when() {
    let server = start(|server| server.limits.answer_timeout_ms = 100);
    let request = server.client.delete(format!("{}/user/1/cart/2", server.base));
    let detail = problem(request.send().await.unwrap(), 500).await;
    assert!(!detail.contains("planted"), "{detail}");
    problem(server.get("/wait/5000").await, 504).await;
    let busy = server.get("/busy").await;
    assert_eq!(busy.headers()["retry-after"], "1");
    problem(busy, 503).await;
    assert_eq!(server.get("/wait/1").await.status(), 200, "the worker lives on");
    assert_eq!(server.end().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_s_trace_is_continued() {
    let server = start(|_| ());
    let parent = TraceContext::new(0xabc, 0xdef, 0).unwrap();
    let url = format!("{}/healthz", server.base);
    let response = server
        .client
        .get(&url)
        .header("traceparent", parent.to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["x-trace-id"], "00000000000000000000000000000abc");
    let other = server
        .client
        .get(&url)
        .header("traceparent", "nonsense")
        .send()
        .await
        .unwrap();
    assert_ne!(other.headers()["x-trace-id"], "0".repeat(32));
    assert_eq!(server.end().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_may_word_its_errors_itself() {
    let style = ErrorStyle(|status, message| HttpResponse::build(status).json(json!({ "message": message })));
    let server = start(|server| server.style = style);
    for (path, status) in [
        ("/nowhere", 404),
        ("/list", 400),
        ("/busy", 503),
        ("/user/1/cart/2", 405),
    ] {
        let response = server.get(path).await;
        assert_eq!(
            (
                response.status().as_u16(),
                response.headers()["content-type"].as_bytes()
            ),
            (status, JSON.as_bytes())
        );
        assert!(response.json::<Value>().await.unwrap()["message"].is_string());
    }
    assert_eq!(server.end().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_and_the_page_answer() {
    let server = start(|_| ());
    assert_eq!(
        server.get("/healthz").await.json::<Value>().await.unwrap(),
        json!({"status": "up"})
    );
    assert_eq!(
        server.get("/readyz").await.json::<Value>().await.unwrap(),
        json!({"status": "ready"})
    );
    assert!(
        server.get("/metrics").await.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/plain")
    );
    let page = server.get("/swagger").await;
    assert_eq!((page.status().as_u16(), page.url().path()), (200, "/swagger/"));
    assert!(page.text().await.unwrap().contains("swagger-ui"));
    let start = server
        .get("/swagger/swagger-initializer.js")
        .await
        .text()
        .await
        .unwrap();
    assert!(
        start.contains(r#""url": "/openapi.json""#) && start.contains("validatorUrl"),
        "{start}"
    );
    assert_eq!(
        server.get("/openapi.json").await.text().await.unwrap(),
        r#"{"openapi":"3.1.0"}"#
    );
    problem(server.get("/swagger/no-such-file").await, 404).await;
    assert_eq!(server.post("/openapi.json", JSON, "").await.status(), 405);
    assert_eq!(server.end().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_taken_is_answered_before_the_end() {
    let server = start(|_| ());
    assert_eq!(server.get("/healthz").await.status(), 200); // an idle connection must not hold up the end
    let (client, url) = (server.client.clone(), format!("{}/wait/300", server.base));
    let slow = tokio::spawn(async move { client.get(url).send().await.unwrap().text().await.unwrap() });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let (life, base) = (server.life.clone(), server.base.clone());
    assert_eq!(server.end().await, 0);
    assert_eq!(slow.await.unwrap(), "waited");
    assert_eq!(life.alive(), 0);
    assert!(Client::new().get(base).send().await.is_err(), "it still accepts");
}

#[tokio::test]
async fn a_taken_address_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let life = Lifecycle::new(quiet(), Duration::from_secs(1));
    let server = Server {
        service: "cart",
        listen: address,
        limits: HttpSettings::default(),
        body_max_bytes: 1,
        style: ErrorStyle::PROBLEM,
        ops: None,
        tracing: Tracing::new(0.0),
        requests: RequestLog::new(quiet(), 0),
        log: quiet(),
    };
    let error = server.start(&life, |_| ()).unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("cart cannot listen for HTTP on {address}: ")),
        "{error}"
    );
}
