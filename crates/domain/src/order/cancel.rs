//! Use case: cancel an order that awaits payment. Its reserved units become free. Cancelling
//! twice is a success.

use super::pay::SettleError;
use super::ports::OrderBook;
use super::settle::SettleCommand;
use crate::trace::TraceContext;
use crate::types::OrderId;

/// Cancels orders.
#[derive(Debug)]
pub struct Cancel<'a, B> {
    /// Where orders are decided.
    pub book: &'a B,
}

impl<B: OrderBook> Cancel<'_, B> {
    /// The order is cancelled, by this call or an earlier one.
    ///
    /// # Errors
    /// [`SettleError`].
    pub async fn run(&self, order: OrderId, trace: Option<TraceContext>) -> Result<(), SettleError> {
        self.book
            .settle(SettleCommand::Cancel(order), trace)
            .await?
            .map_err(SettleError::Refused)?;
        Ok(())
    }
}
