//! Use case: create an order. It becomes `new`, its stock is reserved, and it awaits payment;
//! where a line cannot be reserved nothing is, and it is recorded as failed.

use super::model::Draft;
use super::place::PlaceRefusal;
use super::ports::{BookError, OrderBook};
use crate::error::{ErrorKind, Kind};
use crate::trace::TraceContext;
use crate::types::OrderId;

/// Why there is no order to pay.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CreateError {
    /// The rules refuse it.
    #[error(transparent)]
    Refused(PlaceRefusal),
    /// The order book failed.
    #[error(transparent)]
    Book(#[from] BookError),
}

impl Kind for CreateError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused(PlaceRefusal::NotEnoughStock { .. }) => ErrorKind::Refused,
            Self::Refused(PlaceRefusal::KeyReused) => ErrorKind::KeyReused,
            Self::Refused(PlaceRefusal::NoId) => ErrorKind::Internal,
            Self::Book(error) => error.kind(),
        }
    }
}

impl Kind for BookError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Unavailable(_) => ErrorKind::Unavailable,
            Self::Unknown(_) => ErrorKind::OutcomeUnknown,
            Self::Poisonous(_) => ErrorKind::Internal,
        }
    }
}

/// Creates orders.
#[derive(Debug)]
pub struct Create<'a, B> {
    /// Where orders are decided.
    pub book: &'a B,
}

impl<B: OrderBook> Create<'_, B> {
    /// The number of the order that now awaits payment.
    ///
    /// # Errors
    /// [`CreateError`].
    pub async fn run(&self, draft: Draft, trace: Option<TraceContext>) -> Result<OrderId, CreateError> {
        self.book.place(draft, trace).await?.map_err(CreateError::Refused)
    }
}
