//! What the contract says beside the tables of cart and LOMS: how a process starts, is watched and
//! ends, what every route answers to what it does not know, and what leaves the process on its way.

mod carts;
mod events;
mod grpc;
mod operations;
mod signals;
mod start;
mod traces;
mod wire;
