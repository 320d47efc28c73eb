//! The write side of the ledger: one transaction a batch.

use std::sync::Arc;

use deadpool_postgres::BuildError;
use domain::order::loaded::{Changes, Footprint, Loaded};
use domain::order::ports::{Ledger, LedgerError};

use super::connect::Connector;
use super::ids::OrderIds;
use super::pool::WritePool;
use super::unit::Unit;

/// Writes orders and stock.
#[derive(Debug)]
pub struct PostgresLedger {
    connector: Arc<Connector>,
    writes: WritePool,
    ids: OrderIds,
}

impl PostgresLedger {
    /// Over the primary of a cluster.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn new(connector: Arc<Connector>) -> Result<Self, BuildError> {
        Ok(Self {
            writes: WritePool::new(&connector)?,
            connector,
            ids: OrderIds::default(),
        })
    }

    /// The connections that write.
    #[must_use]
    pub const fn writes(&self) -> &WritePool {
        &self.writes
    }
}

impl Ledger for PostgresLedger {
    async fn transact<D, R>(&self, footprint: Footprint, decide: D) -> Result<R, LedgerError>
    where
        D: FnOnce(&mut Loaded) -> (Changes, R) + Send,
        R: Send,
    {
        let settings = self.connector.settings();
        let mut unit = Unit::new(&self.writes).await?;
        let mut loaded = unit.load(&footprint, &self.ids, settings).await?;
        let (changes, result) = decide(&mut loaded);
        if changes.is_empty() {
            unit.end(settings).await;
        } else {
            unit.commit(changes, &self.ids, settings).await?;
        }
        Ok(result)
    }
}
