//! Use case: how many units of a sku can be bought now.

use super::ports::StockQueries;
use crate::error::{ErrorKind, Kind};
use crate::order::ports::QueryError;
use crate::types::Sku;

/// Why there is no number.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StockInfoError {
    /// The sku has no stock record.
    #[error("sku {0} has no stock record")]
    UnknownSku(Sku),
    /// The ledger cannot be read.
    #[error("stock is not available; try again later")]
    Query(#[from] QueryError),
}

impl Kind for StockInfoError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::UnknownSku(_) => ErrorKind::NotFound,
            Self::Query(_) => ErrorKind::Unavailable,
        }
    }
}

/// Tells free stock.
#[derive(Debug)]
pub struct StockInfo<'a, Q> {
    /// Reads of stock.
    pub stock: &'a Q,
}

impl<Q: StockQueries> StockInfo<'_, Q> {
    /// Total less reserved.
    ///
    /// # Errors
    /// [`StockInfoError`].
    pub async fn run(&self, sku: Sku) -> Result<u32, StockInfoError> {
        let stock = self.stock.stock(sku).await?;
        stock
            .map(super::model::Stock::free)
            .ok_or(StockInfoError::UnknownSku(sku))
    }
}
