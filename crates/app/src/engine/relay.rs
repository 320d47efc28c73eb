//! The relay carries committed events from the outbox to where they go: read what is unsent,
//! publish, mark what was acknowledged. A crash between two steps repeats events under the
//! same id and loses none; after any error everything is read again, so that first occurrences
//! stay in order. It wakes after a commit, and polls for what other instances committed.

use std::sync::Arc;
use std::time::Duration;

use domain::error::Cause;
use domain::order::ports::{EventPublisher, Outbox};
use slog::{Logger, warn};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::pause::Pauses;
use crate::telemetry::chain;

/// Tries in a row that take nothing before the relay gives up at the end: a stream that is only full
/// empties meanwhile.
const LAST_TRIES_MAX: u64 = 20;

/// The bounds of the relay.
#[derive(Debug, Clone, Copy)]
pub struct RelayLimits {
    /// Most events a round.
    pub batch_max: usize,
    /// How often the outbox is looked at when nobody calls.
    pub poll_interval: Duration,
    /// The first pause after a failure; it doubles.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

/// Carries events.
#[derive(Debug)]
pub struct Relay<O, P> {
    /// Where events come from.
    pub outbox: O,
    /// Where they go.
    pub publisher: P,
    /// Woken after a commit.
    pub committed: Arc<Notify>,
    /// Its bounds.
    pub limits: RelayLimits,
    /// Where failures are told.
    pub log: Logger,
}

impl<O: Outbox, P: EventPublisher> Relay<O, P> {
    /// Runs until it is stopped, then sends what is left as long as somebody takes it.
    pub async fn run(self, stop: CancellationToken) {
        let mut pauses = Pauses::new(self.limits.first_pause, self.limits.longest_pause);
        let (mut failures, mut last_tries) = (0_u64, 0_u64);
        loop {
            match self.round().await {
                Ok(0) if stop.is_cancelled() => return,
                Ok(0) => self.wait(&stop).await,
                Ok(_) => {
                    (failures, last_tries) = (0, 0);
                    pauses.reset();
                }
                Err(error) => {
                    failures += 1;
                    // The first, then rarer and rarer: an outage must not fill the log.
                    if failures.is_power_of_two() {
                        warn!(self.log, "events wait in the outbox"; "error" => chain(&error), "failures" => failures);
                    }
                    if !stop.is_cancelled() {
                        pauses.wait(&stop).await;
                    } else if last_tries == LAST_TRIES_MAX {
                        warn!(self.log, "events are left in the outbox at the end");
                        return;
                    } else {
                        last_tries += 1;
                        tokio::time::sleep(self.limits.first_pause).await;
                    }
                }
            }
        }
    }

    /// One round; how many events were acknowledged.
    ///
    /// # Errors
    /// The first failure. What was acknowledged before is marked all the same.
    pub async fn round(&self) -> Result<usize, Cause> {
        let events = self
            .outbox
            .unsent(self.limits.batch_max)
            .await
            .map_err(|error| error.0)?;
        if events.is_empty() {
            return Ok(0);
        }
        let published = self.publisher.publish(events).await;
        let count = published.acknowledged.len();
        if count > 0 {
            self.outbox
                .mark_sent(published.acknowledged)
                .await
                .map_err(|error| error.0)?;
            metrics::counter!("loms_outbox_published_events_total").increment(count as u64);
        }
        match published.error {
            // Some went through: it is only slow, the rest is tried at once.
            Some(error) if count == 0 => Err(error.0),
            _ => Ok(count),
        }
    }

    async fn wait(&self, stop: &CancellationToken) {
        tokio::select! {
            () = self.committed.notified() => {}
            () = tokio::time::sleep(self.limits.poll_interval) => {}
            () = stop.cancelled() => {}
        }
    }
}
