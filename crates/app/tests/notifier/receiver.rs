//! A receiver of webhooks: a real HTTP server that does what a test tells it to, checks every signature,
//! and keeps what it acknowledged.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::web::{Bytes, Data, post};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

/// The secret of the tests.
pub(crate) const SECRET: &str = "a secret of at least 16 bytes";

/// What it does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Answers this.
    Status(u16),
    /// Answers this, and asks for a second of pause.
    Busy(u16),
    /// Does not answer before the other side has given up.
    Stall,
}

type Rule = Box<dyn Fn(&Value, usize) -> Answer + Send>;

struct State {
    /// What is done with an event, by how many requests came before this one.
    rule: Rule,
    requests: usize,
    acknowledged: Vec<Value>,
    wrong: Vec<String>,
}

/// The server, until it is dropped.
pub(crate) struct Receiver {
    state: Arc<Mutex<State>>,
    server: ServerHandle,
    pub(crate) url: String,
}

impl Receiver {
    /// Starts one.
    pub(crate) fn start(rule: impl Fn(&Value, usize) -> Answer + Send + 'static) -> Self {
        let state = Arc::new(Mutex::new(State {
            rule: Box::new(rule),
            requests: 0,
            acknowledged: Vec::new(),
            wrong: Vec::new(),
        }));
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let (data, (send, started)) = (Arc::clone(&state), std::sync::mpsc::channel());
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let app = move || {
                    App::new()
                        .app_data(Data::from(Arc::clone(&data)))
                        .route("/hook", post().to(take))
                };
                let server = HttpServer::new(app)
                    .workers(1)
                    .disable_signals()
                    .listen(listener)
                    .unwrap()
                    .run();
                send.send(server.handle()).unwrap();
                server.await.unwrap();
            });
        });
        let server = started.recv().unwrap();
        Self { state, server, url }
    }

    /// Has it do something else from now on.
    pub(crate) fn rule(&self, rule: impl Fn(&Value, usize) -> Answer + Send + 'static) {
        self.state.lock().unwrap().rule = Box::new(rule);
    }

    /// What it acknowledged, in that order.
    pub(crate) fn acknowledged(&self) -> Vec<Value> {
        let state = self.state.lock().unwrap();
        assert_eq!(
            state.wrong,
            Vec::<String>::new(),
            "requests that are not as they should be"
        );
        state.acknowledged.clone()
    }

    /// How many requests came.
    pub(crate) fn requests(&self) -> usize {
        self.state.lock().unwrap().requests
    }

    /// The settings of a notifier that posts to it.
    pub(crate) fn settings(&self) -> [(&str, &str); 5] {
        [
            ("notifier.sink", "webhook"),
            ("notifier.webhook.url", &self.url),
            ("notifier.webhook.secret", SECRET),
            ("notifier.webhook.request_timeout_ms", "500"),
            ("notifier.retry_pause_max_ms", "200"),
        ]
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}

async fn take(state: Data<Mutex<State>>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let answer = {
        let mut state = state.lock().unwrap();
        if let Err(wrong) = check(request.headers(), &body) {
            state.wrong.push(wrong);
        }
        let event: Value = serde_json::from_slice(&body).unwrap_or_default();
        let answer = (state.rule)(&event, state.requests);
        state.requests += 1;
        if matches!(answer, Answer::Status(200..300)) {
            state.acknowledged.push(event);
        }
        answer
    };
    let status = |code| HttpResponse::build(StatusCode::from_u16(code).unwrap());
    match answer {
        Answer::Status(code) => status(code).finish(),
        Answer::Busy(code) => status(code).insert_header(("retry-after", "1")).finish(),
        Answer::Stall => {
            actix_web::rt::time::sleep(Duration::from_secs(3)).await;
            status(200).finish()
        }
    }
}

/// That a request is signed, and says what a CloudEvent has to say.
fn check(headers: &HeaderMap, body: &[u8]) -> Result<(), String> {
    let header = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{}.{}.", header("webhook-id"), header("webhook-timestamp")).as_bytes());
    mac.update(body);
    let signature = header("webhook-signature").strip_prefix("v1,").unwrap_or_default();
    let signature = STANDARD.decode(signature).map_err(|error| error.to_string())?;
    mac.verify_slice(&signature)
        .map_err(|error| format!("signature: {error}"))?;
    let event: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let expected = [
        ("specversion", "1.0"),
        ("type", "loms.order.status-changed.v1"),
        ("source", "/loms/orders"),
        ("datacontenttype", "application/json"),
        ("id", header("webhook-id")),
    ];
    let wrong = expected.iter().find(|(name, value)| event[*name] != *value);
    match wrong {
        Some((name, value)) => Err(format!("{name} is {}, not {value:?}", event[*name])),
        None if event["subject"].as_str() != Some(&event["data"]["order_id"].to_string()) => Err("subject".to_owned()),
        None if event["time"] != event["data"]["moment"] => Err("time".to_owned()),
        // The header names the span of the call, the event that which caused it: of the same trace.
        None if event["traceparent"].as_str().and_then(|trace| trace.get(..36)) != header("traceparent").get(..36) => {
            Err("traceparent".to_owned())
        }
        None if header("content-type") != "application/cloudevents+json; charset=utf-8" => Err("type".to_owned()),
        None => Ok(()),
    }
}
