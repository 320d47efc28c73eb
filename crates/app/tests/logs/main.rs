//! What real processes write to standard output, in every role, with failures among what they do:
//! each line is whole and has its fields, each request has its line, and whoever is not read or
//! floods the log holds up nobody.

#[path = "../support/harness.rs"]
#[allow(dead_code, reason = "shared: each test target uses a part of it")]
mod harness;
mod levels;
mod line;
#[path = "../support/process.rs"]
#[allow(dead_code, reason = "shared: each test target uses a part of it")]
mod process;
mod requests;
mod roles;
mod stuck;
