//! Where LOMS keeps its ledger, in memory or in Postgres, and where its events go, to memory or to
//! Kafka. What drives it cannot tell.

use std::sync::Arc;

use adapters::kafka::producer::KafkaPublisher;
use adapters::memory::ledger::MemoryLedger;
use adapters::memory::stream::MemoryStream;
use adapters::postgres::ledger::PostgresLedger;
use adapters::postgres::outbox::PostgresOutbox;
use adapters::postgres::reads::PostgresReads;
use domain::clock::Moment;
use domain::order::event::OrderEvent;
use domain::order::loaded::{Changes, Footprint, Loaded};
use domain::order::model::Order;
use domain::order::ports::{Backlog, EventPublisher, Ledger, LedgerError, OrderQueries, Outbox, Published, QueryError};
use domain::order::status::OrderStatus;
use domain::stock::model::{Movement, Stock};
use domain::stock::ports::StockQueries;
use domain::types::{EventId, OrderId, Sku};

use crate::clock::SystemClock;
use crate::engine::batcher::Batcher;
use crate::grpc::service::LomsService;

/// The service that gRPC and the gateway call.
pub type Service = LomsService<Batcher, LomsReads>;

/// Writes of the ledger.
#[derive(Debug, Clone)]
pub enum LomsLedger {
    /// In this process.
    Memory(Arc<MemoryLedger>),
    /// On the primary.
    Postgres(Arc<PostgresLedger>),
}

impl Ledger for LomsLedger {
    async fn transact<D, R>(&self, footprint: Footprint, decide: D) -> Result<R, LedgerError>
    where
        D: FnOnce(&mut Loaded) -> (Changes, R) + Send,
        R: Send,
    {
        match self {
            Self::Memory(ledger) => ledger.transact(footprint, decide).await,
            Self::Postgres(ledger) => ledger.transact(footprint, decide).await,
        }
    }
}

/// Reads of the ledger.
#[derive(Debug, Clone)]
pub enum LomsReads {
    /// In this process.
    Memory(Arc<MemoryLedger>),
    /// On a standby that is in step, or on the primary.
    Postgres(Arc<PostgresReads>),
}

impl OrderQueries for LomsReads {
    async fn order(&self, id: OrderId) -> Result<Option<Order>, QueryError> {
        match self {
            Self::Memory(reads) => reads.order(id).await,
            Self::Postgres(reads) => reads.order(id).await,
        }
    }

    async fn history(&self, id: OrderId) -> Result<Vec<(OrderStatus, Moment)>, QueryError> {
        match self {
            Self::Memory(reads) => reads.history(id).await,
            Self::Postgres(reads) => reads.history(id).await,
        }
    }

    async fn unpaid(&self, placed_before: Moment, limit: usize) -> Result<Vec<OrderId>, QueryError> {
        match self {
            Self::Memory(reads) => reads.unpaid(placed_before, limit).await,
            Self::Postgres(reads) => reads.unpaid(placed_before, limit).await,
        }
    }
}

impl StockQueries for LomsReads {
    async fn stock(&self, sku: Sku) -> Result<Option<Stock>, QueryError> {
        match self {
            Self::Memory(reads) => reads.stock(sku).await,
            Self::Postgres(reads) => reads.stock(sku).await,
        }
    }

    async fn movements(&self, sku: Sku, limit: usize) -> Result<Vec<Movement>, QueryError> {
        match self {
            Self::Memory(reads) => reads.movements(sku, limit).await,
            Self::Postgres(reads) => reads.movements(sku, limit).await,
        }
    }
}

/// The outbox of the ledger.
#[derive(Debug, Clone)]
pub enum LomsOutbox {
    /// In this process.
    Memory(Arc<MemoryLedger>),
    /// On the primary, for the instance whose turn it is.
    Postgres(PostgresOutbox),
}

impl Outbox for LomsOutbox {
    async fn unsent(&self, limit: usize) -> Result<Vec<OrderEvent>, QueryError> {
        match self {
            Self::Memory(outbox) => outbox.unsent(limit).await,
            Self::Postgres(outbox) => outbox.unsent(limit).await,
        }
    }

    async fn mark_sent(&self, sent: Vec<EventId>) -> Result<(), QueryError> {
        match self {
            Self::Memory(outbox) => outbox.mark_sent(sent).await,
            Self::Postgres(outbox) => outbox.mark_sent(sent).await,
        }
    }

    async fn backlog(&self) -> Result<Backlog, QueryError> {
        match self {
            Self::Memory(outbox) => outbox.backlog().await,
            Self::Postgres(outbox) => outbox.backlog().await,
        }
    }
}

/// Where the relay publishes.
#[derive(Debug)]
pub enum LomsPublisher {
    /// In this process.
    Memory(MemoryStream),
    /// To the topic of order events.
    Kafka(KafkaPublisher<SystemClock>),
}

impl EventPublisher for LomsPublisher {
    async fn publish(&self, events: Vec<OrderEvent>) -> Published {
        match self {
            Self::Memory(stream) => stream.publish(events).await,
            Self::Kafka(publisher) => publisher.publish(events).await,
        }
    }
}
