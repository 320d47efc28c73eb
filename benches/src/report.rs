//! The end of a run: a table for people on standard output and, where asked for, JSON for programs.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::audit::Verdict;
use crate::error::LoadError;
use crate::runner::Finished;
use crate::stats::{OpStats, Stats};

/// Skus of differences that are shown.
const DIFFERENCES_SHOWN: usize = 20;

/// Quantiles of a latency histogram.
const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];

/// Prints a run to standard output.
pub(crate) fn print(name: &str, run: &Finished, verdict: Option<&Verdict>) -> Result<(), LoadError> {
    let mut out = io::stdout().lock();
    table(&mut out, name, run)?;
    if let Some(verdict) = verdict {
        print_verdict(&mut out, verdict)?;
    }
    out.flush()?;
    Ok(())
}

fn table(out: &mut impl Write, name: &str, run: &Finished) -> io::Result<()> {
    let seconds = run.elapsed.as_secs_f64();
    writeln!(out, "\n{name}: {seconds:.2} s")?;
    writeln!(
        out,
        "{:<12} {:>10} {:>10} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "call",
        "answers",
        "per s",
        "p50 ms",
        "p90 ms",
        "p99 ms",
        "p99.9 ms",
        "max ms",
        "refused",
        "unavail.",
        "unknown"
    )?;
    for (op, stats) in &run.stats.ops {
        write!(
            out,
            "{op:<12} {:>10} {:>10.0}",
            stats.count(),
            per_second(stats.count(), run.elapsed)
        )?;
        for (_, quantile) in QUANTILES {
            write!(out, " {:>9.2}", millis(stats.latency.value_at_quantile(quantile)))?;
        }
        writeln!(
            out,
            " {:>9.2} {:>9} {:>9} {:>9}",
            millis(stats.latency.max()),
            stats.refused,
            stats.unavailable,
            stats.unknown
        )?;
    }
    let book = &run.book;
    let unusual = [
        (book.refused, "orders refused for lack of stock"),
        (book.unfilled, "carts without a line to order"),
        (book.given_up, "orders given up"),
        (book.lines_refused, "lines refused for lack of stock"),
        (book.lines_given_up, "lines given up"),
    ];
    for (count, what) in unusual.into_iter().filter(|(count, _)| *count > 0) {
        writeln!(out, "  {count:>8} {what}")?;
    }
    print_faults(out, &run.stats)
}

fn print_faults(out: &mut impl Write, stats: &Stats) -> io::Result<()> {
    for (name, tally) in &stats.faults {
        writeln!(out, "  {:>8} x {name}: {}", tally.count, tally.example.trim())?;
    }
    if stats.other_faults > 0 {
        writeln!(out, "  {:>8} others", stats.other_faults)?;
    }
    Ok(())
}

fn print_verdict(out: &mut impl Write, verdict: &Verdict) -> io::Result<()> {
    let orders: Vec<String> = verdict
        .orders
        .iter()
        .map(|(status, n)| format!("{n} {status}"))
        .collect();
    let orders = if orders.is_empty() {
        "none".to_owned()
    } else {
        orders.join(", ")
    };
    writeln!(
        out,
        "audit: {} skus, orders: {orders}; {} units sold, oversold {}, unknown outcomes: {} resolved, {} left",
        verdict.skus, verdict.units_sold, verdict.oversold, verdict.resolved, verdict.unresolved
    )?;
    if !verdict.differences.is_empty() {
        writeln!(
            out,
            "{:>14} {:>12} {:>12} {:>12} {:>12}",
            "sku", "free before", "free after", "ordered", "difference"
        )?;
    }
    for found in verdict.differences.iter().take(DIFFERENCES_SHOWN) {
        let missing =
            i64::from(found.before) - i64::from(found.after) - i64::try_from(found.ordered).unwrap_or(i64::MAX);
        writeln!(
            out,
            "{:>14} {:>12} {:>12} {:>12} {missing:>12}",
            found.sku, found.before, found.after, found.ordered
        )?;
    }
    if verdict.differences.len() > DIFFERENCES_SHOWN {
        writeln!(out, "  … {} skus in all", verdict.differences.len())?;
    }
    for problem in &verdict.problems {
        writeln!(out, "  {problem}")?;
    }
    let word = if verdict.clean() {
        "stock and orders agree"
    } else {
        "STOCK AND ORDERS DO NOT AGREE"
    };
    writeln!(out, "audit: {word}")
}

/// A run as JSON.
pub(crate) fn to_json(name: &str, run: &Finished, verdict: Option<&Verdict>, options: Value) -> Value {
    let calls: serde_json::Map<String, Value> = run
        .stats
        .ops
        .iter()
        .map(|(op, stats)| ((*op).to_owned(), call_json(stats, run.elapsed)))
        .collect();
    let faults = run.stats.faults.iter();
    let faults = faults.map(|(name, tally)| json!({"fault": name, "count": tally.count, "example": tally.example}));
    json!({
        "command": name,
        "options": options,
        "elapsed_seconds": run.elapsed.as_secs_f64(),
        "calls": calls,
        "orders_refused": run.book.refused,
        "carts_unfilled": run.book.unfilled,
        "orders_given_up": run.book.given_up,
        "lines_refused": run.book.lines_refused,
        "lines_given_up": run.book.lines_given_up,
        "faults": faults.collect::<Vec<_>>(),
        "other_faults": run.stats.other_faults,
        "audit": verdict,
        "events_expected": verdict.map(|verdict| events_expected(run, verdict)),
    })
}

/// Events that the orders of this run make: `new` and what followed, two for a failed one.
fn events_expected(run: &Finished, verdict: &Verdict) -> u64 {
    let of = |status: &str| verdict.orders.get(status).copied().unwrap_or(0);
    2 * (of("awaiting payment") + run.book.refused) + 3 * (of("payed") + of("cancelled"))
}

/// One operation as JSON; latencies in milliseconds.
pub(crate) fn call_json(stats: &OpStats, elapsed: Duration) -> Value {
    let mut latency = serde_json::Map::new();
    for (name, quantile) in QUANTILES {
        latency.insert(
            name.to_owned(),
            json!(millis(stats.latency.value_at_quantile(quantile))),
        );
    }
    latency.insert("max".to_owned(), json!(millis(stats.latency.max())));
    json!({
        "answers": stats.count(),
        "ok": stats.ok,
        "refused": stats.refused,
        "unavailable": stats.unavailable,
        "unexpected": stats.unexpected,
        "unknown": stats.unknown,
        "per_second": per_second(stats.count(), elapsed),
        "latency_ms": latency,
    })
}

/// Writes JSON where `--json` asks for it.
pub(crate) fn write_json(path: Option<&Path>, value: &Value) -> Result<(), LoadError> {
    let Some(path) = path else {
        return Ok(());
    };
    let text = format!("{value:#}\n");
    std::fs::write(path, text).map_err(|source| LoadError::File {
        path: path.to_owned(),
        source,
    })
}

/// Nanoseconds as milliseconds.
pub(crate) fn millis(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}

fn per_second(count: u64, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64().max(1e-9)
}
