//! What one worker measured: a histogram and the outcomes of each operation, and the first few
//! distinct faults. Every worker has its own; they are merged when all have ended.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::client::{Answer, Fault, FaultKind};

/// Distinct faults that are kept apart; the others are only counted.
const FAULTS_KEPT: usize = 12;

/// What one worker, or all of them, measured.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    /// By operation.
    pub(crate) ops: BTreeMap<&'static str, OpStats>,
    /// By operation and code.
    pub(crate) faults: BTreeMap<String, FaultTally>,
    /// Faults beyond the distinct ones kept.
    pub(crate) other_faults: u64,
}

/// One operation: its latency in nanoseconds and how it ended.
#[derive(Debug)]
pub(crate) struct OpStats {
    /// Latency in nanoseconds, of all answers.
    pub(crate) latency: Histogram<u64>,
    /// Did what was asked.
    pub(crate) ok: u64,
    /// A rule said no.
    pub(crate) refused: u64,
    /// Nothing was done, may be repeated.
    pub(crate) unavailable: u64,
    /// A definite answer that should not have come.
    pub(crate) unexpected: u64,
    /// May have been done or not.
    pub(crate) unknown: u64,
}

/// How often one fault came, and what it said the first time.
#[derive(Debug)]
pub(crate) struct FaultTally {
    /// How often.
    pub(crate) count: u64,
    /// The first one's words.
    pub(crate) example: String,
}

impl Default for OpStats {
    fn default() -> Self {
        let mut latency = Histogram::new(3).expect("3 significant digits are in range");
        // Starts small and grows with the slowest answer.
        latency.auto(true);
        Self {
            latency,
            ok: 0,
            refused: 0,
            unavailable: 0,
            unexpected: 0,
            unknown: 0,
        }
    }
}

impl OpStats {
    /// All answers.
    pub(crate) fn count(&self) -> u64 {
        self.latency.len()
    }

    fn merge(&mut self, other: &Self) {
        // Both resize by themselves and have the same precision, so this cannot fail.
        let _ = self.latency.add(&other.latency);
        self.ok += other.ok;
        self.refused += other.refused;
        self.unavailable += other.unavailable;
        self.unexpected += other.unexpected;
        self.unknown += other.unknown;
    }
}

impl Stats {
    /// Counts one answer of `op`.
    pub(crate) fn record<T>(&mut self, op: &'static str, took: Duration, answer: &Answer<T>) {
        let stats = self.ops.entry(op).or_default();
        // A histogram that resizes takes every value.
        let _ = stats.latency.record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        let Err(fault) = answer else {
            stats.ok += 1;
            return;
        };
        match fault.kind {
            FaultKind::Refused => stats.refused += 1,
            FaultKind::Unavailable => stats.unavailable += 1,
            FaultKind::Unexpected => stats.unexpected += 1,
            FaultKind::Unknown => stats.unknown += 1,
        }
        self.tally(op, fault);
    }

    fn tally(&mut self, op: &'static str, fault: &Fault) {
        let name = format!("{op}: {}", fault.code);
        self.add_tally(name, 1, &fault.detail);
    }

    fn add_tally(&mut self, name: String, count: u64, example: &str) {
        if let Some(known) = self.faults.get_mut(&name) {
            known.count += count;
        } else if self.faults.len() < FAULTS_KEPT {
            let example = example.chars().take(200).collect();
            self.faults.insert(name, FaultTally { count, example });
        } else {
            self.other_faults += count;
        }
    }

    /// Adds what another worker measured.
    pub(crate) fn merge(&mut self, other: Self) {
        for (op, stats) in &other.ops {
            self.ops.entry(op).or_default().merge(stats);
        }
        for (name, tally) in other.faults {
            self.add_tally(name, tally.count, &tally.example);
        }
        self.other_faults += other.other_faults;
    }

    /// Answers that should never come: unexpected ones of any operation.
    pub(crate) fn unexpected(&self) -> u64 {
        self.ops.values().map(|op| op.unexpected).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_merge_and_faults_stay_bounded() {
        let mut all = Stats::default();
        for worker in 0..3 {
            let mut one = Stats::default();
            one.record("create", Duration::from_millis(2), &Ok(()));
            for code in 0..20 {
                let fault = Fault::new(FaultKind::Unexpected, code.to_string(), "first words");
                one.record::<()>("create", Duration::from_millis(worker), &Err(fault));
            }
            all.merge(one);
        }
        let create = &all.ops["create"];
        assert_eq!((create.ok, create.unexpected, create.count()), (3, 60, 63));
        let slowest = all.ops["create"].latency.max();
        assert!((2_000_000..2_010_000).contains(&slowest), "{slowest} ns");
        assert_eq!(all.faults.len(), FAULTS_KEPT);
        assert_eq!(all.faults.values().map(|f| f.count).sum::<u64>() + all.other_faults, 60);
        assert_eq!(all.unexpected(), 60);
    }
}
