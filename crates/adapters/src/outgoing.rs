//! Counts and times requests that leave over HTTP.

use reqwest::{Error, Response};

use crate::metrics::{
    CANCELLED, CONNECTION, CallTable, HTTP_CLIENT_REQUESTS, HTTP_CLIENT_SECONDS, NONE, OTHER, TIMEOUT, status_label,
};

/// The requests of one client.
#[derive(Debug)]
pub(crate) struct Outgoing(CallTable<4>);

impl Outgoing {
    pub(crate) fn new() -> Self {
        let names = [
            "http_request_method",
            "url_template",
            "http_response_status_code",
            "error_type",
        ];
        Self(CallTable::new(HTTP_CLIENT_REQUESTS, HTTP_CLIENT_SECONDS, names))
    }

    /// Measures one, to the head of its answer; `fault` tells why there is none.
    pub(crate) async fn measure<E>(
        &self,
        method: &'static str,
        template: &'static str,
        request: impl Future<Output = Result<Response, E>>,
        fault: impl FnOnce(&E) -> &'static str,
    ) -> Result<Response, E> {
        let running = self.0.begin([method, template, NONE, CANCELLED]);
        let answer = request.await;
        let (status, error) = match &answer {
            Ok(answer) => {
                let status = answer.status();
                let label = status_label(status.as_u16());
                (label, if status.as_u16() < 400 { NONE } else { label })
            }
            Err(error) => (NONE, fault(error)),
        };
        running.end([method, template, status, error]);
        answer
    }
}

/// Why a request has no answer.
pub(crate) fn error_type(error: &Error) -> &'static str {
    match error {
        error if error.is_timeout() => TIMEOUT,
        error if error.is_connect() => CONNECTION,
        _ => OTHER,
    }
}
