//! Use case: show a cart with names, prices and the total. The products of its lines are
//! asked for at the same time by a task group of this one request.

use std::num::NonZeroUsize;

use super::ports::{Carts, CartsError, Product, Products, ProductsError};
use crate::error::{ErrorKind, Kind};
use crate::task_group::{GroupError, TaskGroup};
use crate::types::{Quantity, Sku, Total, UserId};

/// One line of a cart as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewedLine {
    /// The product.
    pub product: Product,
    /// Its units in the cart.
    pub quantity: Quantity,
}

/// A cart as it is shown, by ascending sku.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CartView {
    /// Its lines; never empty.
    pub lines: Vec<ViewedLine>,
    /// The sum of price × units.
    pub total: Total,
}

/// Why a cart cannot be shown.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ViewError {
    /// Nothing is in it.
    #[error("the cart is empty")]
    Empty,
    /// A product has left the catalogue since it was added.
    #[error("sku {0} is no longer in the catalogue: remove it from the cart")]
    Gone(Sku),
    /// The total is over 64 bits.
    #[error("the total of the cart is over 18446744073709551615: remove something")]
    TotalOverflow,
    /// Products gave no answer.
    #[error("products are not available; try again later")]
    Products(#[source] ProductsError),
    /// The carts failed.
    #[error("carts are not available; try again later")]
    Carts(#[from] CartsError),
    /// A task of the request panicked.
    #[error("internal error")]
    Panicked(String),
}

impl Kind for ViewError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Empty => ErrorKind::NotFound,
            Self::Gone(_) | Self::TotalOverflow => ErrorKind::Refused,
            Self::Products(cause) => cause.kind(),
            Self::Carts(_) => ErrorKind::Unavailable,
            Self::Panicked(_) => ErrorKind::Internal,
        }
    }
}

/// Shows a cart.
#[derive(Debug)]
pub struct View<'a, C, P> {
    /// Where the carts are.
    pub carts: &'a C,
    /// The catalogue.
    pub products: &'a P,
    /// How many products are asked for at the same time, at most.
    pub concurrency: NonZeroUsize,
}

impl<C: Carts, P: Products> View<'_, C, P> {
    /// The cart of a user.
    ///
    /// # Errors
    /// [`ViewError`]; the first product that fails ends the others.
    pub async fn run(&self, user: UserId) -> Result<CartView, ViewError> {
        let lines = self.carts.lines(user).await?;
        if lines.is_empty() {
            return Err(ViewError::Empty);
        }
        let mut group = TaskGroup::new(self.concurrency);
        for (sku, quantity) in lines {
            group.spawn(async move {
                let found = self.products.product(sku).await.map_err(ViewError::Products)?;
                let product = found.ok_or(ViewError::Gone(sku))?;
                Ok(ViewedLine { product, quantity })
            });
        }
        let lines = group.join().await.map_err(|error| match error {
            GroupError::Failed(first) => first,
            GroupError::Panicked(message) => ViewError::Panicked(message),
        })?;
        let total = lines.iter().try_fold(Total::default(), |sum, line| {
            sum.checked_add(line.product.price, line.quantity)
                .ok_or(ViewError::TotalOverflow)
        })?;
        Ok(CartView { lines, total })
    }
}
