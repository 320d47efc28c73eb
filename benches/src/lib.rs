//! `load`, the load program: drives any deployment of the shop over its public API, measures it and
//! audits the stock afterwards.
//!
//! One way through the program: [`cli`] parses the command, a workload ([`replay`], [`workloads`],
//! [`micro`]) makes requests through [`client`] at the [`pace`] asked for, each worker keeps its own
//! [`stats`] and its own [`book`] of what was answered, [`audit`] holds the book against what the
//! shop says, and [`report`] prints both. [`stack`] measures the ledger and its pipeline on real
//! services, beside the usual way and beside what the services can do at most. `README.md` beside this crate documents commands and exit codes.

mod audit;
mod bare;
mod book;
mod cli;
mod client;
mod clock;
mod compare;
mod cpu;
mod dataset;
mod error;
mod micro;
mod pace;
mod replay;
mod report;
mod runner;
mod stack;
mod startup;
mod stats;
mod story;
mod story_log;
mod workloads;

#[cfg(test)]
mod fake_shop;

pub use cli::main;
pub use stack::timed::{Side, Sql, Work};
