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
        if !footprint.avoided().is_empty() && !footprint.orders().is_empty() {
            unit.avoid(&footprint).await?;
        }
        let mut loaded = unit.load(&footprint, &self.ids, settings).await?;
        let found_something = loaded.has_orders();
        let (changes, result) = decide(&mut loaded);
        // An answer may rest on what was found: it may be there and on no standby yet, after the
        // primary alone came back. So it is given only when a COMMIT has waited for the standbys.
        if changes.is_empty() && !found_something {
            unit.end(settings).await;
        } else {
            unit.commit(changes, &self.ids, settings).await?;
        }
        Ok(result)
    }
}
