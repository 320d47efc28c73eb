//! How stock is read, and how its totals are changed.

use std::future::Future;

use futures::Stream;

use super::adjust::{AdjustError, Adjustment};
use super::import::{ImportError, Imported, Piece};
use super::model::{Movement, Stock};
use crate::clock::Moment;
use crate::error::Cause;
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

/// Why totals were not changed, and what is certain about it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeepingError {
    /// Certainly nothing was done: somebody holds a record, or is at the same work.
    #[error("others hold stock records, or are changing totals too; nothing was changed, try again")]
    Held(#[source] Cause),
    /// Certainly nothing was done.
    #[error("the stock cannot be changed; nothing was done")]
    Unavailable(#[source] Cause),
    /// Nobody can tell whether it was done.
    #[error("the answer to the COMMIT is overdue or lost: nobody can tell whether it was done")]
    Unknown(#[source] Cause),
}

/// Changes the totals of stock, apart from what orders do to it.
///
/// An implementation MUST
/// - decide by [`super::adjust::adjust`], and by what [`super::import`] says;
/// - record each change as a movement with the same commit;
/// - leave what is reserved alone, and never let a total fall below it;
/// - lock stock ascending, after everything else that it waits for;
/// - claim that nothing was done only with proof, and never cancel a COMMIT;
/// - bound its memory and its time whatever comes.
pub trait StockKeeping: Send + Sync + 'static {
    /// Takes over a file of counted stock.
    fn import(
        &self,
        file: impl Stream<Item = Piece> + Send,
        now: Moment,
    ) -> impl Future<Output = Result<Imported, ImportError>> + Send;

    /// Adjusts one sku; its record afterwards.
    fn adjust(&self, adjustment: Adjustment, now: Moment) -> impl Future<Output = Result<Stock, AdjustError>> + Send;
}
