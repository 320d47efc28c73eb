//! What the contract says beside the tables of cart and LOMS: how a process starts, is watched and
//! ends, what every route answers to what it does not know, and what leaves the process on its way.

mod carts;
mod events;
mod grpc;
mod operations;
#[allow(dead_code, reason = "shared with other tests, which use all of it")]
mod process;
mod signals;
mod start;
mod traces;
mod wire;
