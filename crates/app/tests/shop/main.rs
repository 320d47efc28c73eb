//! The shop from outside: real processes of `app`, real sockets, the contract's tables.

mod apart;
mod cart;
#[path = "../support/harness.rs"]
#[allow(dead_code, reason = "shared: each test target uses a part of it")]
mod harness;
mod kafka;
mod load;
mod loms;
