//! The catalogue: as the product service answers over HTTP, with a limiter, retries and a cache in
//! front of it (`cart`), and as a file held in memory, which is what the service itself has
//! (`products`). In one process the cart asks the file directly.
//!
//! ```text
//! use case → CachedProducts → HttpProducts: Retry → Turnstile → Measured → Traced → reqwest
//! ```

#[cfg(feature = "cart")]
pub mod cache;
#[cfg(feature = "products")]
pub mod catalogue;
#[cfg(feature = "cart")]
pub mod client;
#[cfg(feature = "cart")]
mod flights;
#[cfg(feature = "cart")]
mod limiter;
#[cfg(feature = "cart")]
mod metrics;
#[cfg(feature = "cart")]
mod retry;
#[cfg(feature = "cart")]
mod traced;
