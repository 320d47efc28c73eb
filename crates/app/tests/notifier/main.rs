//! The notifier as a process of its own, on a real broker: where it begins, what it repeats after a
//! crash, how its members share the work, what becomes of poison, and how it posts to a webhook.
//! `just faults` runs it with the sizes that the issue asks for; the test command with smaller ones.
#![allow(clippy::print_stdout, reason = "figures of a run belong to its report")]
#![recursion_limit = "256"] // the futures of the HTTP client lie deep

mod commit;
mod dlq;
#[path = "../support/figures.rs"]
#[allow(dead_code, reason = "shared: each test target uses a part of it")]
mod figures;
mod group;
mod harness;
mod leader;
mod poison;
mod receiver;
mod replay;
mod restart;
mod tally;
mod told;
mod webhook;
