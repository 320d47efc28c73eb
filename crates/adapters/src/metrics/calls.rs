//! Counts and times calls of one kind, those that nobody waits for to their end included.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use metrics::{Counter, Histogram, Label};
use parking_lot::RwLock;

use super::Metric;

/// Runs from its making.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts one.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place where durations are measured")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since its start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A counter and a histogram with the same labels.
#[derive(Clone)]
pub struct Calls {
    count: Counter,
    duration: Histogram,
}

impl Calls {
    /// Makes the handles: keep them.
    #[must_use]
    pub fn new(count: &Metric, duration: &Metric, labels: Vec<Label>) -> Self {
        Self {
            count: metrics::counter!(count.name, labels.clone()),
            duration: metrics::histogram!(duration.name, labels),
        }
    }

    /// Counts one.
    pub fn note(&self, took: Duration) {
        self.count.increment(1);
        self.duration.record(took.as_secs_f64());
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Calls")
    }
}

/// The handles of calls that have `N` labels, made when their values come for the first time. Values
/// are static, so there are so many and no more.
#[derive(Debug)]
pub struct CallTable<const N: usize> {
    count: Metric,
    duration: Metric,
    names: [&'static str; N],
    known: RwLock<HashMap<[&'static str; N], Calls>>,
}

impl<const N: usize> CallTable<N> {
    /// An empty one.
    #[must_use]
    pub fn new(count: Metric, duration: Metric, names: [&'static str; N]) -> Self {
        Self {
            count,
            duration,
            names,
            known: RwLock::default(),
        }
    }

    /// Counts a call with these values of its labels.
    pub fn note(&self, values: [&'static str; N], took: Duration) {
        if let Some(calls) = self.known.read().get(&values) {
            return calls.note(took);
        }
        let labels = self.names.into_iter().zip(values);
        let labels = labels.map(|(name, value)| Label::from_static_parts(name, value));
        let calls = Calls::new(&self.count, &self.duration, labels.collect());
        calls.note(took);
        self.known.write().insert(values, calls);
    }

    /// Begins a call. If it is dropped before its end it counts with these values.
    #[must_use]
    pub fn begin(&self, cancelled: [&'static str; N]) -> Running<'_, N> {
        Running {
            table: self,
            watch: Stopwatch::start(),
            cancelled: Some(cancelled),
        }
    }
}

/// A call in flight.
#[derive(Debug)]
pub struct Running<'t, const N: usize> {
    table: &'t CallTable<N>,
    watch: Stopwatch,
    cancelled: Option<[&'static str; N]>,
}

impl<const N: usize> Running<'_, N> {
    /// Ends it.
    pub fn end(mut self, values: [&'static str; N]) {
        self.cancelled = None;
        self.table.note(values, self.watch.elapsed());
    }
}

impl<const N: usize> Drop for Running<'_, N> {
    fn drop(&mut self) {
        if let Some(values) = self.cancelled {
            self.table.note(values, self.watch.elapsed());
        }
    }
}
