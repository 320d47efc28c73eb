//! Use case: take a product out of a cart. Taking out what is not in is a success.

use super::ports::{Carts, CartsError};
use crate::error::{ErrorKind, Kind};
use crate::types::{Sku, UserId};

/// Why nothing was removed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("carts are not available; try again later")]
pub struct RemoveItemError(#[from] CartsError);

impl Kind for RemoveItemError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Unavailable
    }
}

/// Removes from a cart.
#[derive(Debug)]
pub struct RemoveItem<'a, C> {
    /// Where the carts are.
    pub carts: &'a C,
}

impl<C: Carts> RemoveItem<'_, C> {
    /// Takes all units of the sku out.
    ///
    /// # Errors
    /// [`RemoveItemError`] when the carts fail.
    pub async fn run(&self, user: UserId, sku: Sku) -> Result<(), RemoveItemError> {
        Ok(self.carts.remove(user, sku).await?)
    }
}
