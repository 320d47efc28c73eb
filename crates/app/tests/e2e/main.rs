//! The rest of the contract, trouble and races from outside: real processes of `app`, with misbehaving neighbours, cut
//! connections, full queues, an end under load, and many callers at once.

mod audit;
mod contract;
#[path = "../support/harness.rs"]
#[allow(dead_code, reason = "shared: each test target uses a part of it")]
mod harness;
#[path = "../support/process.rs"]
#[allow(dead_code, reason = "shared: each test target uses a part of it")]
mod process;
mod races;
mod trouble;
