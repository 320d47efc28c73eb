//! The notifier: what is done with each order event, once it is received.

pub mod handle;
pub mod ports;
