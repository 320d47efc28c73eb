//! What the HTTP clients share: the connection pool and the classes of their answers.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, Response, StatusCode};

use super::{Answer, Fault, FaultKind};
use crate::error::LoadError;

/// Longest answer that is quoted.
const QUOTED_MAX: usize = 300;

/// A client with connections that stay open.
pub(crate) fn client(timeout: Duration) -> Result<Client, LoadError> {
    Client::builder()
        .timeout(timeout)
        .connect_timeout(timeout.min(Duration::from_secs(5)))
        .tcp_nodelay(true)
        .no_proxy()
        .build()
        .map_err(|error| LoadError::Target(format!("no HTTP client: {error}")))
}

/// Sends and gives back an answer of the 2xx, everything else as a fault by [`kind_of`].
pub(super) async fn send(request: RequestBuilder) -> Answer<Response> {
    let response = request.send().await.map_err(|error| transport(&error))?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = response.bytes().await.unwrap_or_default();
    Err(Fault::new(kind_of(status), status.to_string(), quote(&body)))
}

/// The class of a status as the contract of the shop has it.
pub(super) fn kind_of(status: StatusCode) -> FaultKind {
    match status.as_u16() {
        412 => FaultKind::Refused,
        429 | 503 => FaultKind::Unavailable,
        500..=599 => FaultKind::Unknown,
        _ => FaultKind::Unexpected,
    }
}

/// A call without an answer: refused connections did nothing, all else may have.
pub(super) fn transport(error: &reqwest::Error) -> Fault {
    let (kind, code) = if error.is_connect() {
        (FaultKind::Unavailable, "cannot connect")
    } else if error.is_timeout() {
        (FaultKind::Unknown, "no answer in time")
    } else {
        (FaultKind::Unknown, "connection lost")
    };
    Fault::new(kind, code, causes(error))
}

/// An answer of the 2xx with a body that is not what it should be.
pub(super) fn malformed(error: &dyn std::fmt::Display) -> Fault {
    Fault::new(FaultKind::Unexpected, "malformed answer", error.to_string())
}

/// The start of a body, as text.
pub(super) fn quote(body: &[u8]) -> String {
    String::from_utf8_lossy(&body[..body.len().min(QUOTED_MAX)]).into_owned()
}

/// An error with its causes.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
