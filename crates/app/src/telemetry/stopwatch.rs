//! Measures how long something takes. What happens when is told by a `Clock` instead.

use std::time::{Duration, Instant};

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

    /// One that has run for so long already.
    #[cfg(test)]
    #[expect(clippy::disallowed_methods, reason = "the one place where durations are measured")]
    pub(super) fn started(before: Duration) -> Self {
        Self(Instant::now() - before)
    }

    /// The time since its start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
