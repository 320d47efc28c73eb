//! The shop as its clients see it: carts and products over HTTP, orders over gRPC or the gateway.
//! Every answer is put into one of four classes, because only that decides what may be repeated.

mod cart;
mod gateway;
mod grpc;
mod http;
mod products;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use cart::CartClient;
pub(crate) use gateway::GatewayOrders;
pub(crate) use grpc::GrpcOrders;
pub(crate) use http::client as http_client;
pub(crate) use products::{Product, ProductsClient};

use crate::dataset::Line;
use crate::error::LoadError;

/// What a call came to.
pub(crate) type Answer<T> = Result<T, Fault>;

/// A call that did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// What it means for the caller.
    pub(crate) kind: FaultKind,
    /// Status or kind of failure, the same for equal faults.
    pub(crate) code: String,
    /// The words of this one.
    pub(crate) detail: String,
}

/// What a fault means for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// A rule said no: out of stock, or the state of an order.
    Refused,
    /// Nothing was done; repeat freely.
    Unavailable,
    /// A definite answer that should not have come.
    Unexpected,
    /// May have been done or not: only a repeat with the same idempotency key tells.
    Unknown,
}

impl Fault {
    /// A fault of this kind.
    pub(crate) fn new(kind: FaultKind, code: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            kind,
            code: code.into(),
            detail: detail.into(),
        }
    }

    /// May or may not have been done.
    pub(crate) fn unknown(&self) -> bool {
        self.kind == FaultKind::Unknown
    }
}

/// An order as the shop tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// `new`, `awaiting payment`, `failed`, `payed` or `cancelled`.
    pub(crate) status: String,
    /// Whose it is.
    pub(crate) user_id: i64,
    /// By ascending sku.
    pub(crate) lines: Vec<Line>,
}

/// Orders and stock, over one of their two doors.
#[derive(Clone, Debug)]
pub(crate) enum Orders {
    /// The gRPC service.
    Grpc(GrpcOrders),
    /// The HTTP gateway to it.
    Gateway(GatewayOrders),
}

impl Orders {
    /// Places an order; the same key and lines give the same answer.
    pub(crate) async fn create(&self, user_id: i64, lines: &[Line], key: Option<&str>) -> Answer<i64> {
        match self {
            Self::Grpc(grpc) => grpc.create(user_id, lines, key).await,
            Self::Gateway(gateway) => gateway.create(user_id, lines, key).await,
        }
    }

    /// Pays an order; again is no error.
    pub(crate) async fn pay(&self, order_id: i64) -> Answer<()> {
        match self {
            Self::Grpc(grpc) => grpc.pay(order_id).await,
            Self::Gateway(gateway) => gateway.pay(order_id).await,
        }
    }

    /// Cancels an order; again is no error.
    pub(crate) async fn cancel(&self, order_id: i64) -> Answer<()> {
        match self {
            Self::Grpc(grpc) => grpc.cancel(order_id).await,
            Self::Gateway(gateway) => gateway.cancel(order_id).await,
        }
    }

    /// An order with its lines.
    pub(crate) async fn info(&self, order_id: i64) -> Answer<Told> {
        match self {
            Self::Grpc(grpc) => grpc.info(order_id).await,
            Self::Gateway(gateway) => gateway.info(order_id).await,
        }
    }

    /// Units that can be bought now; none for a sku without a stock record.
    pub(crate) async fn free(&self, sku: i64) -> Answer<Option<u32>> {
        match self {
            Self::Grpc(grpc) => grpc.free(sku).await,
            Self::Gateway(gateway) => gateway.free(sku).await,
        }
    }
}

/// Where a deployment answers.
#[derive(Clone, Debug)]
pub(crate) struct Urls {
    /// Carts and checkout.
    pub(crate) cart: String,
    /// Orders over HTTP.
    pub(crate) gateway: String,
    /// Orders over gRPC.
    pub(crate) grpc: String,
    /// The product service and its key.
    pub(crate) products: String,
    /// What the product service asks for.
    pub(crate) api_key: String,
    /// Whether orders go over the gateway instead of gRPC.
    pub(crate) orders_by_gateway: bool,
    /// gRPC connections to spread calls over.
    pub(crate) connections: usize,
    /// How long one call may take; then its outcome is unknown.
    pub(crate) timeout: Duration,
}

/// The clients of one deployment; a clone shares their connections.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Carts and checkout.
    pub(crate) cart: Arc<CartClient>,
    /// Orders and stock.
    pub(crate) orders: Orders,
    /// The product service.
    pub(crate) products: Arc<ProductsClient>,
}

impl Target {
    /// Makes the clients; connections are opened at the first call.
    pub(crate) fn new(urls: &Urls) -> Result<Self, LoadError> {
        let http = http::client(urls.timeout)?;
        let orders = if urls.orders_by_gateway {
            Orders::Gateway(GatewayOrders::new(http.clone(), &urls.gateway))
        } else {
            Orders::Grpc(GrpcOrders::new(&urls.grpc, urls.connections, urls.timeout)?)
        };
        Ok(Self {
            cart: Arc::new(CartClient::new(http.clone(), &urls.cart)),
            orders,
            products: Arc::new(ProductsClient::new(http, &urls.products, &urls.api_key)),
        })
    }
}
