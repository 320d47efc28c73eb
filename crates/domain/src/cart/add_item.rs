//! Use case: put units of a product into a cart. The product must be in the catalogue and
//! the stock must cover them, what is in the cart already included.

use super::model::{Added, CartFull};
use super::ports::{AddError, Carts, CartsError, Loms, LomsError, Products, ProductsError};
use crate::error::{ErrorKind, Kind};
use crate::types::{Quantity, Sku, UserId};

/// Why nothing was added.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AddItemError {
    /// No product has this sku.
    #[error("no product has sku {0}")]
    UnknownSku(Sku),
    /// The cart's rules forbid it.
    #[error(transparent)]
    Full(#[from] CartFull),
    /// Products gave no answer.
    #[error("products are not available; try again later")]
    Products(#[source] ProductsError),
    /// LOMS gave no answer.
    #[error("stock is not available; try again later")]
    Stock(#[source] LomsError),
    /// The carts failed.
    #[error(transparent)]
    Carts(CartsError),
}

impl Kind for AddItemError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Full(CartFull::CountOverflow(_) | CartFull::TooManyLines) => ErrorKind::Invalid,
            Self::UnknownSku(_) | Self::Full(CartFull::NotEnoughStock { .. }) => ErrorKind::Refused,
            Self::Products(cause) => cause.kind(),
            Self::Stock(_) | Self::Carts(_) => ErrorKind::Unavailable,
        }
    }
}

impl ProductsError {
    /// What the shopper is told when products fail.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Overloaded(_) | Self::Unavailable(_) => ErrorKind::Unavailable,
            Self::Unauthorized => ErrorKind::Internal,
        }
    }
}

/// Adds to a cart.
#[derive(Debug)]
pub struct AddItem<'a, C, P, L> {
    /// Where the carts are.
    pub carts: &'a C,
    /// The catalogue.
    pub products: &'a P,
    /// Tells the stock.
    pub loms: &'a L,
}

impl<C: Carts, P: Products, L: Loms> AddItem<'_, C, P, L> {
    /// Asks catalogue and stock at once, then adds in one atomic step.
    ///
    /// # Errors
    /// [`AddItemError`]; the cart is unchanged.
    pub async fn run(&self, user: UserId, sku: Sku, quantity: Quantity) -> Result<Added, AddItemError> {
        let product = async { self.products.product(sku).await.map_err(AddItemError::Products) };
        let free = async { self.loms.free_stock(sku).await.map_err(AddItemError::Stock) };
        let (product, free) = futures::future::try_join(product, free).await?;
        if product.is_none() {
            return Err(AddItemError::UnknownSku(sku));
        }
        self.carts
            .add(user, sku, quantity, free.unwrap_or(0))
            .await
            .map_err(|error| match error {
                AddError::Full(full) => AddItemError::Full(full),
                AddError::Carts(carts) => AddItemError::Carts(carts),
            })
    }
}
