//! The cart: carts in memory, checkout, and its HTTP interface.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use adapters::memory::carts::{CartLimits, MemoryCarts};
use domain::cart::checkout::Checkout;

use super::links::{LomsLink, ProductsLink};
use crate::config::Config;
use crate::engine::resolver::{self, ResolverLimits};
use crate::lifecycle::Tasks;
use crate::random::RandomKeys;

/// Checkout as it is wired here.
pub type CartCheckout = Checkout<MemoryCarts, LomsLink, RandomKeys, Tasks>;

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
}
