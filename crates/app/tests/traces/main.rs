//! Traces from outside: real processes of `app` on a real Postgres and a real broker, whose spans go to
//! a collector of the test's own, which may be away or frozen.

mod batches;
mod collector;
mod failures;
#[path = "../support/harness.rs"]
#[allow(dead_code, reason = "shared: each test target uses a part of it")]
mod harness;
mod hook;
mod sampling;
mod shop;
mod told;
mod tree;
mod trouble;
