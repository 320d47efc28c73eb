//! LOMS over gRPC, for a cart that runs apart. Every call has a deadline. Only an answer of the
//! server itself, or a connection that was never made, proves that nothing was done; whatever
//! else goes wrong with a creation leaves its outcome unknown.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use domain::cart::ports::{Loms, LomsError};
use domain::error::cause;
use domain::order::model::Lines;
use domain::trace::TraceContext;
use domain::types::{IdempotencyKey, OrderId, Sku, UserId};
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanKind;
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, ConnectError, Request, Status};

use super::IDEMPOTENCY_KEY;
use super::proto::loms_client::LomsClient;
use super::proto::{Item, OrderCreateRequest, StocksInfoRequest};
use crate::metrics::{CallTable, RPC_CLIENT_CALLS, RPC_CLIENT_SECONDS, grpc_label};
use crate::spans::{self, Span};

/// Calls in flight on the connection; more wait, within their deadlines.
const IN_FLIGHT_MAX: usize = 1024;
/// The labels of the metrics of a call.
const LABELS: [&str; 2] = ["rpc_method", "rpc_response_status_code"];

/// A URL that is none.
#[derive(Debug, thiserror::Error)]
#[error("not a URL of a gRPC server")]
pub struct BadUrl(#[from] tonic::transport::Error);

/// The client.
#[derive(Debug, Clone)]
pub struct GrpcLoms {
    client: LomsClient<Channel>,
    /// Its host and port.
    server: String,
    timeout: Duration,
    trace: fn() -> Option<TraceContext>,
    calls: Arc<CallTable<2>>,
}

/// LOMS answered what it never should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("LOMS answered an order id that is not positive")]
struct BadAnswer;

impl GrpcLoms {
    /// A client of the server at `url`, connected when it is first needed and again whenever the
    /// connection is lost. `trace` tells the trace of the caller. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`BadUrl`].
    pub fn new(url: &str, timeout: Duration, trace: fn() -> Option<TraceContext>) -> Result<Self, BadUrl> {
        let endpoint = Endpoint::from_shared(url.to_owned())?
            // Before the deadline of the call: a server that cannot be reached is to be told from
            // one that does not answer.
            .connect_timeout(timeout / 2)
            .concurrency_limit(IN_FLIGHT_MAX)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(Duration::from_secs(10))
            .keep_alive_timeout(Duration::from_secs(5))
            .keep_alive_while_idle(true);
        let server = endpoint.uri().authority().map_or("", |authority| {
            // Who we are to it is nobody's business.
            let name = authority.as_str();
            name.rsplit_once('@').map_or(name, |(_, name)| name)
        });
        Ok(Self {
            server: server.to_owned(),
            client: LomsClient::new(endpoint.connect_lazy()),
            timeout,
            trace,
            calls: Arc::new(CallTable::new(RPC_CLIENT_CALLS, RPC_CLIENT_SECONDS, LABELS)),
        })
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(self.timeout);
        let trace = (self.trace)().map(|trace| trace.to_string());
        insert(request.metadata_mut(), "traceparent", trace.as_deref());
        insert(request.metadata_mut(), "tracestate", spans::tracestate().as_deref());
        request
    }

    /// Makes a call, measured and with a span around it. It is bounded from outside too: the connection may hang
    /// before the call has begun.
    async fn call<T, F>(&self, method: &'static str, call: impl FnOnce(LomsClient<Channel>) -> F) -> Result<T, Status>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let span = Span::below_current(SpanKind::Client, || {
            let mut attributes = spans::server(&self.server);
            attributes.push(KeyValue::new("rpc.system.name", "grpc"));
            attributes.push(KeyValue::new("rpc.method", method));
            (method.into(), attributes)
        });
        let running = self.calls.begin([method, grpc_label(Code::Cancelled as i32)]);
        let bounded = async { tokio::time::timeout(self.timeout, call(self.client.clone())).await };
        let ended = span.around(bounded).await;
        let answer = ended.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time")));
        let code = answer.as_ref().map_or_else(Status::code, |_| Code::Ok);
        let code = grpc_label(code as i32);
        running.end([method, code]);
        span.tell(|| vec![KeyValue::new("rpc.response.status_code", code)]);
        if answer.is_err() {
            span.fail(|| code.into());
        }
        answer
    }
}

fn insert(metadata: &mut MetadataMap, name: &'static str, value: Option<&str>) {
    if let Some(value) = value.and_then(|value| MetadataValue::<Ascii>::try_from(value).ok()) {
        metadata.insert(name, value);
    }
}

impl Loms for GrpcLoms {
    async fn free_stock(&self, sku: Sku) -> Result<Option<u32>, LomsError> {
        let message = StocksInfoRequest { sku: sku.get() };
        let asked = self.call("loms.v1.Loms/StocksInfo", |mut client| async move {
            client.stocks_info(self.request(message)).await
        });
        match asked.await {
            Ok(answer) => Ok(Some(answer.into_inner().count)),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(LomsError::Unavailable(cause(status))),
        }
    }

    async fn create(&self, user: UserId, lines: Lines, key: IdempotencyKey) -> Result<OrderId, LomsError> {
        let items = lines
            .iter()
            .map(|line| Item {
                sku: line.sku.get(),
                count: line.quantity.get(),
            })
            .collect();
        let message = OrderCreateRequest {
            user_id: user.get(),
            items,
        };
        let created = self.call("loms.v1.Loms/OrderCreate", |mut client| async move {
            let mut request = self.request(message);
            insert(request.metadata_mut(), IDEMPOTENCY_KEY, Some(key.as_str()));
            client.order_create(request).await
        });
        let answer = created.await.map_err(of_create)?;
        OrderId::try_from(answer.into_inner().order_id).map_err(|_| LomsError::Unknown(cause(BadAnswer)))
    }
}

/// What a status proves about a creation.
fn of_create(status: Status) -> LomsError {
    if never_sent(&status) {
        return LomsError::Unavailable(cause(status));
    }
    if !of_the_server(&status) {
        return LomsError::Unknown(cause(status));
    }
    match status.code() {
        Code::FailedPrecondition => LomsError::Refused(status.message().to_owned()),
        Code::Unavailable => LomsError::Unavailable(cause(status)),
        Code::InvalidArgument
        | Code::AlreadyExists
        | Code::ResourceExhausted
        | Code::Unimplemented
        | Code::PermissionDenied
        | Code::Unauthenticated => LomsError::Rejected(cause(status)),
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::Aborted
        | Code::OutOfRange
        | Code::Internal
        | Code::DataLoss => LomsError::Unknown(cause(status)),
    }
}

/// How tonic begins the message of a status that it made from an HTTP status.
const FROM_HTTP: &str = "grpc-status header missing";

/// The server itself said so: a status that the transport or the codec made has a source, and
/// one that tonic made from the answer of a proxy says it.
fn of_the_server(status: &Status) -> bool {
    status.source().is_none() && !status.message().starts_with(FROM_HTTP)
}

/// There was no connection to send it on.
fn never_sent(status: &Status) -> bool {
    let mut source = status.source();
    while let Some(error) = source {
        if error.is::<ConnectError>() {
            return true;
        }
        source = error.source();
    }
    false
}
