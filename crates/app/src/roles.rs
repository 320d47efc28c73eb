//! The composition roots: one a role, and one that puts all of them into one process. This is
//! the only place that knows which adapter stands behind which port.

#[cfg(all(feature = "products", feature = "cart", feature = "loms", feature = "notifier"))]
pub mod all;
#[cfg(feature = "cart")]
pub mod cart;
#[cfg(feature = "cart")]
pub mod links;
#[cfg(feature = "loms")]
pub mod loms;
#[cfg(feature = "notifier")]
pub mod notifier;
#[cfg(feature = "products")]
pub mod products;
