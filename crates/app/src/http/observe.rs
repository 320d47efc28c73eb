//! The one middleware of every HTTP server: a span, the metrics and the log line of each request,
//! its `x-trace-id`, its bound in time, an answer for a handler that panics, and a body for errors
//! that have none.

use std::future::{Ready, ready};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{Error, HttpResponse};
use adapters::metrics::OTHER;
use futures::FutureExt;
use opentelemetry::KeyValue;

use super::measured::{End, Meter, NO_ROUTE, Running};
use super::problem::ErrorStyle;
use crate::telemetry::trace::RequestSpan;
use crate::telemetry::{Importance, RequestLine, RequestLog, Tracing};

/// In the line of a request that has no answer; what nginx made customary.
const CLIENT_CLOSED_REQUEST: u16 = 499;
const TRACE_ID: HeaderName = HeaderName::from_static("x-trace-id");

/// What the middleware of a server shares between its workers.
#[derive(Debug, Clone)]
pub(super) struct Observe(pub(super) Arc<Shared>);

/// See [`Observe`].
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) service: &'static str,
    pub(super) tracing: Tracing,
    pub(super) log: RequestLog,
    pub(super) style: ErrorStyle,
    pub(super) answer_timeout: Duration,
}

impl<S> Transform<S, ServiceRequest> for Observe
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error>,
    S::Future: 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Transform = Observed<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        let worker = Rc::new(Worker {
            shared: Arc::clone(&self.0),
            meter: Rc::new(Meter::new(self.0.service)),
        });
        ready(Ok(Observed { inner, worker }))
    }
}

/// The middleware in one worker.
pub(super) struct Observed<S> {
    inner: S,
    worker: Rc<Worker>,
}

impl<S> Service<ServiceRequest> for Observed<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error>,
    S::Future: 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>>>>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let worker = Rc::clone(&self.worker);
        let running = worker.meter.begin(&request);
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        let importance = if is_routine(request.path()) {
            Importance::Routine
        } else {
            Importance::Normal
        };
        let name = span_name(running.method);
        let span = worker.shared.tracing.request(name, importance, header);
        let mut asked = Asked {
            worker: Rc::clone(&worker),
            span: span.clone(),
            running,
            answered: false,
        };
        let work = self.inner.call(request);
        Box::pin(async move {
            let caught = AssertUnwindSafe(work).catch_unwind();
            let answered = span
                .around(tokio::time::timeout(worker.shared.answer_timeout, caught))
                .await;
            let style = worker.shared.style;
            let overdue = answered.is_err();
            let mut result = match answered {
                Ok(Ok(result)) => result,
                Ok(Err(_panic)) => Err(failure(style, StatusCode::INTERNAL_SERVER_ERROR)), // the hook has logged it
                Err(_elapsed) => Err(failure(style, StatusCode::GATEWAY_TIMEOUT)),
            };
            if let Ok(response) = &mut result {
                complete(response, style);
            }
            let code = match &result {
                Ok(response) => response.status(),
                Err(error) => error.as_response_error().status_code(),
            };
            let end = if overdue {
                End::TimedOut(code)
            } else {
                End::Answered(code)
            };
            // The line is to have the request's trace.
            span.within(|| asked.answer(end, code));
            let trace_id = trace_id(&span);
            mark(result, trace_id)
        })
    }
}

/// What one worker keeps.
struct Worker {
    shared: Arc<Shared>,
    meter: Rc<Meter>,
}

/// A request whose caller may be gone before its answer: then it is dropped.
struct Asked {
    worker: Rc<Worker>,
    span: RequestSpan,
    running: Running,
    answered: bool,
}

impl Drop for Asked {
    fn drop(&mut self) {
        if !self.answered {
            self.span.within(|| self.tell_cancelled());
        }
    }
}

impl Asked {
    /// Its caller went away, and what it asked for may have been given up.
    fn tell_cancelled(&self) {
        let route = &self.running.route.template;
        self.worker.shared.log.tell(RequestLine {
            method: self.running.method,
            route,
            status: CLIENT_CLOSED_REQUEST,
            took: self.running.end(End::Cancelled),
            importance: if is_routine(route) {
                Importance::Routine
            } else {
                Importance::Cancelled
            },
        });
    }

    fn answer(&mut self, end: End, code: StatusCode) {
        self.answered = true;
        let took = self.running.end(end);
        let (method, route) = (self.running.method, self.running.route.template.as_str());
        let failed = code.is_server_error();
        let importance = match () {
            () if is_routine(route) => Importance::Routine,
            () if failed => Importance::Failure,
            () => Importance::Normal,
        };
        let status = code.as_u16();
        self.worker.shared.log.tell(RequestLine {
            method,
            route,
            status,
            took,
            importance,
        });
        self.span.end(failed, || {
            let mut attributes = vec![
                KeyValue::new("http.request.method", method),
                KeyValue::new("url.scheme", "http"),
                KeyValue::new("http.response.status_code", i64::from(status)),
            ];
            attributes.extend(failed.then(|| KeyValue::new("error.type", status.to_string())));
            let name = span_name(method);
            // The path itself is left out: it names users.
            if route == NO_ROUTE {
                return (name.to_owned(), attributes);
            }
            attributes.push(KeyValue::new("http.route", route.to_owned()));
            (format!("{name} {route}"), attributes)
        });
    }
}

/// Probes and assets, which would drown the calls in the log.
fn is_routine(route: &str) -> bool {
    matches!(route, "/metrics" | "/healthz" | "/readyz" | "/openapi.json") || route.starts_with("/swagger")
}

/// What a span is called before its route is known, and where there is none.
fn span_name(method: &'static str) -> &'static str {
    match method {
        OTHER => "HTTP",
        known => known,
    }
}

fn failure(style: ErrorStyle, status: StatusCode) -> Error {
    let response = style.bare(status);
    actix_web::error::InternalError::from_response("", response).into()
}

/// Gives an error that came without a body of JSON one in the style of the API, and keeps its headers.
fn complete(response: &mut ServiceResponse, style: ErrorStyle) {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || is_json(response.response()) {
        return;
    }
    let mut styled = style.bare(status);
    for (name, value) in response.headers() {
        if name != header::CONTENT_TYPE && name != header::CONTENT_LENGTH {
            styled.headers_mut().append(name.clone(), value.clone());
        }
    }
    *response.response_mut() = styled;
}

fn is_json(response: &HttpResponse) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.contains("json"))
}

fn trace_id(span: &RequestSpan) -> Option<HeaderValue> {
    let ids = span.ids()?;
    HeaderValue::from_str(&format!("{:032x}", ids.trace_id())).ok()
}

/// Puts the trace id on the answer, also where it is still an error.
fn mark(result: Result<ServiceResponse, Error>, trace_id: Option<HeaderValue>) -> Result<ServiceResponse, Error> {
    let Some(trace_id) = trace_id else { return result };
    match result {
        Ok(mut response) => {
            response.headers_mut().insert(TRACE_ID, trace_id);
            Ok(response)
        }
        Err(error) => {
            let mut response = error.error_response();
            response.headers_mut().insert(TRACE_ID, trace_id);
            Err(actix_web::error::InternalError::from_response(error, response).into())
        }
    }
}
