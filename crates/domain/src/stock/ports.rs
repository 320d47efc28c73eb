//! How stock is read.

use std::future::Future;

use super::model::{Movement, Stock};
use crate::order::ports::QueryError;
use crate::types::Sku;

/// Reads of stock. They may come from a replica, and MUST see every change that was
/// answered before they began.
#[cfg_attr(feature = "testing", mockall::automock)]
pub trait StockQueries: Send + Sync + 'static {
    /// The record of a sku, `None` where there is none.
    fn stock(&self, sku: Sku) -> impl Future<Output = Result<Option<Stock>, QueryError>> + Send;

    /// Loads and adjustments of a sku, oldest first, at most `limit`.
    fn movements(&self, sku: Sku, limit: usize) -> impl Future<Output = Result<Vec<Movement>, QueryError>> + Send;
}

impl<Q: StockQueries> StockQueries for std::sync::Arc<Q> {
    fn stock(&self, sku: Sku) -> impl Future<Output = Result<Option<Stock>, QueryError>> + Send {
        (**self).stock(sku)
    }

    fn movements(&self, sku: Sku, limit: usize) -> impl Future<Output = Result<Vec<Movement>, QueryError>> + Send {
        (**self).movements(sku, limit)
    }
}
