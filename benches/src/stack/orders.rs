//! Creates, pays and cancels in SQL: the usual way with its best pool, ours through the order book, and
//! the statements of our batches by a bare client. Every round runs each of them once; orders that one
//! round placed are paid and cancelled in the same round, half each.

use std::collections::BTreeMap;
use std::sync::Arc;

use adapters::postgres::testing::{Database, WholeLedger};

use super::Plan;
use super::drive::{Driven, Run, Until, drive};
use super::measure::{Finding, Meter, Rounds, Row, Sample, Section};
use super::ours::{Ours, limits};
use super::raw::Raw;
use super::server::Stage;
use super::usual::Usual;
use super::way::{Act, Shape, Step, Way};
use crate::error::LoadError;

/// Sizes of the usual way's pool, of which it gets its best.
const POOLS: [usize; 7] = [4, 8, 16, 24, 32, 48, 64];
const POOLS_QUICK: [usize; 2] = [4, 16];
/// The share of the usual way's best rate at which latencies are compared.
const SHARE_OF_RATE: f64 = 0.8;

/// The sides of the comparison.
const USUAL: &str = "usual way";
const OURS: &str = "ours, in SQL";
const RAW: &str = "bare SQL";

/// Both sides, each over a database of its own.
pub(super) struct Sides {
    /// The usual way.
    pub(super) usual: Arc<Usual>,
    usual_database: Database,
    /// Ours.
    pub(super) ours: Arc<Ours>,
    ledger: Arc<WholeLedger>,
    meter: Meter,
}

impl Sides {
    pub(super) async fn open(stage: &Stage) -> Result<Self, LoadError> {
        let usual_database = stage.usual().await?;
        let commit = stage.standby().synchronous_commit();
        let usual = Usual::new(stage.target(&usual_database), commit, POOLS[0])?;
        let ledger = stage.ours().await?;
        stage.settle_down(&usual_database).await?;
        stage.settle_down(&ledger.database).await?;
        Ok(Self {
            usual: Arc::new(usual),
            usual_database,
            ours: Arc::new(Ours::new(&ledger, limits())),
            ledger,
            meter: stage.watched(Meter::own("program")).await?,
        })
    }

    pub(super) async fn close(self) -> Result<(), LoadError> {
        self.ours.end().await?;
        drop(self.usual);
        drop(self.usual_database);
        Ok(())
    }
}

/// By what was done and by whom, in the order of first use.
#[derive(Default)]
pub(super) struct Table {
    order: Vec<(&'static str, &'static str)>,
    rounds: BTreeMap<(&'static str, &'static str), Rounds>,
}

impl Table {
    pub(super) fn add(&mut self, what: &'static str, side: &'static str, sample: Sample) {
        let key = (what, side);
        if !self.order.contains(&key) {
            self.order.push(key);
        }
        self.rounds.entry(key).or_default().add(sample);
    }

    /// As rows of the report.
    pub(super) fn rows(&self) -> Vec<Row> {
        let keys = self.order.iter();
        keys.map(|(what, side)| self.rounds[&(*what, *side)].row(what, side))
            .collect()
    }

    /// Median of the 99th percentiles, in milliseconds.
    pub(super) fn p99_ms(&self, what: &'static str, side: &'static str) -> f64 {
        self.rounds.get(&(what, side)).map_or(f64::NAN, Rounds::p99_ms)
    }

    /// Median CPU time an operation of these processes together, in microseconds.
    pub(super) fn cpu_us(&self, what: &'static str, side: &'static str, processes: &[&str]) -> f64 {
        let rounds = self.rounds.get(&(what, side));
        rounds.map_or(f64::NAN, |rounds| rounds.cpu_us(processes).median)
    }

    pub(super) fn rate(&self, what: &'static str, side: &'static str) -> f64 {
        self.rounds
            .get(&(what, side))
            .map_or(f64::NAN, |rounds| rounds.rate().median)
    }
}

pub(super) async fn measure(plan: &Plan, stage: &Stage) -> Result<Section, LoadError> {
    let mut section = Section::new("orders", "Orders in SQL, beside the usual way");
    let sides = Sides::open(stage).await?;
    let pools = best_pools(plan, &sides).await?;
    let mut table = Table::default();
    for round in 0..=plan.rounds {
        let counts = round > 0;
        for shape in [Shape::Spread, Shape::Hot] {
            sides.usual.resize(pools[&shape_name(shape)].0);
            let samples = one_round(plan, &sides.usual, &sides.meter, shape, round).await?;
            samples
                .into_iter()
                .filter(|_| counts)
                .for_each(|(what, sample)| table.add(what, USUAL, sample));
            let samples = one_round(plan, &sides.ours, &sides.meter, shape, round).await?;
            samples
                .into_iter()
                .filter(|_| counts)
                .for_each(|(what, sample)| table.add(what, OURS, sample));
            let sample = raw(plan, stage, &sides, shape).await?;
            if counts {
                table.add(Act::Create(shape).name(), RAW, sample);
            }
        }
    }
    latencies(plan, &sides, &pools, &mut table, &mut section).await?;
    section.rows.extend(table.rows());
    ratios(&table, &mut section);
    for (shape, (connections, _)) in &pools {
        section.conditions.insert(
            format!("connections of the usual way, {shape}"),
            connections.to_string(),
        );
    }
    section
        .conditions
        .insert("calls in flight".to_owned(), plan.in_flight.to_string());
    sides.close().await?;
    Ok(section)
}

fn shape_name(shape: Shape) -> &'static str {
    Act::Create(shape).name()
}

pub(super) fn creating(plan: &Plan, shape: Shape, seed: u64) -> Run {
    Run {
        act: Act::Create(shape),
        in_flight: plan.in_flight,
        rate: None,
        until: Until::Over(plan.duration),
        seed: plan.seed.wrapping_add(seed << 32),
    }
}

/// The pool with which the usual way is fastest, and how fast it was, for each shape of orders.
async fn best_pools(plan: &Plan, sides: &Sides) -> Result<BTreeMap<&'static str, (usize, f64)>, LoadError> {
    let sizes: &[usize] = if plan.quick { &POOLS_QUICK } else { &POOLS };
    let mut best = BTreeMap::new();
    for shape in [Shape::Spread, Shape::Hot] {
        let mut fastest = (sizes[0], 0.0);
        for connections in sizes {
            sides.usual.resize(*connections);
            let seed = 1_000 + *connections as u64;
            let run = drive(&sides.usual, &creating(plan, shape, seed)).await?;
            let rate = run.stats.count() as f64 / run.elapsed.as_secs_f64();
            if rate > fastest.1 {
                fastest = (*connections, rate);
            }
        }
        best.insert(shape_name(shape), fastest);
    }
    Ok(best)
}

/// Places orders, then pays half of them and cancels the others; those of the hot sku stay.
pub(super) async fn one_round<W: Way>(
    plan: &Plan,
    way: &Arc<W>,
    meter: &Meter,
    shape: Shape,
    round: usize,
) -> Result<Vec<(&'static str, Sample)>, LoadError> {
    let create = creating(plan, shape, round as u64);
    let (run, sample) = metered(way, meter, &create).await?;
    let mut samples = vec![(create.act.name(), sample)];
    if shape == Shape::Spread {
        let (payed, cancelled) = run.placed.split_at(run.placed.len() / 2);
        for (step, orders) in [(Step::Pay, payed), (Step::Cancel, cancelled)] {
            let act = Act::Each(step, orders.into());
            let name = act.name();
            let settle = Run { act, ..create.clone() };
            samples.push((name, metered(way, meter, &settle).await?.1));
        }
    }
    Ok(samples)
}

/// One run and what it cost.
pub(super) async fn metered<W: Way>(way: &Arc<W>, meter: &Meter, run: &Run) -> Result<(Driven, Sample), LoadError> {
    let before = meter.read().await?;
    let driven = drive(way, run).await?;
    let sample = Sample::driven(&driven, &before, meter).await?;
    Ok((driven, sample))
}

async fn raw(plan: &Plan, stage: &Stage, sides: &Sides, shape: Shape) -> Result<Sample, LoadError> {
    let database = &sides.ledger.database;
    let commit = stage.standby().synchronous_commit();
    let mut raw = Raw::new(stage.target(database), database, commit).await?;
    let before = sides.meter.read().await?;
    let (count, elapsed) = raw.place(shape, plan.duration).await?;
    Sample::of(count, elapsed.as_secs_f64(), &before, &sides.meter).await
}

/// Latencies of both at one rate: most of what the usual way can do at its best.
async fn latencies(
    plan: &Plan,
    sides: &Sides,
    pools: &BTreeMap<&'static str, (usize, f64)>,
    table: &mut Table,
    section: &mut Section,
) -> Result<(), LoadError> {
    const WHAT: &str = "create at 80 % of the usual way's best rate";
    let spread = shape_name(Shape::Spread);
    sides.usual.resize(pools[spread].0);
    let rate = table.rate(spread, USUAL) * SHARE_OF_RATE;
    for round in 1..=plan.rounds {
        let run = Run {
            rate: Some(rate),
            ..creating(plan, Shape::Spread, 100 + round as u64)
        };
        table.add(WHAT, USUAL, metered(&sides.usual, &sides.meter, &run).await?.1);
        table.add(WHAT, OURS, metered(&sides.ours, &sides.meter, &run).await?.1);
    }
    let ratio = table.p99_ms(WHAT, OURS) / table.p99_ms(WHAT, USUAL);
    section.findings.push(Finding::at_most(
        "p99 of ours / of the usual way, at 80 % of its best rate",
        ratio,
        0.2,
    ));
    Ok(())
}

fn ratios(table: &Table, section: &mut Section) {
    let settle = |step| Act::Each(step, [].into()).name();
    for (what, aim) in [
        (shape_name(Shape::Spread), 10.0),
        (shape_name(Shape::Hot), 20.0),
        (settle(Step::Pay), 10.0),
        (settle(Step::Cancel), 10.0),
    ] {
        let ratio = table.rate(what, OURS) / table.rate(what, USUAL);
        section
            .findings
            .push(Finding::at_least(format!("{what}: ours / usual way"), ratio, aim));
    }
    for shape in [Shape::Spread, Shape::Hot] {
        let what = shape_name(shape);
        let ratio = table.rate(what, OURS) / table.rate(what, RAW);
        section
            .findings
            .push(Finding::told(format!("{what}: ours / bare SQL"), ratio));
    }
}
