//! Use case: cancel orders that were not paid in time, by the same path as a cancellation, so
//! that a payment or a cancellation at the same moment wins or loses as a whole.

use futures::StreamExt;
use futures::stream;

use super::ports::{BookError, OrderBook, OrderQueries, QueryError};
use super::settle::{SettleCommand, SettleRefusal, Settled};
use crate::clock::Moment;

/// Why a round of expiry ended early; what it cancelled before stays cancelled.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ExpireError {
    /// Unpaid orders could not be read.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The order book failed.
    #[error(transparent)]
    Book(#[from] BookError),
    /// The rules refused an order.
    #[error(transparent)]
    Refused(#[from] SettleRefusal),
}

/// What a round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expired {
    /// Unpaid orders found.
    pub found: usize,
    /// Of these, cancelled by this round; the others were settled meanwhile.
    pub cancelled: usize,
    /// Of these, left as they are after a failure; they are tried again.
    pub failed: usize,
}

/// Expires orders.
#[derive(Debug)]
pub struct Expire<'a, B, Q> {
    /// Where orders are decided.
    pub book: &'a B,
    /// Finds unpaid orders.
    pub orders: &'a Q,
    /// Most orders a round.
    pub batch_max: usize,
}

impl<B: OrderBook, Q: OrderQueries> Expire<'_, B, Q> {
    /// One round over orders placed before a moment.
    ///
    /// # Errors
    /// [`ExpireError`], the first one, where nothing could be cancelled.
    pub async fn run(&self, placed_before: Moment) -> Result<Expired, ExpireError> {
        let unpaid = self.orders.unpaid(placed_before, self.batch_max).await?;
        let found = unpaid.len();
        // All at once, so that they make one batch.
        let mut rounds = stream::iter(unpaid)
            .map(|order| self.book.settle(SettleCommand::Expire(order, placed_before), None))
            .buffer_unordered(self.batch_max.max(1));
        let (mut cancelled, mut failed, mut failure) = (0, 0, None);
        while let Some(settled) = rounds.next().await {
            match settled {
                Ok(Ok(Settled::Now)) => cancelled += 1,
                Ok(Ok(Settled::Already | Settled::NotDue)) => {}
                // One order must not hold up the others.
                Ok(Err(refusal)) => {
                    failed += 1;
                    failure = failure.or(Some(ExpireError::Refused(refusal)));
                }
                Err(error) => {
                    failed += 1;
                    failure = failure.or(Some(ExpireError::Book(error)));
                }
            }
        }
        match failure {
            Some(failure) if cancelled == 0 => Err(failure),
            _ => Ok(Expired {
                found,
                cancelled,
                failed,
            }),
        }
    }
}
