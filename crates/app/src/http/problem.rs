//! Errors as `application/problem+json` (RFC 9457), and the choice of another form for an API
//! that has its own.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use serde::Serialize;

/// Seconds after which a caller may repeat what was answered with 503.
const RETRY_AFTER_SECONDS: u32 = 1;

/// An error for the caller. It names nothing that is internal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema, thiserror::Error)]
#[error("{status} {title}: {detail}")]
pub struct Problem {
    /// What kind of problem it is; `about:blank` where the status says it all.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened to this request.
    pub detail: String,
}

impl Problem {
    /// The media type of a problem.
    pub const MEDIA_TYPE: &'static str = "application/problem+json";

    /// A problem of which the status says it all.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or("Unknown").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
        }
    }

    /// The same problem as one of a named kind.
    #[must_use]
    pub fn of_kind(self, kind: impl Into<String>, title: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            title: title.into(),
            ..self
        }
    }

    /// 400: the request itself is wrong.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 404: what it names does not exist.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// 412: the state of the shop forbids it.
    pub fn refused(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, detail)
    }

    /// 503: nothing was done, repeat freely.
    #[must_use]
    pub fn unavailable() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "nothing was done: try again")
    }

    /// 504: nobody can tell whether it was done.
    #[must_use]
    pub fn outcome_unknown() -> Self {
        Self::new(
            StatusCode::GATEWAY_TIMEOUT,
            "whether it was done is not known yet: repeat the same request",
        )
    }

    /// 500: our bug.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong on our side")
    }

    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let body = serde_json::to_vec(self).unwrap_or_default(); // four plain fields always serialize
        answer(self.status()).content_type(Self::MEDIA_TYPE).body(body)
    }
}

impl From<Problem> for HttpResponse {
    fn from(problem: Problem) -> Self {
        problem.error_response()
    }
}

/// An answer with this status, and with `Retry-After` where it is 503.
#[must_use]
pub fn answer(status: StatusCode) -> HttpResponseBuilder {
    let mut builder = HttpResponse::build(status);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        builder.insert_header((header::RETRY_AFTER, RETRY_AFTER_SECONDS.to_string()));
    }
    builder
}

/// How an API words the errors that no handler of its own makes: from a status and a detail.
#[derive(Debug, Clone, Copy)]
pub struct ErrorStyle(pub fn(StatusCode, String) -> HttpResponse);

impl ErrorStyle {
    /// As [`Problem`]s.
    pub const PROBLEM: Self = Self(|status, detail| Problem::new(status, detail).into());

    /// The answer for a status, with a detail.
    pub(super) fn answer(self, status: StatusCode, detail: impl Into<String>) -> HttpResponse {
        (self.0)(status, detail.into())
    }

    /// The answer for a status about which nothing more is known.
    pub(super) fn bare(self, status: StatusCode) -> HttpResponse {
        self.answer(
            status,
            match status {
                StatusCode::NOT_FOUND => "there is nothing here",
                StatusCode::METHOD_NOT_ALLOWED => "this resource does not know the method",
                StatusCode::PAYLOAD_TOO_LARGE => "the body is too large",
                StatusCode::UNSUPPORTED_MEDIA_TYPE => "the body must be application/json",
                StatusCode::SERVICE_UNAVAILABLE => "nothing was done: try again",
                StatusCode::GATEWAY_TIMEOUT => "whether it was done is not known",
                status if status.is_server_error() => "something went wrong on our side",
                _ => "the request is not valid",
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_web::test]
    async fn a_problem_has_the_four_members_and_its_media_type() {
        let response = HttpResponse::from(
            Problem::refused("sku 7: wanted 2, free 1").of_kind("urn:shop:stock", "Not enough stock"),
        );
        assert_eq!(response.status(), 412);
        assert_eq!(response.headers().get("content-type").unwrap(), Problem::MEDIA_TYPE);
        let body = actix_web::body::to_bytes(response.into_body()).await.unwrap();
        let expected = serde_json::json!({
            "type": "urn:shop:stock", "title": "Not enough stock", "status": 412, "detail": "sku 7: wanted 2, free 1",
        });
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&body).unwrap(), expected);
    }

    #[test]
    fn only_503_says_when_to_come_again() {
        let retry_after = |problem: Problem| problem.error_response().headers().contains_key("retry-after");
        assert!(retry_after(Problem::unavailable()));
        for other in [
            Problem::outcome_unknown(),
            Problem::internal(),
            Problem::invalid("x"),
            Problem::not_found("x"),
        ] {
            assert!(!retry_after(other));
        }
    }

    #[test]
    fn a_blank_problem_is_titled_by_its_status() {
        let problem = Problem::outcome_unknown();
        assert_eq!(
            (problem.kind.as_str(), problem.title.as_str()),
            ("about:blank", "Gateway Timeout")
        );
    }
}
