//! A span around each request as it goes over the wire, and the trace that goes with it.

use async_trait::async_trait;
use domain::trace::TraceContext;
use http::Extensions;
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanKind;
use reqwest::header::HeaderValue;
use reqwest::{Request, Response, Url};
use reqwest_middleware::{Middleware, Next, Result};

use super::metrics::{UrlTemplate, fault};
use crate::spans::{self, Description, Span};

/// Makes the spans. `trace` tells the trace of whoever asks.
#[derive(Debug)]
pub(super) struct Traced {
    pub(super) trace: fn() -> Option<TraceContext>,
}

/// How often a request was sent before.
#[derive(Debug, Clone, Copy, Default)]
struct Sent(u32);

#[async_trait]
impl Middleware for Traced {
    async fn handle(&self, mut request: Request, extensions: &mut Extensions, next: Next<'_>) -> Result<Response> {
        let template = extensions.get::<UrlTemplate>().map_or("", |template| template.0);
        let sent = extensions.get_or_insert_default::<Sent>();
        let before = sent.0;
        sent.0 += 1;
        let span = Span::below_current(SpanKind::Client, || describe(&request, template, before));
        let answer = span.around(async {
            for (name, value) in [
                ("traceparent", (self.trace)().map(|trace| trace.to_string())),
                ("tracestate", spans::tracestate()),
            ] {
                if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
                    request.headers_mut().insert(name, value);
                }
            }
            next.run(request, extensions).await
        });
        let answer = answer.await;
        match &answer {
            Ok(answer) => {
                let status = answer.status();
                span.tell(|| vec![KeyValue::new("http.response.status_code", i64::from(status.as_u16()))]);
                if status.is_client_error() || status.is_server_error() {
                    span.fail(|| status.as_u16().to_string().into());
                }
            }
            Err(error) => span.fail(|| fault(error).into()),
        }
        answer
    }
}

fn describe(request: &Request, template: &'static str, before: u32) -> Description {
    let method = request.method().to_string();
    let url = without_credentials(request.url().clone());
    let server = url.host_str().unwrap_or_default().to_owned();
    let mut attributes = vec![
        KeyValue::new("http.request.method", method.clone()),
        KeyValue::new("server.address", server),
        KeyValue::new("server.port", i64::from(url.port_or_known_default().unwrap_or(80))),
        KeyValue::new("url.full", String::from(url)),
        KeyValue::new("url.template", template),
    ];
    if before > 0 {
        attributes.push(KeyValue::new("http.request.resend_count", i64::from(before)));
    }
    (format!("{method} {template}").into(), attributes)
}

fn without_credentials(mut url: Url) -> Url {
    // They fail only for URLs that have no host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_told_without_who_we_are() {
        let url = Url::parse("http://shop:secret@products:8082/product/1").unwrap();
        assert_eq!(without_credentials(url).as_str(), "http://products:8082/product/1");
    }
}
