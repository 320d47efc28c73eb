//! Tells work that took too long from work that nobody waits for any more: both are dropped.

use std::time::Duration;

use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::overdue::drop_overdue;

/// Bounds work in time. Calls of it that are not answered then learn by [`overdue`](super::overdue()) that they were not
/// cancelled, but took too long.
///
/// # Errors
/// The time is over.
pub async fn within<T>(patience: Duration, work: impl Future<Output = T>) -> Result<T, Elapsed> {
    let mut work = Box::pin(work);
    let done = timeout(patience, work.as_mut()).await;
    if done.is_err() {
        drop_overdue(work);
    }
    done
}
