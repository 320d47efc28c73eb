//! `compare`: the shop beside a bare server, both already running. Runs are interleaved (ours, bare,
//! ours, bare …), so that a slow minute of the machine falls on both; the figures are medians of rounds.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Target, Urls};
use crate::cpu::{self, Process};
use crate::error::LoadError;
use crate::micro::{self, Call};
use crate::pace::Pace;
use crate::report::millis;
use crate::runner::Finished;

/// What to compare.
#[derive(Debug)]
pub(crate) struct Comparison {
    /// The call that both answer.
    pub(crate) call: Call,
    /// The shop.
    pub(crate) ours: Side,
    /// The bare server.
    pub(crate) bare: Side,
    /// Rounds of one run each; a further one before them warms up and is not counted.
    pub(crate) rounds: usize,
    /// Length of one run.
    pub(crate) duration: Duration,
    /// Calls in flight.
    pub(crate) in_flight: usize,
    /// Skus that calls name.
    pub(crate) skus: Arc<[i64]>,
    /// Makes runs repeatable.
    pub(crate) seed: u64,
}

/// One of the two.
#[derive(Debug)]
pub(crate) struct Side {
    /// Where it answers.
    pub(crate) urls: Urls,
    /// Whose CPU time is read.
    pub(crate) pid: u32,
}

#[derive(Default)]
struct Figures {
    throughput: Vec<f64>,
    p50_ms: Vec<f64>,
    p99_ms: Vec<f64>,
    cpu_us: Vec<f64>,
}

/// Runs all rounds; gives back the result as JSON, and prints it.
pub(crate) async fn compare(plan: &Comparison) -> Result<Value, LoadError> {
    let targets = [Target::new(&plan.ours.urls)?, Target::new(&plan.bare.urls)?];
    let pids = [plan.ours.pid, plan.bare.pid];
    let mut figures = [Figures::default(), Figures::default()];
    for round in 0..=plan.rounds {
        for side in 0..2 {
            let (run, cpu) = measured(plan, &targets[side], pids[side], round).await?;
            if round > 0 {
                figures[side].take(plan.call, &run, cpu);
            }
        }
    }
    let result = result(plan, &figures);
    print(plan, &figures[0], &result)?;
    Ok(result)
}

async fn measured(plan: &Comparison, target: &Target, pid: u32, round: usize) -> Result<(Finished, f64), LoadError> {
    let before = cpu::seconds(Process::Alone(pid))?;
    let pace = Arc::new(Pace::new(None, None, Some(plan.duration)));
    let seed = plan.seed.wrapping_add((round as u64) << 32);
    let run = micro::run(target, plan.call, plan.skus.clone(), pace, plan.in_flight, seed, None).await?;
    let cpu = cpu::seconds(Process::Alone(pid))? - before;
    let stats = &run.stats.ops[plan.call.name()];
    // A server that refuses is not doing the same work, and a comparison with it would say nothing.
    if stats.ok < stats.count() {
        let fault = run.stats.faults.iter().next();
        let said = fault
            .map(|(name, tally)| format!("{name}: {}", tally.example))
            .unwrap_or_default();
        let failed = stats.count() - stats.ok;
        return Err(LoadError::Target(format!(
            "{failed} of {} calls failed: {said}",
            stats.count()
        )));
    }
    Ok((run, cpu))
}

impl Figures {
    fn take(&mut self, call: Call, run: &Finished, cpu_seconds: f64) {
        let stats = &run.stats.ops[call.name()];
        let count = stats.count() as f64;
        self.throughput.push(count / run.elapsed.as_secs_f64());
        self.p50_ms.push(millis(stats.latency.value_at_quantile(0.5)));
        self.p99_ms.push(millis(stats.latency.value_at_quantile(0.99)));
        self.cpu_us.push(cpu_seconds * 1e6 / count);
    }

    fn rows(&self) -> [(&'static str, &[f64]); 4] {
        [
            ("throughput_per_s", &self.throughput),
            ("p50_ms", &self.p50_ms),
            ("p99_ms", &self.p99_ms),
            ("server_cpu_us_per_request", &self.cpu_us),
        ]
    }
}

fn result(plan: &Comparison, [ours, bare]: &[Figures; 2]) -> Value {
    let mut rows = serde_json::Map::new();
    for ((name, ours), (_, bare)) in ours.rows().into_iter().zip(bare.rows()) {
        let row = json!({
            "ours": spread(ours),
            "bare": spread(bare),
            "ratio": median(ours) / median(bare),
        });
        rows.insert(name.to_owned(), row);
    }
    json!({
        "command": "compare",
        "call": plan.call.name(),
        "in_flight": plan.in_flight,
        "rounds": plan.rounds,
        "seconds_a_round": plan.duration.as_secs_f64(),
        "figures": rows,
    })
}

fn spread(values: &[f64]) -> Value {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(0.0, f64::max);
    json!({ "median": median(values), "min": least, "max": most })
}

/// The middle value, or the middle of the two.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

fn print(plan: &Comparison, figures: &Figures, result: &Value) -> Result<(), LoadError> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "\n{}, {} in flight, {} rounds of {:.1} s each side; median (min–max)",
        plan.call.name(),
        plan.in_flight,
        plan.rounds,
        plan.duration.as_secs_f64()
    )?;
    writeln!(out, "{:<26} {:>30} {:>30} {:>7}", "", "ours", "bare", "ratio")?;
    for (name, _) in figures.rows() {
        let row = &result["figures"][name];
        let cell = |side: &str| {
            let figure = |which: &str| row[side][which].as_f64().unwrap_or(f64::NAN);
            format!("{:.2} ({:.2}–{:.2})", figure("median"), figure("min"), figure("max"))
        };
        let ratio = row["ratio"].as_f64().unwrap_or(f64::NAN);
        writeln!(out, "{name:<26} {:>30} {:>30} {ratio:>7.2}", cell("ours"), cell("bare"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_stands_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
