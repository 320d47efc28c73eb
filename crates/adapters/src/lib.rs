//! What implements the ports of the domain: the shop in memory, products over HTTP, LOMS over
//! gRPC. Each role's part is behind its feature, so that a role alone builds nothing of the others.

#[cfg(feature = "events")]
pub mod events;
pub mod memory;
