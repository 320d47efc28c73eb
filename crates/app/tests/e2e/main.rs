//! The rest of the contract, trouble and races from outside: real processes of `app`, with misbehaving neighbours, cut
//! connections, full queues, an end under load, and many callers at once.

mod audit;
mod contract;
#[path = "../shop/harness.rs"]
#[allow(dead_code, reason = "shared with the tests of the shop, which use all of it")]
mod harness;
mod races;
mod trouble;
