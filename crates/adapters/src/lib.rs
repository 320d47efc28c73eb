//! What implements the ports of the domain: the shop in memory, products over HTTP, LOMS over
//! gRPC. Each role's part is behind its feature, so that a role alone builds nothing of the others.

#[cfg(feature = "postgres")]
pub mod counted;
#[cfg(feature = "events")]
pub mod events;
#[cfg(feature = "grpc")]
pub mod grpc;
#[cfg(all(feature = "cart", feature = "loms"))]
pub mod in_process;
#[cfg(feature = "kafka")]
pub mod kafka;
#[cfg(feature = "notifier")]
pub mod lines;
pub mod memory;
pub mod metrics;
#[cfg(any(feature = "cart", feature = "notifier"))]
mod outgoing;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(any(feature = "cart", feature = "products"))]
pub mod products;
pub mod spans;
#[cfg(feature = "notifier")]
pub mod webhook;
