//! Requests of a test, and their lines: one each, with what was asked and answered, and with the
//! trace that the answer named.

use std::collections::HashSet;

use reqwest::{Client, Method};
use serde_json::Value;

use crate::harness::PATIENCE;

/// Whoever asks: nothing of it may stand in a log.
pub(crate) const USER: i64 = 987_654_321_001;
/// The key that the asking send.
pub(crate) const KEY: &str = "key-of-a-shopper-4711";

/// A request that was answered.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    service: &'static str,
    method: String,
    route: String,
    pub(crate) status: u16,
    pub(crate) trace: String,
    pub(crate) body: Value,
}

/// Asks, and remembers.
pub(crate) struct Asker {
    http: Client,
    asked: Vec<Asked>,
}

impl Asker {
    pub(crate) fn new() -> Self {
        Self {
            http: Client::builder().timeout(PATIENCE).build().unwrap(),
            asked: Vec::new(),
        }
    }

    /// Asks `path` of a service at `base`, which knows it by `route`.
    pub(crate) async fn ask(
        &mut self,
        (service, base): (&'static str, &str),
        (method, path, route): (&str, &str, &str),
        body: &str,
    ) -> Asked {
        let verb = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.http.request(verb, format!("{base}{path}"));
        request = request
            .header("idempotency-key", KEY)
            .header("x-api-key", "a-wrong-key");
        if !body.is_empty() {
            request = request.header("content-type", "application/json").body(body.to_owned());
        }
        let answer = request.send().await.unwrap();
        let asked = Asked {
            service,
            method: method.to_owned(),
            route: route.to_owned(),
            status: answer.status().as_u16(),
            trace: answer.headers()["x-trace-id"].to_str().unwrap().to_owned(),
            body: answer.json().await.unwrap_or(Value::Null),
        };
        self.asked.push(asked.clone());
        asked
    }

    /// Every request that a service was asked has its line among those of its process.
    pub(crate) fn look(&self, service: &str, lines: &[Value]) {
        let asked: Vec<_> = self.asked.iter().filter(|asked| asked.service == service).collect();
        assert!(!asked.is_empty(), "nobody asked {service}");
        let own: HashSet<_> = asked.iter().map(|asked| &asked.trace).collect();
        assert_eq!(own.len(), asked.len(), "each request has a trace of its own");
        for asked in asked {
            asked.look(lines);
        }
    }
}

impl Asked {
    fn look(&self, lines: &[Value]) {
        let is_access = |line: &&Value| line["duration_us"].is_u64() && line["method"] != "gRPC";
        let of_trace = lines.iter().filter(|line| line["trace_id"] == self.trace.as_str());
        let access: Vec<_> = of_trace
            .filter(is_access)
            .filter(|line| line["service"] == self.service)
            .collect();
        assert_eq!(access.len(), 1, "one line: {self:?} {access:?}");
        let line = access[0];
        let said = if self.status >= 500 {
            ("request failed", "warn")
        } else {
            ("request", "info")
        };
        assert_eq!(
            (line["msg"].as_str(), line["level"].as_str()),
            (Some(said.0), Some(said.1)),
            "{self:?}"
        );
        assert_eq!(line["method"], self.method.as_str(), "{self:?}");
        assert_eq!(line["route"], self.route.as_str(), "{self:?}");
        assert_eq!(line["status"], self.status, "{self:?}");
    }
}
