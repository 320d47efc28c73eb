//! What the cart needs from outside: a store of carts, products, LOMS, fresh keys, and
//! somebody who runs a checkout to its end.

use std::future::Future;
use std::sync::Arc;

use futures::future::BoxFuture;

use super::model::{Added, CartFull, FrozenCheckout};
use crate::error::Cause;
use crate::order::model::Lines;
use crate::types::{IdempotencyKey, OrderId, Price, Quantity, Sku, UserId};

/// Why a store of carts did not do what it was asked; nothing was changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CartsError {
    /// The number of carts is bounded and reached.
    #[error("the shop holds as many carts as it can; try again later")]
    TooManyCarts,
    /// The store does not answer.
    #[error("carts are not available")]
    Unavailable(#[source] Cause),
}

/// Why an item was not added; the cart is unchanged.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AddError {
    /// The rules of the cart forbid it.
    #[error(transparent)]
    Full(#[from] CartFull),
    /// The store failed.
    #[error(transparent)]
    Carts(#[from] CartsError),
}

/// What a checkout that is to begin finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Freeze {
    /// The answer of an earlier checkout under the caller's idempotency key.
    Answered(OrderId),
    /// A new checkout: these lines under this key, which nobody has sent yet.
    New(FrozenCheckout),
    /// An earlier checkout whose outcome is not known: it comes first.
    Unresolved(FrozenCheckout),
    /// Nothing is in the cart and nothing is unresolved.
    Empty,
}

/// How an attempt at a frozen checkout ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// LOMS made this order: the frozen counts leave the cart.
    Placed(OrderId),
    /// Certainly no order was made: the frozen checkout is dropped, the cart stays.
    Dropped,
    /// Nobody can tell: it stays frozen, and remembers who waits for its answer.
    Unknown,
}

/// The carts of all users. Every method is one atomic step over one user's cart.
///
/// An implementation MUST apply the rules of [`super::model::Cart`] and no others, MUST keep
/// steps of one user in one order, and MUST bound the number of carts.
#[cfg_attr(feature = "testing", mockall::automock)]
pub trait Carts: Send + Sync + 'static {
    /// What is in the cart, by ascending sku; empty where there is none.
    fn lines(&self, user: UserId) -> impl Future<Output = Result<Vec<(Sku, Quantity)>, CartsError>> + Send;

    /// Adds units of a sku, of which `free` can be bought at the moment.
    fn add(
        &self,
        user: UserId,
        sku: Sku,
        quantity: Quantity,
        free: u32,
    ) -> impl Future<Output = Result<Added, AddError>> + Send;

    /// Takes a sku out, whether it is in or not.
    fn remove(&self, user: UserId, sku: Sku) -> impl Future<Output = Result<(), CartsError>> + Send;

    /// Empties the cart. An unresolved checkout stays.
    fn clear(&self, user: UserId) -> impl Future<Output = Result<(), CartsError>> + Send;

    /// The order of an earlier checkout that this caller's key was remembered for.
    fn answered(
        &self,
        user: UserId,
        caller_key: IdempotencyKey,
    ) -> impl Future<Output = Result<Option<OrderId>, CartsError>> + Send;

    /// Begins a checkout: an answer remembered under `caller_key`, the unresolved checkout
    /// where there is one, or else the lines of now frozen under `fresh`. Without `fresh`
    /// nothing new is frozen.
    fn freeze(
        &self,
        user: UserId,
        caller_key: Option<IdempotencyKey>,
        fresh: Option<IdempotencyKey>,
    ) -> impl Future<Output = Result<Freeze, CartsError>> + Send;

    /// Ends an attempt at the frozen checkout that has this key; the cart is left alone where
    /// another one is frozen. `Placed` always remembers the order, boundedly, under each of
    /// `caller_keys` and those of earlier attempts at the same checkout.
    fn end(
        &self,
        user: UserId,
        key: IdempotencyKey,
        ended: Ended,
        caller_keys: Vec<IdempotencyKey>,
    ) -> impl Future<Output = Result<(), CartsError>> + Send;

    /// Users whose checkout is unresolved, at most `limit` of them.
    fn unresolved(&self, limit: usize) -> impl Future<Output = Result<Vec<UserId>, CartsError>> + Send;
}

/// A product as the product service describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Its sku.
    pub sku: Sku,
    /// Its name.
    pub name: Arc<str>,
    /// Its price a unit.
    pub price: Price,
}

/// Why the product service gave no product.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProductsError {
    /// It refused for its load, also after all retries; the status it answered (420, 429).
    #[error("products answered {0} after all retries")]
    Overloaded(u16),
    /// It did not answer in time, answered 5xx or what cannot be read, or our queue for it is full.
    #[error("products are not available")]
    Unavailable(#[source] Cause),
    /// It does not know our key: a mistake in our configuration.
    #[error("products refused our key")]
    Unauthorized,
}

/// The catalogue.
///
/// An implementation MUST answer `None` only where the catalogue says that the sku is unknown.
#[cfg_attr(feature = "testing", mockall::automock)]
pub trait Products: Send + Sync + 'static {
    /// The product of a sku, `None` where there is none.
    fn product(&self, sku: Sku) -> impl Future<Output = Result<Option<Product>, ProductsError>> + Send;
}

/// Why LOMS gave no order, and what is certain about it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LomsError {
    /// Not enough stock: certainly no reservation; the message names order, sku, wanted, free.
    #[error("{0}")]
    Refused(String),
    /// Certainly nothing was done.
    #[error("orders are not available")]
    Unavailable(#[source] Cause),
    /// It may or may not have been done.
    #[error("the outcome of the order is not known yet")]
    Unknown(#[source] Cause),
    /// LOMS called the request wrong: a bug on our side; certainly nothing was done.
    #[error("orders refused the request")]
    Rejected(#[source] Cause),
}

/// Logistics and order management, as the cart sees it.
///
/// An implementation MUST pass on the idempotency key, MUST bound each call in time, and MUST
/// answer `Unavailable` for `create` only with proof that nothing was done.
#[cfg_attr(feature = "testing", mockall::automock)]
pub trait Loms: Send + Sync + 'static {
    /// Units of a sku that can be bought now; `None` where it has no stock record.
    fn free_stock(&self, sku: Sku) -> impl Future<Output = Result<Option<u32>, LomsError>> + Send;

    /// Places an order. The same key and lines give the same answer.
    fn create(
        &self,
        user: UserId,
        lines: Lines,
        key: IdempotencyKey,
    ) -> impl Future<Output = Result<OrderId, LomsError>> + Send;
}

/// Makes idempotency keys that nobody has used.
#[cfg_attr(feature = "testing", mockall::automock)]
pub trait Keys: Send + Sync + 'static {
    /// A fresh key.
    fn fresh(&self) -> IdempotencyKey;
}

/// Runs a future to its end, whoever still waits for it.
///
/// An implementation MUST keep the process alive for it during an orderly shutdown.
pub trait Spawner: Send + Sync + 'static {
    /// Takes over the future.
    fn spawn(&self, work: BoxFuture<'static, ()>);
}
