//! The shop from outside: real processes of `app`, real sockets, the contract's tables.

mod apart;
mod cart;
mod harness;
mod kafka;
mod load;
mod loms;
