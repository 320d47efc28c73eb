//! The HTTP gateway of LOMS: canonical proto3 JSON in front of the same service that gRPC calls,
//! with the same checks and the same answers. Source: the contract, "LOMS".

use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{HttpRequest, HttpResponse, web};
use adapters::grpc::IDEMPOTENCY_KEY;
use adapters::grpc::proto::{
    OrderCancelRequest, OrderCreateRequest, OrderInfoRequest, OrderPayRequest, StocksInfoRequest,
};
use garde::Validate;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};
use tonic::{Code, Request, Status};

use super::problem::{ErrorStyle, answer};
use super::resource;
use crate::grpc::service::{Handle, invalid};
use crate::status::gateway_of;
use crate::wiring::loms::Service;

/// The OpenAPI document, generated from the proto.
pub const OPENAPI: &str = include_str!("openapi/loms.json");

/// An error as the gateway tells it.
#[derive(Debug, Serialize)]
struct ErrorBody<'a> {
    code: i32,
    message: &'a str,
    details: [(); 0],
}

/// Mounts the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/order/create").route(web::post().to(with_body::<OrderCreateRequest>)))
        .service(resource("/order/pay").route(web::post().to(with_body::<OrderPayRequest>)))
        .service(resource("/order/cancel").route(web::post().to(with_body::<OrderCancelRequest>)))
        .service(resource("/order/info").route(web::get().to(with_query::<OrderInfoRequest>)))
        .service(resource("/stock/info").route(web::get().to(with_query::<StocksInfoRequest>)));
}

/// How the gateway words errors that no route of it makes.
pub const STYLE: ErrorStyle = ErrorStyle(|http, detail| {
    let code = match http.as_u16() {
        404 => Code::NotFound,
        405 => Code::Unimplemented,
        413 => Code::ResourceExhausted,
        503 => Code::Unavailable,
        504 => Code::DeadlineExceeded,
        400..500 => Code::InvalidArgument,
        _ => Code::Internal,
    };
    error(http, &Status::new(code, detail))
});

/// A call whose message is the body.
async fn with_body<M>(
    service: web::Data<Service>,
    request: HttpRequest,
    body: Result<web::Bytes, actix_web::Error>,
) -> HttpResponse
where
    M: DeserializeOwned + Validate<Context = ()>,
    Service: Handle<M, Answer: Serialize>,
{
    if !is_json(request.headers()) {
        let status = Status::invalid_argument("send the body as content-type: application/json");
        return error(StatusCode::UNSUPPORTED_MEDIA_TYPE, &status);
    }
    let message = body
        .map_err(|error| unread(&error))
        .and_then(|body| serde_json::from_slice(&body).map_err(|error| invalid(format!("not a valid body: {error}"))));
    call(&service, &request, message).await
}

/// A call whose message is the query: each field once, in either spelling.
async fn with_query<M>(service: web::Data<Service>, request: HttpRequest) -> HttpResponse
where
    M: DeserializeOwned + Validate<Context = ()>,
    Service: Handle<M, Answer: Serialize>,
{
    let pairs = web::Query::<Vec<(String, String)>>::from_query(request.query_string());
    let pairs = pairs.map_err(|error| invalid(format!("not a valid query: {error}")));
    let message = pairs.and_then(|pairs| {
        let mut fields = Map::new();
        for (name, value) in pairs.into_inner() {
            if fields.insert(name.clone(), Value::String(value)).is_some() {
                return Err(invalid(format!("{name} stands in the query twice")));
            }
        }
        serde_json::from_value(Value::Object(fields)).map_err(|error| invalid(format!("not a valid query: {error}")))
    });
    call(&service, &request, message).await
}

async fn call<M>(service: &Service, request: &HttpRequest, message: Result<M, Status>) -> HttpResponse
where
    M: Validate<Context = ()>,
    Service: Handle<M, Answer: Serialize>,
{
    let answered = match message {
        Ok(message) => {
            let metadata = metadata(request.headers());
            service
                .call(Request::from_parts(metadata, tonic::Extensions::default(), message))
                .await
        }
        Err(status) => Err(status),
    };
    match answered {
        Ok(answer) => HttpResponse::Ok().json(answer.into_inner()),
        Err(status) => {
            let http = StatusCode::from_u16(gateway_of(status.code())).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            error(http, &status)
        }
    }
}

/// The headers that the service knows as metadata.
fn metadata(headers: &HeaderMap) -> MetadataMap {
    let mut metadata = MetadataMap::new();
    for value in headers.get_all(IDEMPOTENCY_KEY) {
        // What cannot be metadata cannot be a key either; the service says so.
        let value = MetadataValue::<Ascii>::try_from(value.as_bytes());
        metadata.append(
            IDEMPOTENCY_KEY,
            value.unwrap_or_else(|_| MetadataValue::from_static("")),
        );
    }
    metadata
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|value| value.split(';').next()).map(str::trim);
    essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"))
}

fn unread(error: &actix_web::Error) -> Status {
    match error.as_error::<PayloadError>() {
        Some(PayloadError::Overflow) => Status::resource_exhausted("the request is over 256 KiB"),
        _ => Status::invalid_argument("the body did not arrive whole"),
    }
}

fn error(http: StatusCode, status: &Status) -> HttpResponse {
    answer(http).json(ErrorBody {
        code: status.code() as i32,
        message: status.message(),
        details: [],
    })
}
