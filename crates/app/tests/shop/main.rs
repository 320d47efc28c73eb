//! The shop from outside: real processes of `app`, real sockets, the contract's tables.

mod apart;
mod cart;
#[path = "../support/harness.rs"]
mod harness;
mod kafka;
mod load;
mod loms;
