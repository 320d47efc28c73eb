//! All ports of the ledger over one database, as one instance of LOMS has them.

use std::sync::Arc;
use std::time::Duration;

use domain::clock::Moment;
use domain::order::event::OrderEvent;
use domain::order::loaded::{Changes, Footprint, Loaded};
use domain::order::model::Order;
use domain::order::ports::{Backlog, Ledger, LedgerError, OrderQueries, Outbox, QueryError};
use domain::order::status::OrderStatus;
use domain::stock::model::{Movement, Stock};
use domain::stock::ports::StockQueries;
use domain::types::{EventId, OrderId, Sku};
use tokio::sync::watch;
use tokio::time::timeout;

use super::super::cluster::{Cluster, View};
use super::super::connect::Connector;
use super::super::ledger::PostgresLedger;
use super::super::outbox::PostgresOutbox;
use super::super::reads::PostgresReads;
use super::Database;

/// For anything to show.
const PATIENCE: Duration = Duration::from_secs(20);

/// The ports of one instance. Several over one database are several instances.
#[derive(Debug)]
pub struct WholeLedger {
    /// Writes.
    pub ledger: PostgresLedger,
    /// Reads.
    pub reads: Arc<PostgresReads>,
    /// The outbox, unfenced.
    pub outbox: PostgresOutbox,
    /// Connects.
    pub connector: Arc<Connector>,
    /// The database, which lives as long as an instance does.
    pub database: Arc<Database>,
    /// The cluster as this instance sees it.
    pub view: watch::Receiver<View>,
    cluster: tokio::task::JoinHandle<()>,
}

/// Looks until a primary is found; a test may be about a cluster that has none.
const LOOKS_MAX: usize = 10;

impl WholeLedger {
    /// An instance over a database.
    pub async fn over(database: Arc<Database>) -> Self {
        Self::connected(database.connector(), database).await
    }

    /// An instance with settings of its own.
    pub async fn connected(connector: Arc<Connector>, database: Arc<Database>) -> Self {
        let ledger = PostgresLedger::new(Arc::clone(&connector)).unwrap();
        let mut cluster = Cluster::new(Arc::clone(&connector));
        // On a busy machine a look may end before its connection is made; the next one finds it.
        for _ in 0..LOOKS_MAX {
            cluster.look().await;
            if cluster.view().borrow().primary.is_some() {
                break;
            }
        }
        let reads = Arc::new(PostgresReads::new(Arc::clone(&connector), &cluster).unwrap());
        Self {
            outbox: PostgresOutbox::unfenced(ledger.writes().clone(), Arc::clone(&reads)),
            reads,
            view: cluster.view(),
            cluster: tokio::spawn(cluster.keep()),
            ledger,
            connector,
            database,
        }
    }

    /// Waits until so many standbys answer reads.
    pub async fn in_step(&self, standbys: usize) {
        let mut view = self.view.clone();
        let seen = view.wait_for(|view| view.replicas.len() == standbys);
        let seen = timeout(PATIENCE, seen).await.map(drop);
        assert!(seen.is_ok(), "not {standbys} in step: {:?}", *self.view.borrow());
    }
}

impl Drop for WholeLedger {
    fn drop(&mut self) {
        self.cluster.abort();
    }
}

impl Ledger for WholeLedger {
    async fn transact<D, R>(&self, footprint: Footprint, decide: D) -> Result<R, LedgerError>
    where
        D: FnOnce(&mut Loaded) -> (Changes, R) + Send,
        R: Send,
    {
        self.ledger.transact(footprint, decide).await
    }
}

impl OrderQueries for WholeLedger {
    async fn order(&self, id: OrderId) -> Result<Option<Order>, QueryError> {
        self.reads.order(id).await
    }

    async fn history(&self, id: OrderId) -> Result<Vec<(OrderStatus, Moment)>, QueryError> {
        self.reads.history(id).await
    }

    async fn unpaid(&self, placed_before: Moment, limit: usize) -> Result<Vec<OrderId>, QueryError> {
        self.reads.unpaid(placed_before, limit).await
    }
}

impl StockQueries for WholeLedger {
    async fn stock(&self, sku: Sku) -> Result<Option<Stock>, QueryError> {
        self.reads.stock(sku).await
    }

    async fn movements(&self, sku: Sku, limit: usize) -> Result<Vec<Movement>, QueryError> {
        self.reads.movements(sku, limit).await
    }
}

impl Outbox for WholeLedger {
    async fn unsent(&self, limit: usize) -> Result<Vec<OrderEvent>, QueryError> {
        self.outbox.unsent(limit).await
    }

    async fn mark_sent(&self, sent: Vec<EventId>) -> Result<(), QueryError> {
        self.outbox.mark_sent(sent).await
    }

    async fn backlog(&self) -> Result<Backlog, QueryError> {
        self.outbox.backlog().await
    }
}
