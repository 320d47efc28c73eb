//! Failures that repeat: an outage must not fill the log. The first is told at once, then one in a
//! while, each with how many were not told since. When it is over the next failure is a first one.
//! Another cause is a first one too: one outage must not hide the next.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use parking_lot::Mutex;

use super::Stopwatch;
use super::names::FAILURES_SUPPRESSED;

/// A failure that goes on is told again after this time.
pub const TELL_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// So many causes are told within that time; further ones are only counted, as a cause may carry
/// a value that is never the same.
const CAUSES_MAX: usize = 8;

/// One kind of failure at one place. Threads may share it.
#[derive(Debug, Default)]
pub struct Repeated(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The causes that were told lately, and since when; none while all is well.
    told: Vec<(u64, Stopwatch)>,
    /// Whatever their causes.
    untold: u64,
}

impl Repeated {
    /// It has failed. `Some`: tell it, with how many failures before were not told.
    #[must_use]
    pub fn fails(&self) -> Option<u64> {
        self.fails_after(TELL_AGAIN_AFTER, "")
    }

    /// It has failed, for this cause. `Some`: tell it, with how many failures before were not told.
    #[must_use]
    pub fn fails_by(&self, cause: &str) -> Option<u64> {
        self.fails_after(TELL_AGAIN_AFTER, cause)
    }

    fn fails_after(&self, again_after: Duration, cause: &str) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        cause.hash(&mut hasher);
        let cause = hasher.finish();
        let mut state = self.0.lock();
        state.told.retain(|(_, told)| told.elapsed() < again_after);
        if state.told.len() >= CAUSES_MAX || state.told.iter().any(|(told, _)| *told == cause) {
            state.untold += 1;
            metrics::counter!(FAILURES_SUPPRESSED.name).increment(1);
            return None;
        }
        state.told.push((cause, Stopwatch::start()));
        Some(std::mem::take(&mut state.untold))
    }

    /// It went well. `Some`: it had failed before, and so many failures were not told.
    pub fn succeeds(&self) -> Option<u64> {
        let mut state = self.0.lock();
        let had_failed = !state.told.is_empty();
        state.told.clear();
        had_failed.then(|| std::mem::take(&mut state.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_and_the_others_are_counted() {
        let failure = Repeated::default();
        assert_eq!(failure.succeeds(), None, "nothing had failed");
        assert_eq!(failure.fails(), Some(0));
        assert!((0..5).all(|_| failure.fails().is_none()));
        assert_eq!(failure.fails_after(Duration::ZERO, ""), Some(5), "a while has passed");
        assert_eq!(failure.fails(), None);
        assert_eq!(failure.succeeds(), Some(1));
        assert_eq!(failure.fails(), Some(0), "a first one again");
    }

    #[test]
    fn another_cause_is_told_at_once_but_not_any_number_of_them() {
        let failure = Repeated::default();
        assert_eq!(failure.fails_by("no connection"), Some(0));
        assert_eq!(failure.fails_by("no connection"), None);
        assert_eq!(failure.fails_by("no answer"), Some(1));
        assert_eq!(failure.fails_by("no connection"), None, "told a moment ago");
        let told = (0..100).filter_map(|at| failure.fails_by(&format!("order {at}")));
        assert_eq!(told.count(), CAUSES_MAX - 2);
    }
}
