//! Forgets idempotency keys that are old enough, in small batches, one instance at a time.

use std::time::Duration;

use domain::clock::{Clock, Moment};
use domain::order::ports::KeyRetention;
use slog::{Logger, debug, warn};
use tokio_util::sync::CancellationToken;

use crate::telemetry::names::KEYS_FORGOTTEN;
use crate::telemetry::{Repeated, chain};

/// What is forgotten when.
#[derive(Debug, Clone, Copy)]
pub struct RetentionLimits {
    /// How long a key is kept.
    pub keys_kept: Duration,
    /// The pause between rounds that found little.
    pub interval: Duration,
    /// Most keys a round. A full round is followed by the next one at once.
    pub batch_max: usize,
}

/// Forgets keys until it is stopped.
pub async fn run<K: KeyRetention, C: Clock>(
    keys: K,
    clock: C,
    limits: RetentionLimits,
    log: Logger,
    stop: CancellationToken,
) {
    KEYS_FORGOTTEN.begin();
    let kept = i64::try_from(limits.keys_kept.as_millis()).unwrap_or(i64::MAX);
    let failing = Repeated::default();
    loop {
        let before = Moment::from_unix_millis(clock.now().unix_millis().saturating_sub(kept));
        let full = match keys.forget_keys(before, limits.batch_max).await {
            Ok(gone) => {
                failing.succeeds();
                metrics::counter!(KEYS_FORGOTTEN.name).increment(gone as u64);
                debug!(log, "idempotency keys forgotten"; "keys" => gone);
                gone >= limits.batch_max
            }
            Err(error) => {
                if let Some(suppressed) = failing.fails() {
                    warn!(log, "old idempotency keys stay for now"; "error" => chain(&error), "suppressed" => suppressed);
                }
                false
            }
        };
        let pause = if full { Duration::ZERO } else { limits.interval };
        if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::order::ports::QueryError;
    use domain::testing::build::ManualClock;
    use parking_lot::Mutex;

    use super::*;

    /// Keys by age, and what was asked of them.
    #[derive(Clone, Default)]
    struct Keys {
        old: Arc<Mutex<usize>>,
        rounds: Arc<Mutex<Vec<(Moment, usize)>>>,
    }

    impl KeyRetention for Keys {
        async fn forget_keys(&self, before: Moment, limit: usize) -> Result<usize, QueryError> {
            let mut old = self.old.lock();
            let gone = (*old).min(limit);
            *old -= gone;
            self.rounds.lock().push((before, gone));
            Ok(gone)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn full_rounds_follow_each_other_and_then_it_waits() {
        let keys = Keys::default();
        *keys.old.lock() = 25;
        let limits = RetentionLimits {
            keys_kept: Duration::from_secs(24 * 3600),
            interval: Duration::from_secs(60),
            batch_max: 10,
        };
        let (clock, stop) = (ManualClock::default(), CancellationToken::new());
        let day_ago = Moment::from_unix_millis(clock.now().unix_millis() - 24 * 3_600_000);
        let log = Logger::root(slog::Discard, slog::o!());
        let task = tokio::spawn(run(keys.clone(), clock, limits, log, stop.clone()));
        tokio::time::sleep(Duration::from_secs(59)).await;
        let rounds = keys.rounds.lock().clone();
        assert_eq!(rounds, [(day_ago, 10), (day_ago, 10), (day_ago, 5)]);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(keys.rounds.lock().len(), 4);
        stop.cancel();
        task.await.unwrap();
    }
}
