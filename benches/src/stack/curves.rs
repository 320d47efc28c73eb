//! Throughput and p99 over calls in flight, over the rate, and over the size of batches. The steps of a
//! curve are measured in rounds too, and each point is the median of its rounds.

use std::sync::Arc;

use super::Plan;
use super::drive::{Run, Until, drive};
use super::measure::{Chart, Curve, Point, Section};
use super::orders::Sides;
use super::ours::{Ours, limits};
use super::server::Stage;
use super::way::{Act, Shape, Way};
use crate::compare::median;
use crate::error::LoadError;
use crate::report::millis;

const IN_FLIGHT: [usize; 8] = [1, 2, 4, 8, 16, 32, 64, 128];
const BATCHES: [usize; 8] = [1, 2, 4, 8, 16, 32, 64, 128];
/// Shares of what each side does at most.
const SHARES: [f64; 6] = [0.1, 0.25, 0.5, 0.7, 0.8, 0.9];
/// Rounds of a point: there are many points.
const ROUNDS_MAX: usize = 3;
/// Connections of the usual way here; `orders` looks for its best.
const CONNECTIONS: usize = 32;
/// Calls in flight over the largest batches: two lanes full, and as many that wait.
const DEEP: usize = 512;

/// Every `n`th step where only a short look is wanted.
fn steps<T: Copy>(all: &[T], plan: &Plan) -> Vec<T> {
    let every = if plan.quick { 4 } else { 1 };
    all.iter().copied().step_by(every).collect()
}

pub(super) async fn measure(plan: &Plan, stage: &Stage) -> Result<Section, LoadError> {
    let mut section = Section::new("curves", "Throughput and p99 of creates in SQL");
    let sides = Sides::open(stage).await?;
    sides.usual.resize(CONNECTIONS);
    let over = |name: &str, over: &str, curves| Chart {
        name: name.to_owned(),
        over: over.to_owned(),
        curves,
    };
    let flights = vec![
        curve("usual way", in_flight(plan, &sides.usual).await?),
        curve("ours", in_flight(plan, &sides.ours).await?),
    ];
    let rates = vec![
        curve("usual way", rates(plan, &sides.usual, &flights[0]).await?),
        curve("ours", rates(plan, &sides.ours, &flights[1]).await?),
    ];
    section.charts.push(over("in-flight", "calls in flight", flights));
    section.charts.push(over("rate", "creates a second asked for", rates));
    sides.close().await?;
    let sizes = vec![curve("ours", batches(plan, stage).await?)];
    section.charts.push(over("batch-size", "calls a batch at most", sizes));
    section
        .conditions
        .insert("connections of the usual way".to_owned(), CONNECTIONS.to_string());
    Ok(section)
}

fn curve(side: &str, points: Vec<Point>) -> Curve {
    Curve {
        side: side.to_owned(),
        points,
    }
}

fn creating(plan: &Plan, in_flight: usize, rate: Option<f64>, seed: u64) -> Run {
    Run {
        act: Act::Create(Shape::Spread),
        in_flight,
        rate,
        until: Until::Over(plan.duration),
        seed: plan.seed.wrapping_add(seed << 32),
    }
}

async fn point<W: Way>(
    plan: &Plan,
    way: &Arc<W>,
    x: f64,
    in_flight: usize,
    rate: Option<f64>,
) -> Result<Point, LoadError> {
    let (mut rates, mut p99s) = (Vec::new(), Vec::new());
    for round in 0..plan.rounds.min(ROUNDS_MAX) {
        let run = drive(way, &creating(plan, in_flight, rate, 2_000 + round as u64)).await?;
        rates.push(run.stats.count() as f64 / run.elapsed.as_secs_f64());
        p99s.push(millis(run.stats.latency.value_at_quantile(0.99)));
    }
    Ok(Point {
        x,
        per_second: median(&rates),
        p99_ms: median(&p99s),
    })
}

async fn in_flight<W: Way>(plan: &Plan, way: &Arc<W>) -> Result<Vec<Point>, LoadError> {
    let mut points = Vec::new();
    for in_flight in steps(&IN_FLIGHT, plan) {
        points.push(point(plan, way, in_flight as f64, in_flight, None).await?);
    }
    Ok(points)
}

/// Open loop, up to nearly what the side did at most in a closed one.
async fn rates<W: Way>(plan: &Plan, way: &Arc<W>, closed: &Curve) -> Result<Vec<Point>, LoadError> {
    let most = closed.points.iter().map(|point| point.per_second).fold(0.0, f64::max);
    let mut points = Vec::new();
    for share in steps(&SHARES, plan) {
        let rate = most * share;
        points.push(point(plan, way, rate, DEEP, Some(rate)).await?);
    }
    Ok(points)
}

async fn batches(plan: &Plan, stage: &Stage) -> Result<Vec<Point>, LoadError> {
    let ledger = stage.ours().await?;
    let mut points = Vec::new();
    for batch_max in steps(&BATCHES, plan) {
        let ours = Arc::new(Ours::new(
            &ledger,
            app::engine::batcher::BatchLimits { batch_max, ..limits() },
        ));
        points.push(point(plan, &ours, batch_max as f64, DEEP, None).await?);
        ours.end().await?;
    }
    Ok(points)
}
