//! Work that one instance at a time does: who asks learns whether it is its turn.

use std::future::Future;
use std::sync::Arc;

use crate::order::ports::QueryError;

/// Says whose turn it is.
///
/// An implementation MUST say yes to one instance at a time, and MUST give the turn to another
/// within bounded time when its holder is gone or frozen. An answer is true for a moment only:
/// what is done on it must be safe when two do it.
#[cfg_attr(feature = "testing", mockall::automock)]
pub trait Turn: Send + Sync + 'static {
    /// Whether it is this instance's turn.
    fn is_mine(&self) -> impl Future<Output = Result<bool, QueryError>> + Send;
}

impl<T: Turn> Turn for Arc<T> {
    fn is_mine(&self) -> impl Future<Output = Result<bool, QueryError>> + Send {
        (**self).is_mine()
    }
}

/// The turn of the only instance there is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alone;

impl Turn for Alone {
    async fn is_mine(&self) -> Result<bool, QueryError> {
        Ok(true)
    }
}
