//! The gRPC service of LOMS. Every call, also one that came through the gateway, goes through
//! [`LomsService::call`]: it checks the rules that stand beside the message, hands the message to
//! its use case, and turns an error into a status that shows no internals.

use std::sync::Arc;

use adapters::grpc::IDEMPOTENCY_KEY;
use adapters::grpc::proto::loms_server::Loms;
use adapters::grpc::proto::{
    Item, OrderCancelRequest, OrderCancelResponse, OrderCreateRequest, OrderCreateResponse, OrderInfoRequest,
    OrderInfoResponse, OrderPayRequest, OrderPayResponse, StocksInfoRequest, StocksInfoResponse,
};
use domain::error::{ErrorKind, Kind};
use domain::order::cancel::Cancel;
use domain::order::create::Create;
use domain::order::info::OrderInfo;
use domain::order::model::{Draft, Line, Lines};
use domain::order::pay::Pay;
use domain::order::ports::{OrderBook, OrderQueries};
use domain::stock::info::StockInfo;
use domain::stock::ports::StockQueries;
use domain::types::{IdempotencyKey, OrderId, Quantity, Sku, UserId};
use garde::Validate;
use slog::Logger;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use crate::status;
use crate::telemetry::{Failures, trace};

/// The service, over the order book and the reads of the ledger.
#[derive(Debug, Clone)]
pub struct LomsService<B, Q> {
    book: B,
    reads: Q,
    failures: Arc<Failures>,
}

/// What a message does.
pub trait Handle<M> {
    /// What it is answered with.
    type Answer: Send;

    /// Does it. The message has passed its rules.
    fn handle(&self, message: M, metadata: &MetadataMap) -> impl Future<Output = Result<Self::Answer, Status>> + Send;
}

impl<B, Q> LomsService<B, Q> {
    /// Over these ports.
    pub fn new(book: B, reads: Q, log: Logger) -> Self {
        let failures = Arc::new(Failures::new(log));
        Self { book, reads, failures }
    }

    /// Checks a message against its rules, and handles it.
    ///
    /// # Errors
    /// A status of the contract's table.
    pub async fn call<M>(&self, request: Request<M>) -> Result<Response<<Self as Handle<M>>::Answer>, Status>
    where
        Self: Handle<M>,
        M: Validate<Context = ()>,
    {
        let (metadata, _, message) = request.into_parts();
        message.validate().map_err(|report| invalid(broken_rules(&report)))?;
        self.handle(message, &metadata).await.map(Response::new)
    }

    /// The status of an error, whose causes only the log sees.
    fn status(&self, error: &impl Kind) -> Status {
        self.failures.tell(error);
        Status::new(status::row(error.kind()).grpc, error.to_string())
    }
}

/// Most characters of a message that tells a caller what is wrong with what it sent: it travels
/// in a header, of which clients take a few KiB, and what it quotes may be as large as a request.
const MESSAGE_MAX_CHARS: usize = 512;
/// Most broken rules that one answer names.
const RULES_MAX: usize = 8;

/// The status of a request that is wrong.
pub(crate) fn invalid(error: impl ToString) -> Status {
    let mut message = error.to_string();
    if let Some((end, _)) = message.char_indices().nth(MESSAGE_MAX_CHARS) {
        message.truncate(end);
        message.push('…');
    }
    Status::new(status::row(ErrorKind::Invalid).grpc, message)
}

/// The rules that a message breaks, field by field.
fn broken_rules(report: &garde::Report) -> String {
    let all = report.iter();
    let named: Vec<String> = all
        .take(RULES_MAX)
        .map(|(path, error)| format!("{path}: {error}"))
        .collect();
    let more = report.iter().count() - named.len();
    let rest = if more > 0 {
        format!("; and {more} more")
    } else {
        String::new()
    };
    named.join("; ") + &rest
}

fn order_id(n: i64) -> Result<OrderId, Status> {
    OrderId::try_from(n).map_err(invalid)
}

/// The one idempotency key of a call, if it has one.
fn idempotency_key(metadata: &MetadataMap) -> Result<Option<IdempotencyKey>, Status> {
    let mut values = metadata.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(invalid("send one idempotency-key, not several"));
    }
    IdempotencyKey::new(value.to_str().unwrap_or_default())
        .map(Some)
        .map_err(invalid)
}

impl<B: OrderBook, Q: Sync> Handle<OrderCreateRequest> for LomsService<B, Q> {
    type Answer = OrderCreateResponse;

    async fn handle(&self, message: OrderCreateRequest, metadata: &MetadataMap) -> Result<Self::Answer, Status> {
        let key = idempotency_key(metadata)?;
        let user = UserId::try_from(message.user_id).map_err(invalid)?;
        let line = |item: Item| {
            Ok(Line {
                sku: Sku::try_from(item.sku)?,
                quantity: Quantity::try_from(item.count)?,
            })
        };
        let lines: Result<Vec<Line>, domain::types::OutOfRange> = message.items.into_iter().map(line).collect();
        let lines = Lines::merge(lines.map_err(invalid)?).map_err(invalid)?;
        let created = Create { book: &self.book }
            .run(Draft { user, lines, key }, trace::current())
            .await;
        let order = created.map_err(|error| self.status(&error))?;
        Ok(OrderCreateResponse { order_id: order.get() })
    }
}

impl<B: Sync, Q: OrderQueries> Handle<OrderInfoRequest> for LomsService<B, Q> {
    type Answer = OrderInfoResponse;

    async fn handle(&self, message: OrderInfoRequest, _: &MetadataMap) -> Result<Self::Answer, Status> {
        let id = order_id(message.order_id)?;
        let order = OrderInfo { orders: &self.reads }
            .run(id)
            .await
            .map_err(|error| self.status(&error))?;
        let items = order.lines.iter().map(|line| Item {
            sku: line.sku.get(),
            count: line.quantity.get(),
        });
        Ok(OrderInfoResponse {
            status: order.status.as_str().to_owned(),
            user_id: order.user.get(),
            items: items.collect(),
        })
    }
}

impl<B: OrderBook, Q: Sync> Handle<OrderPayRequest> for LomsService<B, Q> {
    type Answer = OrderPayResponse;

    async fn handle(&self, message: OrderPayRequest, _: &MetadataMap) -> Result<Self::Answer, Status> {
        let id = order_id(message.order_id)?;
        let payed = Pay { book: &self.book }.run(id, trace::current()).await;
        payed.map_err(|error| self.status(&error))?;
        Ok(OrderPayResponse {})
    }
}

impl<B: OrderBook, Q: Sync> Handle<OrderCancelRequest> for LomsService<B, Q> {
    type Answer = OrderCancelResponse;

    async fn handle(&self, message: OrderCancelRequest, _: &MetadataMap) -> Result<Self::Answer, Status> {
        let id = order_id(message.order_id)?;
        let cancelled = Cancel { book: &self.book }.run(id, trace::current()).await;
        cancelled.map_err(|error| self.status(&error))?;
        Ok(OrderCancelResponse {})
    }
}

impl<B: Sync, Q: StockQueries> Handle<StocksInfoRequest> for LomsService<B, Q> {
    type Answer = StocksInfoResponse;

    async fn handle(&self, message: StocksInfoRequest, _: &MetadataMap) -> Result<Self::Answer, Status> {
        let sku = Sku::try_from(message.sku).map_err(invalid)?;
        let free = StockInfo { stock: &self.reads }
            .run(sku)
            .await
            .map_err(|error| self.status(&error))?;
        Ok(StocksInfoResponse { count: free })
    }
}

#[tonic::async_trait]
impl<B: OrderBook, Q: OrderQueries + StockQueries> Loms for LomsService<B, Q> {
    async fn order_create(
        &self,
        request: Request<OrderCreateRequest>,
    ) -> Result<Response<OrderCreateResponse>, Status> {
        self.call(request).await
    }

    async fn order_info(&self, request: Request<OrderInfoRequest>) -> Result<Response<OrderInfoResponse>, Status> {
        self.call(request).await
    }

    async fn order_pay(&self, request: Request<OrderPayRequest>) -> Result<Response<OrderPayResponse>, Status> {
        self.call(request).await
    }

    async fn order_cancel(
        &self,
        request: Request<OrderCancelRequest>,
    ) -> Result<Response<OrderCancelResponse>, Status> {
        self.call(request).await
    }

    async fn stocks_info(&self, request: Request<StocksInfoRequest>) -> Result<Response<StocksInfoResponse>, Status> {
        self.call(request).await
    }
}
