//! Use case: pay an order. Its reserved units leave the stock. Paying twice is a success.

use super::ports::{BookError, OrderBook};
use super::settle::{SettleCommand, SettleRefusal};
use crate::error::{ErrorKind, Kind};
use crate::trace::TraceContext;
use crate::types::OrderId;

/// Why an order was not settled.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SettleError {
    /// The rules refuse it.
    #[error(transparent)]
    Refused(SettleRefusal),
    /// The order book failed.
    #[error(transparent)]
    Book(#[from] BookError),
}

impl Kind for SettleError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused(SettleRefusal::NotFound(_)) => ErrorKind::NotFound,
            Self::Refused(SettleRefusal::Illegal { .. }) => ErrorKind::Refused,
            Self::Refused(SettleRefusal::Corrupt(_)) => ErrorKind::Internal,
            Self::Book(error) => error.kind(),
        }
    }
}

/// Pays orders.
#[derive(Debug)]
pub struct Pay<'a, B> {
    /// Where orders are decided.
    pub book: &'a B,
}

impl<B: OrderBook> Pay<'_, B> {
    /// The order is payed, by this call or an earlier one.
    ///
    /// # Errors
    /// [`SettleError`].
    pub async fn run(&self, order: OrderId, trace: Option<TraceContext>) -> Result<(), SettleError> {
        self.book
            .settle(SettleCommand::Pay(order), trace)
            .await?
            .map_err(SettleError::Refused)?;
        Ok(())
    }
}
