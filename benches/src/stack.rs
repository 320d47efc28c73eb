//! `stack`: the ledger and its pipeline on real services, measured beside the usual way and beside what
//! the services can do at most. One section a file: [`orders`] (the usual way, ours, and the bare SQL),
//! [`curves`], [`network`] (gRPC and HTTP, in processes of their own),
//! [`relay`], [`notifier`], [`year`] (a replay of real baskets),
//! [`growth`], and [`variants`] of our own. Sides take turns in every round, so that a slow minute of the machine falls on all.
//!
//! A section starts from databases of its own, drives [`way`]s by [`drive`], reads CPU times by
//! [`mod@measure`], and gives back a [`measure::Section`]; [`results`] writes it as JSON and as a table, and
//! [`chart`] draws its curves.

mod chart;
mod curves;
mod drive;
mod filling;
mod growth;
mod measure;
mod network;
mod notifier;
mod orders;
mod ours;
mod producer;
mod raw;
mod relay;
mod results;
pub(crate) mod server;
pub(crate) mod shop;
mod statements;
#[cfg(test)]
mod tests;
pub(crate) mod timed;
mod usual;
mod variants;
mod way;
mod year;

use std::path::PathBuf;
use std::time::Duration;

use self::measure::Section;
use self::server::{Stage, Standby};
use crate::error::LoadError;

/// What is measured together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// Creates, pays and cancels: the usual way, ours, and the bare SQL.
    Orders,
    /// Throughput and p99 over calls in flight, over the rate, over the size of batches.
    Curves,
    /// The same calls over gRPC beside a bare tonic service, and checkouts over HTTP.
    Network,
    /// The relay beside a raw producer, and creates beside the relay.
    Relay,
    /// From a commit to the notifier's line, and what the notifier can take.
    Notifier,
    /// A real year of baskets; `scripts/dataset.sh` fetches it.
    Replay,
    /// Ours with one thing changed, beside ours as it is; only when it is asked for.
    Variants,
    /// Full tables beside empty ones; only when it is asked for.
    Growth,
}

impl Part {
    /// Everything that has an aim, but what fills the disk.
    pub(crate) const DEFAULT: [Self; 6] = [
        Self::Orders,
        Self::Curves,
        Self::Network,
        Self::Relay,
        Self::Notifier,
        Self::Replay,
    ];
}

/// What to measure, and how long.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Rounds that count; one more before them warms up.
    pub(crate) rounds: usize,
    /// Length of a run.
    pub(crate) duration: Duration,
    /// Calls in flight.
    pub(crate) in_flight: usize,
    /// Whether commits wait for the standby.
    pub(crate) standby: Standby,
    /// Makes runs repeatable.
    pub(crate) seed: u64,
    /// A short look that everything works: few steps of everything, figures say nothing.
    pub(crate) quick: bool,
    /// Whether statements are counted.
    pub(crate) statements: bool,
    /// Where results go.
    pub(crate) out: PathBuf,
    /// The program `app`.
    pub(crate) app: PathBuf,
    /// Where processes log.
    pub(crate) logs: PathBuf,
    /// Where the real year is.
    pub(crate) dataset: PathBuf,
    /// How many of its baskets; none: all.
    pub(crate) baskets: Option<usize>,
    /// Unsent rows of a full outbox.
    pub(crate) unsent: u64,
    /// Orders of full tables.
    pub(crate) orders: u64,
}

/// Measures the parts one after the other, and writes down each as soon as it is measured.
pub(crate) async fn run(plan: &Plan, parts: &[Part]) -> Result<(), LoadError> {
    std::fs::create_dir_all(&plan.logs).map_err(|source| LoadError::File {
        path: plan.logs.clone(),
        source,
    })?;
    for part in parts {
        let stage = Stage::begin(plan.standby).await?;
        let measured = measure(plan, *part, &stage).await;
        // Whatever came of it, the servers are as they were.
        let ended = stage.end().await;
        let mut section = measured?;
        ended?;
        section.conditions.insert("quick".to_owned(), plan.quick.to_string());
        results::write(&plan.out, &section)?;
    }
    results::table(&plan.out)
}

async fn measure(plan: &Plan, part: Part, stage: &Stage) -> Result<Section, LoadError> {
    let conditions = stage.conditions().await?;
    if plan.statements {
        statements::begin(stage.admin()).await?;
    }
    let mut section = match part {
        Part::Orders => orders::measure(plan, stage).await?,
        Part::Curves => curves::measure(plan, stage).await?,
        Part::Network => network::measure(plan, stage).await?,
        Part::Relay => relay::measure(plan, stage).await?,
        Part::Notifier => notifier::measure(plan, stage).await?,
        Part::Replay => year::measure(plan, stage).await?,
        Part::Variants => variants::measure(plan, stage).await?,
        Part::Growth => growth::measure(plan, stage).await?,
    };
    section.conditions.extend(conditions);
    if plan.statements {
        section.statements = statements::end(stage.admin()).await?;
    }
    Ok(section)
}
