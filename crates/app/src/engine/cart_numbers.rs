//! The cart in numbers: how additions and checkouts end.

use domain::cart::add_item::AddItemError;
use domain::cart::checkout::CheckoutError;
use domain::cart::model::{Added, CartFull};
use domain::cart::ports::CartsError;
use domain::types::OrderId;
use metrics::{Counter, counter};

use crate::telemetry::names::{ADDITIONS, CHECKOUTS, CHECKOUTS_RESOLVED};

const ADDED: [&str; 8] = [
    "added",
    "unknown_sku",
    "not_enough_stock",
    "cart_full",
    "products_unavailable",
    "stock_unavailable",
    "carts_unavailable",
    "overdue",
];
const CHECKED_OUT: [&str; 6] = ["ordered", "empty", "refused", "unavailable", "unknown", "internal"];

/// The handles, from 0. Cheap to clone.
#[derive(Clone)]
pub struct CartNumbers {
    additions: [Counter; ADDED.len()],
    checkouts: [Counter; CHECKED_OUT.len()],
    resolved: [Counter; CHECKED_OUT.len()],
}

impl CartNumbers {
    /// Made after the metrics recorder was installed.
    #[must_use]
    pub fn new() -> Self {
        Self {
            additions: ADDED.map(|outcome| counter!(ADDITIONS.name, "outcome" => outcome)),
            checkouts: CHECKED_OUT.map(|outcome| counter!(CHECKOUTS.name, "outcome" => outcome)),
            resolved: CHECKED_OUT.map(|outcome| counter!(CHECKOUTS_RESOLVED.name, "outcome" => outcome)),
        }
    }

    /// Counts an attempt to add to a cart; `None` is one whose time was over.
    pub fn added(&self, done: Option<&Result<Added, AddItemError>>) {
        let outcome = match done {
            Some(Ok(Added::New | Added::Increased)) => 0,
            Some(Err(AddItemError::UnknownSku(_))) => 1,
            Some(Err(AddItemError::Full(CartFull::NotEnoughStock { .. }))) => 2,
            Some(Err(AddItemError::Full(CartFull::CountOverflow(_) | CartFull::TooManyLines))) => 3,
            Some(Err(AddItemError::Products(_))) => 4,
            Some(Err(AddItemError::Stock(_))) => 5,
            Some(Err(AddItemError::Carts(CartsError::TooManyCarts | CartsError::Unavailable(_)))) => 6,
            None => 7,
        };
        self.additions[outcome].increment(1);
    }

    /// Counts a checkout of a shopper; `None` is one that was not waited for to its end.
    pub fn checked_out(&self, done: Option<&Result<OrderId, CheckoutError>>) {
        self.checkouts[done.map_or(4, outcome)].increment(1);
    }

    /// Counts a checkout that was tried again in the background.
    pub fn resolved(&self, done: &Result<OrderId, CheckoutError>) {
        self.resolved[outcome(done)].increment(1);
    }
}

impl Default for CartNumbers {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for CartNumbers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CartNumbers")
    }
}

/// Where the outcome of a checkout stands in [`CHECKED_OUT`].
const fn outcome(done: &Result<OrderId, CheckoutError>) -> usize {
    match done {
        Ok(_) => 0,
        Err(CheckoutError::Empty) => 1,
        Err(CheckoutError::Refused(_)) => 2,
        Err(CheckoutError::Unavailable(_) | CheckoutError::Carts(_)) => 3,
        Err(CheckoutError::Unknown(_)) => 4,
        Err(CheckoutError::Rejected(_) | CheckoutError::Panicked) => 5,
    }
}
