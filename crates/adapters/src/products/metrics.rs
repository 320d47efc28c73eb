//! What the client of products counts: names, descriptions, and the middleware that measures each
//! request as it goes over the wire. Names follow OpenTelemetry where it has one.

use async_trait::async_trait;
use domain::clock::Clock;
use http::Extensions;
use metrics::{Unit, describe_counter, describe_histogram};
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next, Result};

/// Products that were answered from the cache, unknown skus included.
pub const CACHE_HITS: &str = "cart_products_cache_hits_total";
/// Products that had to be asked for, or were being asked for already.
pub const CACHE_MISSES: &str = "cart_products_cache_misses_total";
/// How long requests waited for their turn, in seconds.
pub const WAIT_SECONDS: &str = "cart_products_wait_seconds";
/// Requests that were sent again.
pub const RETRIES: &str = "cart_products_retries_total";
/// Requests over the wire, in seconds; labels `url_template`, `http_response_status_code` and
/// `error_type` (`timeout`, `connect`, `other`, or empty).
pub const REQUEST_SECONDS: &str = "http_client_request_duration_seconds";

/// What a request asks for, without its ids: the value of the label `url_template`.
#[derive(Debug, Clone, Copy)]
pub(super) struct UrlTemplate(pub(super) &'static str);

/// Describes the metrics to the recorder that is installed.
pub fn describe() {
    describe_counter!(CACHE_HITS, Unit::Count, "Products answered from the cache.");
    describe_counter!(CACHE_MISSES, Unit::Count, "Products that were not in the cache.");
    describe_histogram!(
        WAIT_SECONDS,
        Unit::Seconds,
        "Wait of a request to products for its turn."
    );
    describe_counter!(
        RETRIES,
        Unit::Count,
        "Requests to products sent again after 420 or 429."
    );
    describe_histogram!(
        REQUEST_SECONDS,
        Unit::Seconds,
        "Outgoing HTTP requests, each attempt by itself."
    );
}

/// Measures each request, from when it leaves to the head of its answer.
#[derive(Debug)]
pub(super) struct Measured<C>(pub(super) C);

#[async_trait]
impl<C: Clock> Middleware for Measured<C> {
    async fn handle(&self, request: Request, extensions: &mut Extensions, next: Next<'_>) -> Result<Response> {
        let template = extensions.get::<UrlTemplate>().map_or("", |template| template.0);
        let left = self.0.now();
        let answer = next.run(request, extensions).await;
        let (status, fault) = match &answer {
            Ok(answer) => (answer.status().as_u16().to_string(), ""),
            Err(error) => (String::new(), error_type(error)),
        };
        let labels = [
            ("http_request_method", "GET".into()),
            ("url_template", template.into()),
            ("http_response_status_code", metrics::SharedString::from(status)),
            ("error_type", fault.into()),
        ];
        metrics::histogram!(REQUEST_SECONDS, &labels).record(self.0.now().since(left).as_secs_f64());
        answer
    }
}

pub(super) fn error_type(error: &Error) -> &'static str {
    match error {
        Error::Reqwest(error) if error.is_timeout() => "timeout",
        Error::Reqwest(error) if error.is_connect() => "connect",
        Error::Reqwest(_) | Error::Middleware(_) => "other",
    }
}
