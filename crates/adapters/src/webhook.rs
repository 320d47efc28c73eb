//! The sink that posts each event to a URL, as a CloudEvent in structured mode, so that one signature
//! covers all of it. 2xx acknowledges; 4xx says that the event itself is refused, but for 408 and 429,
//! which ask for another try, as everything else does: 5xx, a redirect, no answer in time. The pauses
//! between tries are those of whoever calls.
//!
//! What the receiver needs to check is laid out as the Standard Webhooks specification has it:
//!
//! - `webhook-id`: the event id, equal in every repeat;
//! - `webhook-timestamp`: when it was sent, seconds since 1970; old ones can be thrown away;
//! - `webhook-signature`: `v1,` and the base64 of the HMAC-SHA256 of `id.timestamp.body` under the secret.
//!
//! The JSON of a CloudEvent is written here: the crate of that name would bring a second library of
//! time (chrono) and of errors (snafu) for eight fields. Source: CloudEvents 1.0.2, JSON format.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::clock::Moment;
use domain::error::cause;
use domain::notify::ports::{EventSink, Position, Received, SinkError};
use hmac::{Hmac, KeyInit, Mac};
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanKind;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, StatusCode, Url, redirect};
use serde::Serialize;
use sha2::Sha256;

use crate::outgoing::{Outgoing, error_type};
use crate::spans::Span;

/// The media type of a CloudEvent in structured mode.
pub const MEDIA_TYPE: &str = "application/cloudevents+json; charset=utf-8";
/// The type of our events.
pub const EVENT_TYPE: &str = "loms.order.status-changed.v1";
/// Where they come from.
pub const EVENT_SOURCE: &str = "/loms/orders";

/// Header: the event id.
pub const ID: HeaderName = HeaderName::from_static("webhook-id");
/// Header: when it was sent, seconds since 1970.
pub const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
/// Header: the signature.
pub const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Connections that are kept open while nobody needs them.
const IDLE_CONNECTIONS_MAX: usize = 4;
/// For how long: less than servers do.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest pause that an answer can ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(5);

/// How events are posted.
#[derive(Clone)]
pub struct WebhookSettings {
    /// The URL, `http` only: encryption is the business of what stands between.
    pub url: String,
    /// The secret that both sides know.
    pub secret: String,
    /// Time to connect.
    pub connect_timeout: Duration,
    /// Time for a whole request and its answer.
    pub request_timeout: Duration,
}

/// Why there is no sink.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The URL is no `http` URL.
    #[error("{0:?} is not the http URL of a webhook")]
    Url(String),
    /// The HTTP client could not be made.
    #[error("the HTTP client of the webhook could not be made")]
    Client(#[source] reqwest::Error),
}

/// Why an event must be tried again.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("the webhook does not answer")]
    NoAnswer(#[source] reqwest::Error),
    #[error("the webhook answered {0}")]
    Status(StatusCode),
    #[error("the event cannot be written as JSON")]
    Json(#[source] serde_json::Error),
}

impl From<Fault> for SinkError {
    fn from(fault: Fault) -> Self {
        Self::Unavailable(cause(fault))
    }
}

/// A CloudEvent around what happened.
#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: &'a str,
    source: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    subject: String,
    time: String,
    datacontenttype: &'static str,
    /// The extension "distributed tracing".
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
    data: Data<'a>,
}

/// The value of the event, as Kafka carries it.
#[derive(Serialize)]
struct Data<'a> {
    order_id: i64,
    status: &'a str,
    moment: String,
}

/// Posts events. Cheap to clone.
#[derive(Clone)]
pub struct Webhook {
    http: Client,
    url: Url,
    key: Hmac<Sha256>,
    outgoing: Arc<Outgoing>,
    now: fn() -> Moment,
}

impl Webhook {
    /// A sink that has not connected yet; `now` gives the time of a request.
    ///
    /// # Errors
    /// [`WebhookError`].
    pub fn new(settings: &WebhookSettings, now: fn() -> Moment) -> Result<Self, WebhookError> {
        let url = Url::parse(&settings.url).ok();
        let url = url.filter(|url| url.scheme() == "http" && url.has_host());
        let http = Client::builder()
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.request_timeout)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build()
            .map_err(WebhookError::Client)?;
        Ok(Self {
            http,
            url: url.ok_or_else(|| WebhookError::Url(settings.url.clone()))?,
            key: Hmac::new_from_slice(settings.secret.as_bytes())
                .unwrap_or_else(|_| unreachable!("a key has any length")),
            outgoing: Arc::new(Outgoing::new()),
            now,
        })
    }

    /// The URL itself is left out: those of webhooks are often secret.
    fn span(&self) -> Span {
        Span::below_current(SpanKind::Client, || {
            let attributes = vec![
                KeyValue::new("http.request.method", "POST"),
                KeyValue::new("server.address", self.url.host_str().unwrap_or_default().to_owned()),
                KeyValue::new("server.port", i64::from(self.url.port_or_known_default().unwrap_or(80))),
            ];
            ("POST".into(), attributes)
        })
    }

    fn headers(&self, event: &Received, body: &[u8], span: &Span) -> Result<HeaderMap, SinkError> {
        let sent = (self.now)().unix_millis() / 1000;
        let unfit = |_| SinkError::Refused("its event id cannot be a header".to_owned());
        let mut mac = self.key.clone();
        mac.update(format!("{}.{sent}.", event.event_id).as_bytes());
        mac.update(body);
        let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        let mut headers = HeaderMap::with_capacity(5);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(ID, HeaderValue::from_str(&event.event_id).map_err(unfit)?);
        headers.insert(TIMESTAMP, HeaderValue::from(sent));
        headers.insert(SIGNATURE, HeaderValue::from_str(&signature).map_err(unfit)?);
        if let Some(trace) = span.ids().or(event.trace) {
            headers.insert(TRACEPARENT, HeaderValue::from_str(&trace.to_string()).map_err(unfit)?);
        }
        Ok(headers)
    }
}

impl EventSink for Webhook {
    async fn deliver(&self, _: Position, event: &Received) -> Result<(), SinkError> {
        let body = serde_json::to_vec(&cloud_event(event)).map_err(Fault::Json)?;
        let span = self.span();
        let headers = self.headers(event, &body, &span)?;
        let request = self.http.post(self.url.clone()).headers(headers).body(body);
        // The URL is the operator's, and may have a secret in it: it is no label.
        let answer = self.outgoing.measure("POST", "{webhook}", request.send(), error_type);
        let answer = span.around(answer).await.map_err(|error| {
            span.fail(|| error_type(&error).into());
            Fault::NoAnswer(error.without_url())
        })?;
        let status = answer.status();
        span.tell(|| vec![KeyValue::new("http.response.status_code", i64::from(status.as_u16()))]);
        if status.is_client_error() || status.is_server_error() {
            span.fail(|| status.as_u16().to_string().into());
        }
        drop(span);
        if status.is_success() {
            return Ok(());
        }
        let again = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
        if status.is_client_error() && !again.contains(&status) {
            return Err(SinkError::Refused(format!("the webhook answered {status}")));
        }
        tokio::time::sleep(asked_pause(answer.headers())).await;
        Err(Fault::Status(status).into())
    }

    /// What was acknowledged is safe with the receiver.
    async fn flush(&self) -> Result<(), SinkError> {
        Ok(())
    }
}

fn cloud_event(event: &Received) -> CloudEvent<'_> {
    CloudEvent {
        specversion: "1.0",
        id: &event.event_id,
        source: EVENT_SOURCE,
        kind: EVENT_TYPE,
        subject: event.order.to_string(),
        time: event.moment.to_string(),
        datacontenttype: crate::events::CONTENT_TYPE,
        traceparent: event.trace.map(|trace| trace.to_string()),
        data: Data {
            order_id: event.order.get(),
            status: event.status.as_str(),
            moment: event.moment.to_string(),
        },
    }
}

/// What `Retry-After` asks for, in seconds; longer ones are asked again. A date is not followed: the
/// pauses of the caller are enough.
fn asked_pause(headers: &HeaderMap) -> Duration {
    let asked = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let seconds = asked.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    Duration::from_secs(seconds).min(RETRY_AFTER_MAX)
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("host", &self.url.host_str())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_that_is_asked_for_is_bounded() {
        let of =
            |text: &'static str| asked_pause(&HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]));
        assert_eq!(of("2"), Duration::from_secs(2));
        assert_eq!(of("86400"), RETRY_AFTER_MAX);
        assert_eq!(of("Wed, 21 Oct 2026 07:28:00 GMT"), Duration::ZERO);
        assert_eq!(asked_pause(&HeaderMap::new()), Duration::ZERO);
    }
}
