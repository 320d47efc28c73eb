//! Measures each request to products as it goes over the wire.

use async_trait::async_trait;
use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next, Result};

use crate::metrics::OTHER;
use crate::outgoing::{Outgoing, error_type};

/// What a request asks for, without its ids: the value of the label `url_template`.
#[derive(Debug, Clone, Copy)]
pub(super) struct UrlTemplate(pub(super) &'static str);

/// From when a request leaves to the head of its answer.
#[derive(Debug)]
pub(super) struct Measured(pub(super) Outgoing);

#[async_trait]
impl Middleware for Measured {
    async fn handle(&self, request: Request, extensions: &mut Extensions, next: Next<'_>) -> Result<Response> {
        let template = extensions.get::<UrlTemplate>().map_or("", |template| template.0);
        let answer = next.run(request, extensions);
        self.0.measure("GET", template, answer, fault).await
    }
}

pub(super) fn fault(error: &Error) -> &'static str {
    match error {
        Error::Reqwest(error) => error_type(error),
        Error::Middleware(_) => OTHER,
    }
}
