//! The commands of an operator, by the real binary on a real Postgres: what they say, what they change,
//! their exit codes.

#[path = "../faults/cluster.rs"]
#[allow(dead_code, reason = "shared with the tests of faults, which use all of it")]
mod cluster;
mod db;
#[path = "../shop/harness.rs"]
#[allow(dead_code, reason = "shared with the tests of the shop, which use all of it")]
mod harness;
mod migrate;
#[path = "../e2e/contract/process.rs"]
#[allow(dead_code, reason = "shared with the end-to-end tests, which use all of it")]
mod process;
mod settings;
mod stock;
mod support;
mod topics;
mod usage;
