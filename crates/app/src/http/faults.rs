//! What is wrong with a request before a handler sees it: its route, path, query or body.

use actix_web::error::{InternalError, JsonPayloadError, PathError, PayloadError, QueryPayloadError};
use actix_web::http::StatusCode;
use actix_web::web::{self, ServiceConfig};
use actix_web::{Error, HttpResponse};

use super::problem::ErrorStyle;

/// Has bodies bounded, and everything that cannot be extracted from a request answered in the style.
pub(super) fn configure(config: &mut ServiceConfig, style: ErrorStyle, body_max_bytes: usize) {
    let json = web::JsonConfig::default()
        .limit(body_max_bytes)
        .error_handler(move |error, _| {
            let (status, detail) = of_json(&error);
            fail(style, status, detail)
        });
    let path = web::PathConfig::default().error_handler(move |error, _| {
        let detail = match &error {
            PathError::Deserialize(inner) => format!("invalid path: {inner}"),
            _ => "invalid path".to_owned(),
        };
        fail(style, StatusCode::BAD_REQUEST, detail)
    });
    let query = web::QueryConfig::default().error_handler(move |error, _| {
        let detail = match &error {
            QueryPayloadError::Deserialize(inner) => format!("invalid query: {inner}"),
            _ => "invalid query".to_owned(),
        };
        fail(style, StatusCode::BAD_REQUEST, detail)
    });
    config
        .app_data(json)
        .app_data(path)
        .app_data(query)
        .app_data(web::PayloadConfig::new(body_max_bytes));
}

/// The answer of an unknown route.
pub(super) async fn no_route(style: web::Data<ErrorStyle>) -> HttpResponse {
    style.bare(StatusCode::NOT_FOUND)
}

/// An error that is answered so.
pub(super) fn fail(style: ErrorStyle, status: StatusCode, detail: impl Into<String>) -> Error {
    let detail = detail.into();
    InternalError::from_response(detail.clone(), style.answer(status, detail)).into()
}

fn of_json(error: &JsonPayloadError) -> (StatusCode, String) {
    match error {
        JsonPayloadError::OverflowKnownLength { limit, .. } | JsonPayloadError::Overflow { limit } => too_large(*limit),
        JsonPayloadError::Payload(PayloadError::Overflow) => {
            (StatusCode::PAYLOAD_TOO_LARGE, "the body is too large".to_owned())
        }
        JsonPayloadError::ContentType => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body must be application/json".to_owned(),
        ),
        JsonPayloadError::Deserialize(inner) => (StatusCode::BAD_REQUEST, format!("invalid JSON: {inner}")),
        _ => (StatusCode::BAD_REQUEST, "the body cannot be read".to_owned()),
    }
}

fn too_large(limit: usize) -> (StatusCode, String) {
    (
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("the body is larger than {limit} bytes"),
    )
}
