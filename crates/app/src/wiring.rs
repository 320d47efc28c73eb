//! What stands behind the ports in this process, as types: the composition roots (`roles`) make
//! the values, and HTTP and gRPC call them.

#[cfg(feature = "cart")]
pub mod cart;
#[cfg(feature = "cart")]
pub mod links;
#[cfg(feature = "loms")]
pub mod loms;
#[cfg(feature = "notifier")]
pub mod notifier;
#[cfg(feature = "loms")]
pub mod postgres;
