//! LOMS over gRPC: the service, what stands around it, and the server.

mod incoming;
mod observe;
pub mod server;
pub mod service;
