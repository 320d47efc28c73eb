//! When the next request leaves: closed loop (at once, the workers are the limit) or open loop
//! (a fixed rate).
//!
//! In an open loop the latency counts from the *intended* start, so that a stall of the service is
//! charged to every request that should have left meanwhile (coordinated omission corrected). Where a
//! worker was already waiting for its slot, being woken up to [`TIMER_SLACK`] late is our timer's
//! doing and is not charged.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::clock;

/// How late a timer may wake a worker before it counts.
const TIMER_SLACK: Duration = Duration::from_millis(2);

/// Hands out the slots of one run.
#[derive(Debug)]
pub(crate) struct Pace {
    /// When the first slot was asked for: what is done before belongs to no order.
    start: OnceLock<Instant>,
    period: Option<Duration>,
    slots_max: u64,
    duration: Option<Duration>,
    next: AtomicU64,
    stopped: AtomicBool,
}

/// Leave to start one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    /// From 0, in the order of intended starts.
    pub(crate) index: u64,
    /// What latency counts from.
    pub(crate) start: Instant,
}

impl Pace {
    /// `rate` in requests a second (none: closed loop); ends after `slots_max` slots or after `duration`.
    pub(crate) fn new(rate: Option<f64>, slots_max: Option<u64>, duration: Option<Duration>) -> Self {
        Self {
            start: OnceLock::new(),
            period: rate.map(|rate| Duration::from_secs_f64(1.0 / rate)),
            slots_max: slots_max.unwrap_or(u64::MAX),
            duration,
            next: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
        }
    }

    /// No slot is given from now on.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// The next slot, when its time has come; none when the run is over.
    pub(crate) async fn slot(&self) -> Option<Slot> {
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        if index >= self.slots_max || self.stopped.load(Ordering::Relaxed) {
            return None;
        }
        let claimed = clock::now();
        let began = *self.start.get_or_init(|| claimed);
        let Some(period) = self.period else {
            return self
                .before_end(began, claimed)
                .then_some(Slot { index, start: claimed });
        };
        let due = began + period.mul_f64(index as f64);
        if !self.before_end(began, due) {
            return None;
        }
        if due <= claimed {
            return Some(Slot { index, start: due });
        }
        tokio::time::sleep_until(due.into()).await;
        let woken = clock::now();
        let start = if woken - due <= TIMER_SLACK { woken } else { due };
        Some(Slot { index, start })
    }

    fn before_end(&self, began: Instant, moment: Instant) -> bool {
        self.duration.is_none_or(|duration| moment < began + duration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stall_is_charged_to_the_requests_that_should_have_left() {
        let pace = Pace::new(Some(1000.0), Some(50), None);
        let first = pace.slot().await.unwrap();
        // The service holds our only worker for 40 periods.
        tokio::time::sleep(Duration::from_millis(40)).await;
        let second = pace.slot().await.unwrap();
        assert_eq!((first.index, second.index), (0, 1));
        assert!(clock::now() - second.start >= Duration::from_millis(38));
    }

    #[tokio::test]
    async fn what_is_done_before_the_first_request_is_not_charged() {
        let pace = Pace::new(Some(1000.0), Some(50), None);
        tokio::time::sleep(Duration::from_millis(40)).await;
        let first = pace.slot().await.unwrap();
        assert!(clock::now() - first.start < Duration::from_millis(20));
    }

    #[tokio::test]
    async fn ends_by_count_by_time_and_by_stop() {
        let counted = Pace::new(None, Some(2), None);
        assert!(counted.slot().await.is_some());
        assert!(counted.slot().await.is_some());
        assert!(counted.slot().await.is_none());

        let timed = Pace::new(Some(1000.0), None, Some(Duration::from_millis(20)));
        let mut given = 0;
        while timed.slot().await.is_some() {
            given += 1;
        }
        assert_eq!(given, 20);

        let stopped = Pace::new(None, None, None);
        stopped.stop();
        assert!(stopped.slot().await.is_none());
    }
}
