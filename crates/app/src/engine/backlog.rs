//! Says when too much waits in the outbox, or has waited for too long: at once, then now and then,
//! and when it is over. The outbox itself takes what it is given all the same.

use std::time::Duration;

use slog::{Logger, info, warn};

use crate::telemetry::Repeated;

/// From where on it is told; `None`: never.
#[derive(Debug, Clone, Copy)]
pub struct BacklogLimits {
    /// So many events wait.
    pub events: Option<u64>,
    /// The oldest of them has waited for so long.
    pub age: Option<Duration>,
}

/// Looks at how much waits.
#[derive(Debug)]
pub struct BacklogWatch {
    limits: BacklogLimits,
    log: Logger,
    told: Repeated,
}

impl BacklogWatch {
    /// Tells `log`.
    #[must_use]
    pub fn new(limits: BacklogLimits, log: Logger) -> Self {
        Self {
            limits,
            log,
            told: Repeated::default(),
        }
    }

    /// So many events wait, the oldest of them for `age`.
    pub fn look(&self, events: u64, age: Duration) {
        let BacklogLimits {
            events: events_max,
            age: age_max,
        } = self.limits;
        if events_max.is_some_and(|max| events >= max) || age_max.is_some_and(|max| age >= max) {
            if let Some(suppressed) = self.told.fails() {
                warn!(self.log, "too much waits in the outbox: see whether the broker is reached, and what the relay says";
                    "events" => events, "oldest_seconds" => age.as_secs(), "suppressed" => suppressed);
            }
            return;
        }
        // Half of it, so that a backlog about the threshold does not begin and end all the time.
        let is_over = events_max.is_none_or(|max| events <= max / 2) && age_max.is_none_or(|max| age <= max / 2);
        if is_over && let Some(suppressed) = self.told.succeeds() {
            info!(self.log, "the outbox is as it should be again"; "events" => events, "suppressed" => suppressed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::{Arc, Mutex};

    use slog::{Drain, OwnedKVList, Record, o};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<slog::Level>>>);

    impl Drain for Kept {
        type Ok = ();
        type Err = Infallible;

        fn log(&self, record: &Record<'_>, _: &OwnedKVList) -> Result<(), Infallible> {
            self.0.lock().unwrap().push(record.level());
            Ok(())
        }
    }

    /// What is said of one backlog after the other.
    fn said(limits: BacklogLimits, backlogs: &[(u64, u64)]) -> Vec<slog::Level> {
        let kept = Kept::default();
        let watch = BacklogWatch::new(limits, Logger::root(kept.clone(), o!()));
        for (events, seconds) in backlogs {
            watch.look(*events, Duration::from_secs(*seconds));
        }
        let said = kept.0.lock().unwrap();
        said.clone()
    }

    #[test]
    fn either_threshold_is_told_once_and_so_is_its_end() {
        let limits = BacklogLimits {
            events: Some(10),
            age: Some(Duration::from_secs(60)),
        };
        let (warning, info) = (slog::Level::Warning, slog::Level::Info);
        assert_eq!(said(limits, &[(9, 59)]), []);
        assert_eq!(
            said(limits, &[(10, 0), (12, 0)]),
            [warning],
            "the second one is counted"
        );
        assert_eq!(said(limits, &[(1, 60), (6, 0), (1, 31)]), [warning], "not over yet");
        let again = [(1, 60), (5, 30), (0, 0), (10, 1)];
        assert_eq!(said(limits, &again), [warning, info, warning]);
    }

    #[test]
    fn without_thresholds_nothing_is_told() {
        let limits = BacklogLimits {
            events: None,
            age: None,
        };
        assert_eq!(said(limits, &[(u64::MAX, u64::MAX), (0, 0)]), []);
    }
}
