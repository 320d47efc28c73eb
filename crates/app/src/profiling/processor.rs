//! The processors: a timer of the process interrupts whoever runs, 99 times a second of processor
//! time, and its stack is remembered.

use jemalloc_pprof::{StackProfile, WeightedStack};
use pprof::{ProfilerGuard, ProfilerGuardBuilder, UnresolvedReport};

use super::ProfileError;
use super::names::Names;

/// Samples a second; not in step with what happens a hundred times a second.
const FREQUENCY: i32 = 99;
/// The processor time that a sample stands for.
const PERIOD_NANOS: f64 = 1e9 / FREQUENCY as f64;
/// Whoever is interrupted there may hold what it takes to find a stack.
const NOT_WITHIN: [&str; 3] = ["libgcc", "pthread", "vdso"];
/// What interrupts stands before the stack: its own function, and one of the system.
const HANDLER: &str = "perf_signal_handler";
/// How far that is looked for.
const HANDLER_WITHIN: usize = 8;

/// Watches the processors of this process until it is ended, or dropped.
pub(super) struct Watch(ProfilerGuard<'static>);

impl Watch {
    pub(super) fn begin() -> Result<Self, ProfileError> {
        let builder = ProfilerGuardBuilder::default()
            .frequency(FREQUENCY)
            .blocklist(&NOT_WITHIN);
        builder.build().map(Self).map_err(ProfileError::Processor)
    }

    /// What was seen.
    pub(super) fn end(self) -> Result<Vec<u8>, ProfileError> {
        let report = self.0.report().build_unresolved();
        drop(self.0);
        Ok(encoded(report.map_err(ProfileError::Processor)?))
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch")
    }
}

/// As the heap is told too, with the name of the thread as a label.
fn encoded(report: UnresolvedReport) -> Vec<u8> {
    let (mut profile, mut handler) = (StackProfile::default(), Names::like(|name| name == HANDLER));
    for (stack, count) in report.data {
        let begin = interrupted(&stack.frames, &mut handler);
        let mut addresses: Vec<usize> = stack.frames[begin..]
            .iter()
            .map(|frame| frame.ip() as usize)
            .filter(|address| *address > 1)
            .collect();
        // Those of callers are where their calls return to, one behind the call: only that is expected.
        if let Some(first) = addresses.first_mut() {
            *first += 1;
        }
        addresses.reverse();
        #[expect(clippy::cast_precision_loss, reason = "samples are far fewer than 2^52")]
        let weight = count as f64 * PERIOD_NANOS;
        let thread = String::from_utf8_lossy(&stack.thread_name[..stack.thread_name_length]);
        profile.push_stack(
            WeightedStack {
                addrs: addresses,
                weight,
            },
            Some(&thread),
        );
    }
    let kind = ("cpu", "nanoseconds");
    profile.to_pprof(kind, kind, Some("thread".to_owned()))
}

/// Where the stack of whoever was interrupted begins.
fn interrupted(frames: &[backtrace::Frame], handler: &mut Names) -> usize {
    let mut first = frames.iter().take(HANDLER_WITHIN);
    let at = first.position(|frame| handler.hold((frame.ip() as usize).saturating_sub(1)));
    at.map_or(0, |at| (at + 2).min(frames.len()))
}
