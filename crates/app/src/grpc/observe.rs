//! What every gRPC call goes through: a span below the caller's, a bound in time, an answer for a
//! call that panics, a line in the log, metrics by method and code, and the trace id in the answer.
//! It also mends one code: tonic answers a request that is too large with OUT_OF_RANGE, the
//! contract with RESOURCE_EXHAUSTED.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use domain::trace::TraceContext;
use futures::FutureExt;
use metrics::{Counter, Histogram};
use opentelemetry::KeyValue;
use tokio_util::task::TaskTracker;
use tonic::codegen::http::{HeaderValue, Request, Response};
use tonic::{Code, Status};
use tower::{Layer, Service};

use super::deadline;
use crate::telemetry::{Importance, RequestLine, RequestLog, Stopwatch, Tracing, Unanswered};

const GRPC_STATUS: &str = "grpc-status";
const CODES: usize = 17;

/// The methods that are told apart; others share one entry, so that no client makes new series.
const METHODS: [&str; 7] = [
    "/loms.v1.Loms/OrderCreate",
    "/loms.v1.Loms/OrderInfo",
    "/loms.v1.Loms/OrderPay",
    "/loms.v1.Loms/OrderCancel",
    "/loms.v1.Loms/StocksInfo",
    "/grpc.health.v1.Health/Check",
    "other",
];
/// Where the routine begins in [`METHODS`].
const ROUTINE: usize = 5;

type Handles = [[OnceLock<(Counter, Histogram)>; CODES]; METHODS.len()];

/// Observes calls.
#[derive(Debug, Clone)]
pub(super) struct Observe(Arc<Shared>);

struct Shared {
    tracing: Tracing,
    requests: RequestLog,
    call_timeout: Duration,
    calls: TaskTracker,
    handles: Handles,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Observe {
    pub(super) fn new(tracing: Tracing, requests: RequestLog, call_timeout: Duration) -> Self {
        let handles = std::array::from_fn(|_| std::array::from_fn(|_| OnceLock::new()));
        Self(Arc::new(Shared {
            tracing,
            requests,
            call_timeout,
            calls: TaskTracker::new(),
            handles,
        }))
    }

    /// Counts the calls that are not answered yet. A stream is answered when it begins.
    pub(super) fn calls(&self) -> TaskTracker {
        self.0.calls.clone()
    }
}

impl<S> Layer<S> for Observe {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed {
            inner,
            shared: Arc::clone(&self.0),
        }
    }
}

/// A service that is observed.
#[derive(Debug, Clone)]
pub(super) struct Observed<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S, A, B> Service<Request<A>> for Observed<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Send,
    B: Default + Send + 'static,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = futures::future::BoxFuture<'static, Result<Response<B>, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let watch = Stopwatch::start();
        let path = request.uri().path();
        let method = METHODS
            .iter()
            .position(|known| *known == path)
            .unwrap_or(METHODS.len() - 1);
        let header = request
            .headers()
            .get("traceparent")
            .and_then(|value| value.to_str().ok());
        let span = self.shared.tracing.request(header.and_then(TraceContext::parse));
        let shared = Arc::clone(&self.shared);
        let (cancelled, within) = (Arc::clone(&shared), span.clone());
        let unanswered = Unanswered::new(move || within.within(|| cancelled.tell_cancelled(method, watch.elapsed())));
        let counted = shared.calls.token();
        let bound = deadline::of(request.headers(), shared.call_timeout);
        let call = tokio::time::timeout(bound, AssertUnwindSafe(self.inner.call(request)).catch_unwind());
        let current = span.clone();
        Box::pin(current.around(async move {
            let mut answer = match call.await {
                Ok(Ok(answer)) => answer?,
                Ok(Err(_panic)) => Status::internal("internal error").into_http(), // the hook has logged it
                Err(_elapsed) => Status::deadline_exceeded("not done in time; the outcome is not known").into_http(),
            };
            let code = mend(&mut answer);
            if let Some(ids) = span.ids()
                && let Ok(id) = HeaderValue::try_from(format!("{:032x}", ids.trace_id()))
            {
                answer.headers_mut().insert("x-trace-id", id);
            }
            unanswered.answered();
            shared.tell(method, code, &watch, &span);
            drop(counted);
            Ok(answer)
        }))
    }
}

/// The code of an answer. A failed call has it in its headers; without one it succeeded, as far
/// as a unary call goes.
fn mend<B>(answer: &mut Response<B>) -> Code {
    let headers = answer.headers_mut();
    let Some(status) = headers.get(GRPC_STATUS) else {
        return Code::Ok;
    };
    match Code::from_bytes(status.as_bytes()) {
        Code::OutOfRange => {
            headers.insert(GRPC_STATUS, HeaderValue::from_static("8"));
            Code::ResourceExhausted
        }
        code => code,
    }
}

impl Shared {
    /// Its caller went away, and what it asked for may have been given up.
    fn tell_cancelled(&self, method: usize, took: Duration) {
        self.requests.tell(RequestLine {
            method: "gRPC",
            route: METHODS[method],
            status: Code::Cancelled as u16,
            took,
            importance: if method >= ROUTINE {
                Importance::Routine
            } else {
                Importance::Cancelled
            },
        });
    }

    fn tell(&self, method: usize, code: Code, watch: &Stopwatch, span: &crate::telemetry::trace::RequestSpan) {
        let took = watch.elapsed();
        let number = code as usize;
        let route = METHODS[method];
        let (count, duration) = self.handles[method][number.min(CODES - 1)].get_or_init(|| {
            let labels = [
                ("rpc_method", route.to_owned()),
                ("rpc_grpc_status_code", number.to_string()),
            ];
            (
                metrics::counter!("rpc_server_calls_total", &labels),
                metrics::histogram!("rpc_server_call_duration_seconds", &labels),
            )
        });
        count.increment(1);
        duration.record(took.as_secs_f64());
        let failed = matches!(
            code,
            Code::Internal | Code::Unknown | Code::Unavailable | Code::DeadlineExceeded
        );
        span.end(failed, || {
            let attributes = vec![
                KeyValue::new("rpc.system.name", "grpc"),
                KeyValue::new("rpc.method", route),
                KeyValue::new("rpc.response.status_code", i64::from(code as i32)),
            ];
            (route.trim_start_matches('/').to_owned(), attributes)
        });
        let importance = match failed {
            true => Importance::Failure,
            false if method >= ROUTINE => Importance::Routine,
            false => Importance::Normal,
        };
        let status = u16::try_from(code as i32).unwrap_or(u16::MAX);
        self.requests.tell(RequestLine {
            method: "gRPC",
            route,
            status,
            took,
            importance,
        });
    }
}
