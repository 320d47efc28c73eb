//! LOMS over gRPC: the service, what stands around it, and the server.

mod deadline;
mod incoming;
mod observe;
pub mod server;
pub mod service;
