//! The notifier as a process of its own, on a real broker: where it begins, what it repeats after a
//! crash, how its members share the work, what becomes of poison, and how it posts to a webhook.
#![allow(clippy::print_stdout, reason = "figures of a run belong to its report")]
#![recursion_limit = "256"] // the futures of the HTTP client lie deep

mod dlq;
mod group;
mod harness;
mod poison;
mod receiver;
mod restart;
mod webhook;
