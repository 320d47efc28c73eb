//! Use case: empty a cart. Emptying an empty one is a success.

use super::ports::{Carts, CartsError};
use crate::error::{ErrorKind, Kind};
use crate::types::UserId;

/// Why the cart was not emptied.
#[derive(Debug, Clone, thiserror::Error)]
#[error("carts are not available; try again later")]
pub struct ClearError(#[from] CartsError);

impl Kind for ClearError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Unavailable
    }
}

/// Empties a cart.
#[derive(Debug)]
pub struct Clear<'a, C> {
    /// Where the carts are.
    pub carts: &'a C,
}

impl<C: Carts> Clear<'_, C> {
    /// Takes everything out; a checkout whose outcome is unknown is still resolved.
    ///
    /// # Errors
    /// [`ClearError`] when the carts fail.
    pub async fn run(&self, user: UserId) -> Result<(), ClearError> {
        Ok(self.carts.clear(user).await?)
    }
}
