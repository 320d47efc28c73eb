//! LOMS for a cart in the same process: the same port as over gRPC, without the wire.

use domain::cart::ports::{Loms, LomsError};
use domain::error::cause;
use domain::order::create::{Create, CreateError};
use domain::order::model::{Draft, Lines};
use domain::order::place::PlaceRefusal;
use domain::order::ports::{BookError, OrderBook};
use domain::stock::info::{StockInfo, StockInfoError};
use domain::stock::ports::StockQueries;
use domain::trace::TraceContext;
use domain::types::{IdempotencyKey, OrderId, Sku, UserId};

/// Calls the use cases of LOMS.
#[derive(Debug, Clone)]
pub struct InProcessLoms<B, Q> {
    book: B,
    stock: Q,
    trace: fn() -> Option<TraceContext>,
}

impl<B, Q> InProcessLoms<B, Q> {
    /// Over the order book and the stock of LOMS; `trace` tells the trace of the caller.
    pub const fn new(book: B, stock: Q, trace: fn() -> Option<TraceContext>) -> Self {
        Self { book, stock, trace }
    }
}

impl<B: OrderBook, Q: StockQueries> Loms for InProcessLoms<B, Q> {
    async fn free_stock(&self, sku: Sku) -> Result<Option<u32>, LomsError> {
        match (StockInfo { stock: &self.stock }).run(sku).await {
            Ok(free) => Ok(Some(free)),
            Err(StockInfoError::UnknownSku(_)) => Ok(None),
            Err(error @ StockInfoError::Query(_)) => Err(LomsError::Unavailable(cause(error))),
        }
    }

    async fn create(&self, user: UserId, lines: Lines, key: IdempotencyKey) -> Result<OrderId, LomsError> {
        let draft = Draft {
            user,
            lines,
            key: Some(key),
        };
        let created = Create { book: &self.book }.run(draft, (self.trace)()).await;
        created.map_err(|error| match &error {
            CreateError::Refused(PlaceRefusal::NotEnoughStock { .. }) => LomsError::Refused(error.to_string()),
            CreateError::Refused(PlaceRefusal::KeyReused | PlaceRefusal::NoId)
            | CreateError::Book(BookError::Poisonous(_)) => LomsError::Rejected(cause(error)),
            CreateError::Book(BookError::Unavailable(_)) => LomsError::Unavailable(cause(error)),
            CreateError::Book(BookError::Unknown(_)) => LomsError::Unknown(cause(error)),
        })
    }
}
