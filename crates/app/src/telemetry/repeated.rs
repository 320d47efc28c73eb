//! Failures that repeat: an outage must not fill the log. The first is told at once, then one in a
//! while, each with how many were not told since. When it is over the next failure is a first one.

use std::time::Duration;

use parking_lot::Mutex;

use super::Stopwatch;
use super::names::FAILURES_SUPPRESSED;

/// A failure that goes on is told again after this time.
pub const TELL_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// One kind of failure at one place. Threads may share it.
#[derive(Debug, Default)]
pub struct Repeated(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Since it was told last; `None` while all is well.
    told: Option<Stopwatch>,
    untold: u64,
}

impl Repeated {
    /// It has failed. `Some`: tell it, with how many failures before were not told.
    #[must_use]
    pub fn fails(&self) -> Option<u64> {
        self.fails_after(TELL_AGAIN_AFTER)
    }

    fn fails_after(&self, again_after: Duration) -> Option<u64> {
        let mut state = self.0.lock();
        let due = state.told.is_none_or(|told| told.elapsed() >= again_after);
        if !due {
            state.untold += 1;
            metrics::counter!(FAILURES_SUPPRESSED.name).increment(1);
            return None;
        }
        state.told = Some(Stopwatch::start());
        Some(std::mem::take(&mut state.untold))
    }

    /// It went well. `Some`: it had failed before, and so many failures were not told.
    pub fn succeeds(&self) -> Option<u64> {
        let mut state = self.0.lock();
        state.told.take().map(|_| std::mem::take(&mut state.untold))
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
        assert_eq!(failure.fails_after(Duration::ZERO), Some(5), "a while has passed");
        assert_eq!(failure.fails(), None);
        assert_eq!(failure.succeeds(), Some(1));
        assert_eq!(failure.fails(), Some(0), "a first one again");
    }
}
