//! The commands of an operator, by the real binary on a real Postgres: what they say, what they change,
//! their exit codes.

#[path = "../support/cluster.rs"]
#[allow(dead_code, reason = "shared: each test target uses a part of it")]
mod cluster;
mod db;
#[path = "../support/harness.rs"]
#[allow(dead_code, reason = "shared: each test target uses a part of it")]
mod harness;
mod migrate;
#[path = "../support/process.rs"]
#[allow(dead_code, reason = "shared: each test target uses a part of it")]
mod process;
mod settings;
mod stock;
mod support;
mod topics;
mod usage;
