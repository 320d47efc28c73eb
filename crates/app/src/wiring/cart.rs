//! The cart as it is wired in this process.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use adapters::memory::carts::MemoryCarts;
use domain::cart::checkout::Checkout;

use super::links::{LomsLink, ProductsLink};
use crate::engine::cart_numbers::CartNumbers;
use crate::lifecycle::Lifecycle;
use crate::random::RandomKeys;
use crate::telemetry::Failures;

/// Checkout as it is wired here.
pub type CartCheckout = Checkout<MemoryCarts, LomsLink, RandomKeys, Lifecycle>;

/// What the HTTP interface of the cart needs.
#[derive(Debug)]
pub struct CartShop {
    /// The carts.
    pub carts: Arc<MemoryCarts>,
    /// The catalogue.
    pub products: Arc<ProductsLink>,
    /// LOMS.
    pub loms: Arc<LomsLink>,
    /// Checkout.
    pub checkout: CartCheckout,
    /// Deadline of a shopper's request.
    pub request_timeout: Duration,
    /// Products of one cart that are fetched at the same time.
    pub products_concurrency: NonZeroUsize,
    /// Where failures are told.
    pub failures: Failures,
    /// What is counted of it.
    pub numbers: CartNumbers,
}
