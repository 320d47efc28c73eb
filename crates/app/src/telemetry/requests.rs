//! The log of answered requests, the same for HTTP and gRPC. Failures are always told; of the
//! others so many a second as the settings say, or the log would cost more than the work. The
//! metrics count them all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use slog::{Logger, debug, info, warn};

use super::Stopwatch;

/// Tells answered requests. Cheap to clone; clones share the bound.
#[derive(Debug, Clone)]
pub struct RequestLog {
    log: Logger,
    per_second_max: u32,
    shared: Arc<Window>,
}

/// The lines of the current second: the second in the upper half, the count in the lower.
#[derive(Debug)]
struct Window {
    since: Stopwatch,
    second_and_count: AtomicU64,
}

/// How much a request matters to who reads the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Importance {
    /// A probe, or an asset: at level debug.
    Routine,
    /// A call: at level info, so many a second.
    Normal,
    /// Our failure: at level warn, always.
    Failure,
}

/// An answered request.
#[derive(Debug, Clone, Copy)]
pub struct RequestLine<'a> {
    /// The HTTP method, or `gRPC`.
    pub method: &'a str,
    /// The template of the route, or the full name of the rpc.
    pub route: &'a str,
    /// The status, or the gRPC code.
    pub status: u16,
    /// How long it took.
    pub took: Duration,
    /// How much it matters.
    pub importance: Importance,
}

impl RequestLog {
    /// A log of at most so many normal requests a second.
    #[must_use]
    pub fn new(log: Logger, per_second_max: u32) -> Self {
        let window = Window {
            since: Stopwatch::start(),
            second_and_count: AtomicU64::new(0),
        };
        Self {
            log,
            per_second_max,
            shared: Arc::new(window),
        }
    }

    /// Tells one.
    pub fn tell(&self, line: RequestLine<'_>) {
        let RequestLine {
            method,
            route,
            status,
            took,
            importance,
        } = line;
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        match importance {
            Importance::Routine => {
                debug!(self.log, "request"; "took_us" => took_us, "status" => status, "route" => route, "method" => method);
            }
            Importance::Normal if self.has_room() => {
                info!(self.log, "request"; "took_us" => took_us, "status" => status, "route" => route, "method" => method);
            }
            Importance::Normal => {}
            Importance::Failure => {
                warn!(self.log, "request failed"; "took_us" => took_us, "status" => status, "route" => route, "method" => method);
            }
        }
    }

    /// Takes a place in the current second, if it has one left.
    fn has_room(&self) -> bool {
        let second = self.shared.since.elapsed().as_secs() << 32;
        let state = &self.shared.second_and_count;
        let seen = state.load(Ordering::Relaxed);
        if seen >> 32 == second >> 32 {
            // The common case under load: a look, no write.
            if seen & u64::from(u32::MAX) >= u64::from(self.per_second_max) {
                return false;
            }
            return state.fetch_add(1, Ordering::Relaxed) & u64::from(u32::MAX) < u64::from(self.per_second_max);
        }
        let first = state.compare_exchange(seen, second + 1, Ordering::Relaxed, Ordering::Relaxed);
        self.per_second_max > 0
            && (first.is_ok()
                || state.fetch_add(1, Ordering::Relaxed) & u64::from(u32::MAX) < u64::from(self.per_second_max))
    }
}

#[cfg(test)]
mod tests {
    use super::super::drain;
    use super::super::output::{Output, tests::Kept};
    use super::*;
    use crate::config::LogSettings;

    fn told(per_second_max: u32, importance: Importance, count: usize) -> usize {
        let kept = Kept::default();
        let (logger, _, guard) = drain::start(&LogSettings::default(), &Output::to(kept.clone()));
        let log = RequestLog::new(logger, per_second_max);
        for _ in 0..count {
            let took = Duration::from_micros(12);
            log.tell(RequestLine {
                method: "GET",
                route: "/a",
                status: 200,
                took,
                importance,
            });
        }
        drop(guard);
        kept.text().lines().count()
    }

    #[test]
    fn normal_requests_are_bounded_a_second() {
        let lines = told(10, Importance::Normal, 1_000);
        assert!(lines == 10 || lines == 20, "a second may have ended meanwhile: {lines}");
        assert_eq!(told(0, Importance::Normal, 10), 0);
    }

    #[test]
    fn failures_are_all_told_and_routine_is_not() {
        assert_eq!(told(0, Importance::Failure, 50), 50);
        assert_eq!(told(10, Importance::Routine, 50), 0);
    }
}
