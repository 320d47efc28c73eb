//! LOMS from outside, over real sockets: gRPC and its gateway, over the ledger in memory.
#![cfg(feature = "loms")]

mod gateway;
mod grpc;
mod limits;
mod support;
