//! What was measured: a [`Sample`] a run, the [`Rounds`] of one side, and how they are told: medians
//! with the least and the most, because the machine is noisy.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use tokio_postgres::Client;

use super::drive::Driven;
use super::server::refused;
use super::statements::Statement;
use crate::compare::median;
use crate::cpu::{self, Process};
use crate::error::LoadError;
use crate::report::millis;

/// Median, least and most of some rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    /// The middle one.
    pub(crate) median: f64,
    /// The least.
    pub(crate) min: f64,
    /// The most.
    pub(crate) max: f64,
}

impl Spread {
    /// Of at least one value.
    pub(crate) fn of(values: &[f64]) -> Self {
        Self {
            median: median(values),
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }
}

/// Reads CPU time of several processes under one name each, and how much WAL a server wrote.
#[derive(Clone, Default)]
pub(crate) struct Meter {
    watched: Vec<(&'static str, Process)>,
    wal: Option<Arc<Client>>,
}

/// What a meter shows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reading {
    /// CPU seconds so far, by name.
    pub(crate) cpu: BTreeMap<&'static str, f64>,
    /// Bytes of WAL so far, where a server is watched.
    pub(crate) wal: Option<f64>,
}

/// Bytes of WAL since the server was made.
const WAL: &str = "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8";

impl Meter {
    /// This process alone.
    pub(crate) fn own(name: &'static str) -> Self {
        Self::default().and(name, Process::Alone(std::process::id()))
    }

    /// And another one; those with the same name are added up.
    pub(crate) fn and(mut self, name: &'static str, process: Process) -> Self {
        self.watched.push((name, process));
        self
    }

    /// And the WAL of the server that this session is on.
    pub(crate) fn and_wal_of(mut self, session: Arc<Client>) -> Self {
        self.wal = Some(session);
        self
    }

    /// What was used and written so far.
    pub(crate) async fn read(&self) -> Result<Reading, LoadError> {
        let mut read = Reading::default();
        for (name, process) in &self.watched {
            *read.cpu.entry(*name).or_default() += cpu::seconds(*process)?;
        }
        if let Some(session) = &self.wal {
            let row = session.query_one(WAL, &[]).await.map_err(|error| refused(&error))?;
            read.wal = Some(row.get(0));
        }
        Ok(read)
    }
}

/// One run of one side.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// Operations a second.
    pub(crate) rate: f64,
    /// Latency at the median and the 99th percentile, in milliseconds; none where nothing waits.
    pub(crate) latency_ms: Option<(f64, f64)>,
    /// CPU time an operation in microseconds, by process.
    pub(crate) cpu_us: BTreeMap<&'static str, f64>,
    /// Bytes of WAL an operation.
    pub(crate) wal_bytes: Option<f64>,
}

impl Sample {
    /// Of `count` operations in `seconds`, from a reading until now.
    pub(crate) async fn of(count: u64, seconds: f64, before: &Reading, meter: &Meter) -> Result<Self, LoadError> {
        let count = count.max(1) as f64;
        let after = meter.read().await?;
        let used = |(name, after): (&'static str, f64)| {
            let before = before.cpu.get(name).copied().unwrap_or_default();
            (name, (after - before) * 1e6 / count)
        };
        let wal = after.wal.zip(before.wal);
        Ok(Self {
            rate: count / seconds.max(1e-9),
            latency_ms: None,
            cpu_us: after.cpu.into_iter().map(used).collect(),
            wal_bytes: wal.map(|(after, before)| (after - before) / count),
        })
    }

    /// Of a run of [`super::drive`].
    pub(crate) async fn driven(run: &Driven, before: &Reading, meter: &Meter) -> Result<Self, LoadError> {
        let quantile = |quantile| millis(run.stats.latency.value_at_quantile(quantile));
        Ok(Self {
            latency_ms: Some((quantile(0.5), quantile(0.99))),
            ..Self::of(run.stats.count(), run.elapsed.as_secs_f64(), before, meter).await?
        })
    }
}

/// All runs of one side.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rounds(Vec<Sample>);

impl Rounds {
    /// One more.
    pub(crate) fn add(&mut self, sample: Sample) {
        self.0.push(sample);
    }

    /// Operations a second.
    pub(crate) fn rate(&self) -> Spread {
        self.spread(|sample| Some(sample.rate))
    }

    /// Median of the 99th percentiles, in milliseconds.
    pub(crate) fn p99_ms(&self) -> f64 {
        self.spread(|sample| Some(sample.latency_ms?.1)).median
    }

    /// CPU time an operation of these processes together, in microseconds.
    pub(crate) fn cpu_us(&self, processes: &[&str]) -> Spread {
        self.spread(|sample| Some(processes.iter().filter_map(|name| sample.cpu_us.get(name)).sum()))
    }

    fn spread(&self, of: impl Fn(&Sample) -> Option<f64>) -> Spread {
        Spread::of(&self.0.iter().filter_map(of).collect::<Vec<_>>())
    }

    /// As a row of the report.
    pub(crate) fn row(&self, what: &str, side: &str) -> Row {
        let latency = |of: fn((f64, f64)) -> f64| {
            let any = self.0.iter().any(|sample| sample.latency_ms.is_some());
            any.then(|| self.spread(|sample| sample.latency_ms.map(of)))
        };
        let names = self.0.first().map(|sample| sample.cpu_us.keys().copied().collect());
        let names: Vec<&'static str> = names.unwrap_or_default();
        let of = |name| self.spread(|sample| sample.cpu_us.get(name).copied());
        Row {
            what: what.to_owned(),
            side: side.to_owned(),
            rounds: self.0.len(),
            per_second: Some(self.rate()),
            p50_ms: latency(|(p50, _)| p50),
            p99_ms: latency(|(_, p99)| p99),
            cpu_us: names.into_iter().map(|name| (name.to_owned(), of(name))).collect(),
            wal_bytes: self
                .0
                .iter()
                .any(|sample| sample.wal_bytes.is_some())
                .then(|| self.spread(|sample| sample.wal_bytes)),
        }
    }
}

/// A row of the report.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    /// What was done.
    pub(crate) what: String,
    /// By whom.
    pub(crate) side: String,
    /// How often it was measured.
    pub(crate) rounds: usize,
    /// Operations a second, where that is what was measured.
    pub(crate) per_second: Option<Spread>,
    /// Latency in milliseconds.
    pub(crate) p50_ms: Option<Spread>,
    /// Latency in milliseconds.
    pub(crate) p99_ms: Option<Spread>,
    /// CPU time an operation in microseconds, by process.
    pub(crate) cpu_us: BTreeMap<String, Spread>,
    /// Bytes of WAL an operation, all that the primary wrote meanwhile.
    pub(crate) wal_bytes: Option<Spread>,
}

/// Two sides of one run, or a figure beside its aim.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finding {
    /// What is said.
    pub(crate) what: String,
    /// The figure.
    pub(crate) value: f64,
    /// What it is meant to be: at least or at most so much.
    pub(crate) aim: Aim,
}

/// What a figure is meant to be.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Aim {
    /// So much or more.
    AtLeast(f64),
    /// So much or less.
    AtMost(f64),
    /// It only tells.
    None,
}

impl Finding {
    /// A figure that is meant to be at least so much.
    pub(crate) fn at_least(what: impl Into<String>, value: f64, aim: f64) -> Self {
        Self {
            what: what.into(),
            value,
            aim: Aim::AtLeast(aim),
        }
    }

    /// A figure that is meant to be at most so much.
    pub(crate) fn at_most(what: impl Into<String>, value: f64, aim: f64) -> Self {
        Self {
            what: what.into(),
            value,
            aim: Aim::AtMost(aim),
        }
    }

    /// A figure that only tells.
    pub(crate) fn told(what: impl Into<String>, value: f64) -> Self {
        Self {
            what: what.into(),
            value,
            aim: Aim::None,
        }
    }

    /// Whether it is as it is meant to be.
    pub(crate) fn reached(&self) -> Option<bool> {
        match self.aim {
            Aim::AtLeast(aim) => Some(self.value >= aim),
            Aim::AtMost(aim) => Some(self.value <= aim),
            Aim::None => None,
        }
    }
}

/// A line of a picture.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Curve {
    /// Whose.
    pub(crate) side: String,
    /// Points by ascending x.
    pub(crate) points: Vec<Point>,
}

/// A point of a curve.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Point {
    /// In flight, a second, or in a batch.
    pub(crate) x: f64,
    /// Operations a second.
    pub(crate) per_second: f64,
    /// Latency in milliseconds.
    pub(crate) p99_ms: f64,
}

/// Throughput and p99 over something.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Chart {
    /// Name of its file, without its end.
    pub(crate) name: String,
    /// Over what.
    pub(crate) over: String,
    /// Its lines.
    pub(crate) curves: Vec<Curve>,
}

/// Part of the report: what was measured together.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Section {
    /// Name of its file, without its end.
    pub(crate) name: String,
    /// What it is about.
    pub(crate) title: String,
    /// What it was measured with.
    pub(crate) conditions: BTreeMap<String, String>,
    /// What was measured.
    pub(crate) rows: Vec<Row>,
    /// What it comes to.
    pub(crate) findings: Vec<Finding>,
    /// Pictures.
    pub(crate) charts: Vec<Chart>,
    /// Where the server's time went, where that was counted.
    pub(crate) statements: Vec<Statement>,
}

impl Section {
    /// An empty one.
    pub(crate) fn new(name: &str, title: &str) -> Self {
        Self {
            name: name.to_owned(),
            title: title.to_owned(),
            conditions: BTreeMap::new(),
            rows: Vec::new(),
            findings: Vec::new(),
            charts: Vec::new(),
            statements: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(rate: f64, p99: f64) -> Sample {
        Sample {
            rate,
            latency_ms: Some((1.0, p99)),
            cpu_us: [("server", rate / 10.0)].into(),
            wal_bytes: None,
        }
    }

    #[test]
    fn rounds_are_told_by_median_least_and_most() {
        let mut rounds = Rounds::default();
        for (rate, p99) in [(100.0, 9.0), (300.0, 7.0), (200.0, 8.0)] {
            rounds.add(sample(rate, p99));
        }
        let row = rounds.row("create", "ours");
        let spread = |median, min, max| Some(Spread { median, min, max });
        assert_eq!(row.per_second, spread(200.0, 100.0, 300.0));
        assert_eq!(row.p99_ms, spread(8.0, 7.0, 9.0));
        assert_eq!(Some(row.cpu_us["server"]), spread(20.0, 10.0, 30.0));
    }

    #[test]
    fn aims_are_reached_or_not() {
        assert_eq!(Finding::at_least("", 10.0, 10.0).reached(), Some(true));
        assert_eq!(Finding::at_most("", 10.1, 10.0).reached(), Some(false));
        assert_eq!(Finding::told("", 10.1).reached(), None);
    }

    #[tokio::test]
    async fn the_meter_adds_up_what_has_one_name() {
        let own = Process::Alone(std::process::id());
        let read = Meter::own("a").and("a", own).and("b", own).read().await;
        let read = read.expect("they are there");
        assert!(read.cpu["a"] >= read.cpu["b"]);
        assert_eq!((read.cpu.len(), read.wal), (2, None));
    }
}
