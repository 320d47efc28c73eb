//! What every gRPC call goes through: a span below the caller's, a bound in time, an answer for a
//! call that panics, a line in the log, metrics by method and code, and the trace id in the answer.
//! It also mends one code: tonic answers a request that is too large with OUT_OF_RANGE, the
//! contract with RESOURCE_EXHAUSTED.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use adapters::metrics::{Calls, GRPC_CODES, OTHER, grpc_label};
use futures::FutureExt;
use metrics::Label;
use opentelemetry::KeyValue;
use tokio_util::task::TaskTracker;
use tonic::codegen::http::{HeaderValue, Request, Response};
use tonic::{Code, Status};
use tower::{Layer, Service};

use super::deadline;
use crate::telemetry::names::{RPC_CALLS, RPC_SECONDS};
use crate::telemetry::trace::RequestSpan;
use crate::telemetry::{Importance, RequestLine, RequestLog, Stopwatch, Tracing};

const GRPC_STATUS: &str = "grpc-status";

/// The methods that are told apart; others share one entry, so that no client makes new series.
const METHODS: [&str; 7] = [
    "/loms.v1.Loms/OrderCreate",
    "/loms.v1.Loms/OrderInfo",
    "/loms.v1.Loms/OrderPay",
    "/loms.v1.Loms/OrderCancel",
    "/loms.v1.Loms/StocksInfo",
    "/grpc.health.v1.Health/Check",
    OTHER,
];
/// Where probes are in [`METHODS`]: the routine.
const HEALTH: usize = 5;

type Handles = [[OnceLock<Calls>; GRPC_CODES]; METHODS.len()];

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
        let path = request.uri().path();
        let method = METHODS
            .iter()
            .position(|known| *known == path)
            .unwrap_or(METHODS.len() - 1);
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        let importance = if method == HEALTH {
            Importance::Routine
        } else {
            Importance::Normal
        };
        let span = self.shared.tracing.request(label(method), importance, header);
        let shared = Arc::clone(&self.shared);
        let mut running = Running {
            shared: Arc::clone(&shared),
            span: span.clone(),
            method,
            watch: Stopwatch::start(),
            answered: false,
        };
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
            let took = running.end(code);
            shared.tell(method, code, took, &span);
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

/// Whether it is a failure of ours, and not of who called.
const fn is_fault(code: Code) -> bool {
    matches!(
        code,
        Code::Internal | Code::Unknown | Code::Unavailable | Code::DeadlineExceeded | Code::DataLoss
    )
}

/// A method as the semantic conventions have it, in metrics and spans.
fn label(method: usize) -> &'static str {
    METHODS[method].trim_start_matches('/')
}

/// A call whose caller may be gone before its answer: then it is dropped.
struct Running {
    shared: Arc<Shared>,
    span: RequestSpan,
    method: usize,
    watch: Stopwatch,
    answered: bool,
}

impl Running {
    /// It is answered; how long it took.
    fn end(&mut self, code: Code) -> Duration {
        self.answered = true;
        let took = self.watch.elapsed();
        self.shared.note(self.method, code, took);
        took
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.answered {
            let took = self.end(Code::Cancelled);
            self.span.within(|| self.shared.tell_cancelled(self.method, took));
        }
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
            importance: if method == HEALTH {
                Importance::Routine
            } else {
                Importance::Cancelled
            },
        });
    }

    fn note(&self, method: usize, code: Code, took: Duration) {
        let number = code as i32;
        let known = &self.handles[method];
        let at = usize::try_from(number).unwrap_or(0).min(GRPC_CODES - 1);
        let calls = known[at].get_or_init(|| {
            let labels = vec![
                Label::from_static_parts("rpc_method", label(method)),
                Label::from_static_parts("rpc_response_status_code", grpc_label(number)),
            ];
            Calls::new(&RPC_CALLS, &RPC_SECONDS, labels)
        });
        calls.note(took);
    }

    fn tell(&self, method: usize, code: Code, took: Duration, span: &RequestSpan) {
        let route = METHODS[method];
        let is_fault = is_fault(code);
        // The conventions have it among the errors of a server; to us it is a method that nobody knows,
        // which any caller may ask for: no warning in the log.
        let is_error = is_fault || matches!(code, Code::Unimplemented);
        span.end(is_error, || {
            let (name, code) = (label(method), grpc_label(code as i32));
            let mut attributes = vec![
                KeyValue::new("rpc.system.name", "grpc"),
                KeyValue::new("rpc.method", name),
                KeyValue::new("rpc.response.status_code", code),
            ];
            attributes.extend(is_error.then(|| KeyValue::new("error.type", code)));
            (name.to_owned(), attributes)
        });
        let importance = match is_fault {
            true => Importance::Failure,
            false if method == HEALTH => Importance::Routine,
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
