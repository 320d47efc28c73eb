//! The log of answered requests, the same for HTTP and gRPC: one line each. Failures are always
//! told; of the others no more a second than the settings say, and then how many were left out. The
//! metrics count them all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use slog::{Logger, debug, info, warn};

use super::Stopwatch;
use super::names::REQUESTS_LEFT_OUT;

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
    left_out: AtomicU64,
}

/// How much a request matters to who reads the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Importance {
    /// A probe, or an asset: at level debug.
    Routine,
    /// A call: at level info, so many a second.
    Normal,
    /// Its caller went away before the answer: at level info, with the calls.
    Cancelled,
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
            left_out: AtomicU64::new(0),
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
                debug!(self.log, "request"; "duration_us" => took_us, "status" => status, "route" => route, "method" => method);
            }
            Importance::Normal if self.has_room() => {
                self.tell_left_out();
                info!(self.log, "request"; "duration_us" => took_us, "status" => status, "route" => route, "method" => method);
            }
            Importance::Cancelled if self.has_room() => {
                info!(self.log, "request cancelled"; "duration_us" => took_us, "status" => status, "route" => route, "method" => method);
            }
            Importance::Normal | Importance::Cancelled => {
                self.shared.left_out.fetch_add(1, Ordering::Relaxed);
                metrics::counter!(REQUESTS_LEFT_OUT.name).increment(1);
            }
            Importance::Failure => {
                warn!(self.log, "request failed"; "duration_us" => took_us, "status" => status, "route" => route, "method" => method);
            }
        }
    }

    /// The first line of a second tells what those before left out.
    fn tell_left_out(&self) {
        let left_out = &self.shared.left_out;
        if left_out.load(Ordering::Relaxed) > 0 {
            let requests = left_out.swap(0, Ordering::Relaxed);
            if requests > 0 {
                info!(self.log, "requests were left out of the log"; "requests" => requests);
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
    use serde_json::Value;

    use super::super::drain::tests::lines;
    use super::*;
    use crate::config::LogSettings;

    fn told(per_second_max: u32, importance: Importance, count: usize) -> Vec<Value> {
        let text = lines(&LogSettings::default(), |root| {
            let log = RequestLog::new(root.clone(), per_second_max);
            for index in 0..=count {
                if index == count {
                    // As if a second had passed.
                    log.shared.second_and_count.store(u64::MAX << 32, Ordering::Relaxed);
                }
                log.tell(RequestLine {
                    method: "GET",
                    route: "/a",
                    status: 200,
                    took: Duration::from_micros(12),
                    importance,
                });
            }
        });
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn normal_requests_are_bounded_a_second_and_those_left_out_are_counted() {
        let rows = told(10, Importance::Normal, 1_000);
        let requests = rows.iter().filter(|row| row["msg"] == "request").count();
        let left_out = rows.iter().filter_map(|row| row["requests"].as_u64()).sum::<u64>();
        assert_eq!(requests as u64 + left_out, 1_001, "every request is told or counted");
        assert!(
            (11..=31).contains(&requests),
            "a second may have ended meanwhile: {requests}"
        );
        assert_eq!(told(0, Importance::Normal, 10).len(), 0);
        assert_eq!(told(1_000_000, Importance::Normal, 1_000).len(), 1_001);
    }

    #[test]
    fn a_line_has_method_route_status_and_duration() {
        let rows = told(10, Importance::Normal, 0);
        let line = &rows[0];
        assert_eq!((&line["method"], &line["route"]), (&"GET".into(), &"/a".into()));
        assert_eq!((&line["status"], &line["duration_us"]), (&200.into(), &12.into()));
    }

    #[test]
    fn failures_are_all_told_and_routine_is_not() {
        assert_eq!(told(0, Importance::Failure, 50).len(), 51);
        assert_eq!(told(10, Importance::Routine, 50).len(), 0);
    }
}
