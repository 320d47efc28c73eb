//! The command line of `load stack`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::args::positive;
use crate::stack::server::Standby;
use crate::stack::{Part, Plan};

#[derive(Debug, Args)]
pub(super) struct StackArgs {
    /// What is measured, in this order (default: everything but `growth` and `variants`).
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// Whether commits wait for the standby.
    #[arg(long, value_enum, default_value_t = Standby::Asynchronous)]
    standby: Standby,
    /// Rounds that count; one more before them warms up.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Length of a run.
    #[arg(long, default_value_t = 5.0, value_parser = positive)]
    seconds: f64,
    /// Calls in flight.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    in_flight: u16,
    /// Chooses users and skus.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only shows that everything works: one round of a fifth of a second, few steps. Its figures say nothing.
    #[arg(long)]
    quick: bool,
    /// Counts what each statement costs the server, which costs a little itself. The servers have to be
    /// started with POSTGRES_PRELOAD=pg_stat_statements.
    #[arg(long)]
    statements: bool,
    /// Where results go.
    #[arg(long, default_value = "benches/results")]
    out: PathBuf,
    /// The program `app`, of the same build.
    #[arg(long, default_value = "target/release/app")]
    app: PathBuf,
    /// Where its processes log.
    #[arg(long, default_value = "var/bench-stack")]
    logs: PathBuf,
    /// Where `replay` finds its baskets and stock.
    #[arg(long, default_value = "var/dataset")]
    dataset: PathBuf,
    /// Only the first baskets of `replay`.
    #[arg(long)]
    baskets: Option<usize>,
    /// Unsent rows of `growth`.
    #[arg(long, default_value_t = 10_000_000)]
    growth_unsent: u64,
    /// Orders of `growth`: 20 million take some 13 GB, and as much on the standby.
    #[arg(long, default_value_t = 20_000_000)]
    growth_orders: u64,
}

/// Rows of `growth` where only a short look is wanted.
const GROWTH_QUICK: u64 = 6_000;

impl StackArgs {
    pub(super) fn parts(&self) -> Vec<Part> {
        if self.parts.is_empty() {
            return Part::DEFAULT.to_vec();
        }
        self.parts.clone()
    }

    pub(super) fn plan(&self) -> Plan {
        let (rounds, seconds) = if self.quick {
            (1, 0.2)
        } else {
            (self.rounds.max(1), self.seconds)
        };
        Plan {
            rounds,
            duration: Duration::from_secs_f64(seconds),
            in_flight: usize::from(self.in_flight),
            standby: self.standby,
            seed: self.seed,
            quick: self.quick,
            statements: self.statements,
            out: self.out.clone(),
            app: self.app.clone(),
            logs: self.logs.clone(),
            dataset: self.dataset.clone(),
            baskets: self.baskets,
            unsent: if self.quick { GROWTH_QUICK } else { self.growth_unsent },
            orders: if self.quick { GROWTH_QUICK } else { self.growth_orders },
        }
    }
}
