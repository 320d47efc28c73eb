//! What drives the use cases by itself: policy over ports, without I/O of its own.

#[cfg(feature = "loms")]
pub mod audit;
#[cfg(feature = "loms")]
pub mod backlog;
#[cfg(feature = "loms")]
pub mod batcher;
#[cfg(feature = "cart")]
pub mod cart_numbers;
#[cfg(feature = "notifier")]
pub mod consumer;
#[cfg(feature = "loms")]
pub mod expiry;
#[cfg(feature = "loms")]
mod numbers;
pub mod pause;
#[cfg(feature = "loms")]
pub mod relay;
#[cfg(feature = "cart")]
pub mod resolver;
#[cfg(feature = "loms")]
pub mod retention;
