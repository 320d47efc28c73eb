//! The relay carries committed events from the outbox to where they go: read what is unsent,
//! publish, mark what was acknowledged. A crash between two steps repeats events under the
//! same id and loses none; after any error everything is read again, so that first occurrences
//! stay in order. It wakes after a commit, and polls for what other instances committed.

mod reach;

use std::sync::Arc;
use std::time::Duration;

use adapters::metrics::Metric;
use domain::order::ports::{EventPublisher, Outbox, PublishError, Published, QueryError};
use slog::{Logger, error, info, warn};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use self::reach::Reach;
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

/// What came of a round whose events could be read, and marked where they were acknowledged.
#[derive(Debug)]
struct Round {
    read: usize,
    acknowledged: usize,
    /// Why the others were not.
    left: Option<PublishError>,
    has_spare_lane: bool,
}

impl Round {
    /// How many went through, or why none did. Where some did, the rest is tried at once.
    fn outcome(self) -> Result<usize, RoundError> {
        match self.left {
            Some(error) if self.acknowledged == 0 => Err(error.into()),
            _ => Ok(self.acknowledged),
        }
    }
}

/// What goes wrong, and for how long: nothing goes out, or a part does.
#[derive(Debug, Default)]
struct Troubles {
    whole: Repeated,
    partly: Repeated,
}

impl Troubles {
    fn tell(&self, log: &Logger, round: &Result<Round, RoundError>) {
        match round {
            Ok(Round { left: None, .. }) => {
                // Not sooner: where a part is stuck, the others would end and begin it all the time.
                let told = [&self.whole, &self.partly].into_iter().filter_map(Repeated::succeeds);
                if let Some(suppressed) = told.reduce(|one, other| one + other) {
                    info!(log, "events go out again"; "suppressed" => suppressed);
                }
            }
            Ok(Round {
                left: Some(error),
                acknowledged,
                ..
            }) if *acknowledged > 0 => match error {
                PublishError::Full(_) => {} // it is only slow
                PublishError::Down(_) => {
                    metrics::counter!(FAILED_ROUNDS.name).increment(1);
                    if let Some(suppressed) = self.partly.fails() {
                        warn!(log, "some events wait in the outbox while others go out";
                            "error" => chain(error), "suppressed" => suppressed);
                    }
                }
            },
            Ok(Round { left: Some(error), .. }) => self.all_wait(log, error),
            Err(error) => self.all_wait(log, error),
        }
    }

    fn all_wait(&self, log: &Logger, error: &(dyn std::error::Error + Send + Sync)) {
        metrics::counter!(FAILED_ROUNDS.name).increment(1);
        if let Some(suppressed) = self.whole.fails() {
            warn!(log, "events wait in the outbox"; "error" => chain(error), "suppressed" => suppressed);
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
        let (troubles, mut last_tries) = (Troubles::default(), 0_u64);
        let mut reach = Reach::new(self.limits.batch_max);
        loop {
            let round = self.carry(reach.limit()).await;
            reach.after(round.as_ref().ok());
            troubles.tell(&self.log, &round);
            match round.and_then(Round::outcome) {
                Ok(0) if stop.is_cancelled() => return,
                Ok(0) => self.wait(&stop).await,
                Ok(_) => {
                    last_tries = 0;
                    pauses.reset();
                }
                Err(_) if !stop.is_cancelled() => {
                    pauses.wait(&stop).await;
                }
                Err(error) if last_tries == LAST_TRIES_MAX || !error.is_full() => {
                    warn!(self.log, "events are left in the outbox at the end");
                    return;
                }
                Err(_) => {
                    last_tries += 1;
                    tokio::time::sleep(self.limits.first_pause).await;
                }
            }
        }
    }

    /// One round of the usual size; how many events were acknowledged.
    ///
    /// # Errors
    /// The first failure, where none was. What was acknowledged before is marked all the same.
    pub async fn round(&self) -> Result<usize, RoundError> {
        self.carry(self.limits.batch_max).await?.outcome()
    }

    async fn carry(&self, limit: usize) -> Result<Round, RoundError> {
        let events = self.outbox.unsent(limit).await?;
        let read = events.len();
        if read == 0 {
            return Ok(Round {
                read,
                acknowledged: 0,
                left: None,
                has_spare_lane: false,
            });
        }
        let watch = Stopwatch::start();
        let published = self.publisher.publish(events).await;
        metrics::histogram!(PUBLISH_SECONDS.name).record(watch.elapsed().as_secs_f64());
        self.tell(&published);
        let acknowledged = published.acknowledged.len();
        if acknowledged > 0 {
            self.outbox.mark_sent(published.acknowledged).await?;
            metrics::counter!(PUBLISHED.name).increment(acknowledged as u64);
        }
        Ok(Round {
            read,
            acknowledged,
            left: published.error,
            has_spare_lane: published.has_spare_lane,
        })
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
