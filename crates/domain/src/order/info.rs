//! Use case: tell what an order is and where it stands.

use super::model::Order;
use super::ports::{OrderQueries, QueryError};
use crate::error::{ErrorKind, Kind};
use crate::types::OrderId;

/// Why there is nothing to tell.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OrderInfoError {
    /// There is no such order.
    #[error("order {0} does not exist")]
    NotFound(OrderId),
    /// The ledger cannot be read.
    #[error("orders are not available; try again later")]
    Query(#[from] QueryError),
}

impl Kind for OrderInfoError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound(_) => ErrorKind::NotFound,
            Self::Query(_) => ErrorKind::Unavailable,
        }
    }
}

/// Tells orders.
#[derive(Debug)]
pub struct OrderInfo<'a, Q> {
    /// Reads of orders.
    pub orders: &'a Q,
}

impl<Q: OrderQueries> OrderInfo<'_, Q> {
    /// The order.
    ///
    /// # Errors
    /// [`OrderInfoError`].
    pub async fn run(&self, order: OrderId) -> Result<Order, OrderInfoError> {
        self.orders.order(order).await?.ok_or(OrderInfoError::NotFound(order))
    }
}
