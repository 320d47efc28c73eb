//! The relay carries committed events from the outbox to where they go: read what is unsent,
//! publish, mark what was acknowledged. A crash between two steps repeats events under the
//! same id and loses none; after any error everything is read again, so that first occurrences
//! stay in order. It wakes after a commit, and polls for what other instances committed.

use std::sync::Arc;
use std::time::Duration;

use adapters::metrics::Metric;
use domain::order::ports::{EventPublisher, Outbox, PublishError, Published, QueryError};
use slog::{Logger, error, info, warn};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::pause::Pauses;
use crate::telemetry::names::{FAILED_ROUNDS, PUBLISH_SECONDS, PUBLISHED, PUT_ASIDE};
use crate::telemetry::{Repeated, Stopwatch, chain};

/// Tries in a row at the end that find no room: who reads the stream makes some meanwhile. Where
/// nobody answers there is no second try, because each may take long.
const LAST_TRIES_MAX: u64 = 20;

/// Why a round did not get on.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RoundError {
    /// Events cannot be read, or not be marked.
    #[error(transparent)]
    Outbox(#[from] QueryError),
    /// Nothing was taken.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

impl RoundError {
    /// Whether it passes by itself, soon.
    const fn is_full(&self) -> bool {
        match self {
            Self::Publish(PublishError::Full(_)) => true,
            Self::Publish(PublishError::Down(_)) | Self::Outbox(_) => false,
        }
    }
}

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
        [PUBLISHED, PUBLISH_SECONDS, FAILED_ROUNDS, PUT_ASIDE]
            .iter()
            .for_each(Metric::begin);
        let mut pauses = Pauses::new(self.limits.first_pause, self.limits.longest_pause);
        let (failing, mut last_tries) = (Repeated::default(), 0_u64);
        loop {
            let round = self.round().await;
            if round.is_ok()
                && let Some(suppressed) = failing.succeeds()
            {
                info!(self.log, "events go out again"; "suppressed" => suppressed);
            }
            match round {
                Ok(0) if stop.is_cancelled() => return,
                Ok(0) => self.wait(&stop).await,
                Ok(_) => {
                    last_tries = 0;
                    pauses.reset();
                }
                Err(error) => {
                    metrics::counter!(FAILED_ROUNDS.name).increment(1);
                    if let Some(suppressed) = failing.fails() {
                        warn!(self.log, "events wait in the outbox"; "error" => chain(&error), "suppressed" => suppressed);
                    }
                    if !stop.is_cancelled() {
                        pauses.wait(&stop).await;
                    } else if last_tries == LAST_TRIES_MAX || !error.is_full() {
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
    pub async fn round(&self) -> Result<usize, RoundError> {
        let events = self.outbox.unsent(self.limits.batch_max).await?;
        if events.is_empty() {
            return Ok(0);
        }
        let watch = Stopwatch::start();
        let published = self.publisher.publish(events).await;
        metrics::histogram!(PUBLISH_SECONDS.name).record(watch.elapsed().as_secs_f64());
        self.tell(&published);
        let count = published.acknowledged.len();
        if count > 0 {
            self.outbox.mark_sent(published.acknowledged).await?;
            metrics::counter!(PUBLISHED.name).increment(count as u64);
        }
        match published.error {
            // Some went through: it is only slow, the rest is tried at once.
            Some(error) if count == 0 => Err(error.into()),
            _ => Ok(count),
        }
    }

    /// Nobody but a person can do anything about an event that its receiver will never take.
    fn tell(&self, published: &Published) {
        for event in &published.put_aside {
            error!(self.log, "an event was refused and put aside";
                "order_id" => event.order.get(), "event_id" => event.event.get(), "reason" => &event.reason);
        }
        metrics::counter!(PUT_ASIDE.name).increment(published.put_aside.len() as u64);
    }

    async fn wait(&self, stop: &CancellationToken) {
        tokio::select! {
            () = self.committed.notified() => {}
            () = tokio::time::sleep(self.limits.poll_interval) => {}
            () = stop.cancelled() => {}
        }
    }
}
