//! Drives the notifier: takes deliveries, has each handled in order, makes them safe, and only
//! then commits their positions. What must wait is tried again with growing pauses; nothing is
//! skipped.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::notify::handle::{HandleEvent, Handled};
use domain::notify::ports::{DeadLetters, Delivery, EventSink, EventSource, Position};
use slog::{Logger, error, info, warn};
use tokio_util::sync::CancellationToken;

use super::pause::Pauses;
use super::relay::chain;

/// The bounds of the notifier.
#[derive(Debug, Clone, Copy)]
pub struct ConsumerLimits {
    /// Most deliveries held.
    pub batch_max: usize,
    /// The first pause when something does not answer; it doubles.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

/// Handles deliveries until it is stopped or its source is closed.
#[derive(Debug)]
pub struct Consumer<Src, S, D> {
    /// Where deliveries come from.
    pub source: Src,
    /// What is done with each.
    pub handler: HandleEvent<S, D>,
    /// Its bounds.
    pub limits: ConsumerLimits,
    /// Where failures are told.
    pub log: Logger,
}

impl<Src: EventSource, S: EventSink, D: DeadLetters> Consumer<Src, S, D> {
    /// Runs; what is held when it is stopped is still handled, made safe and committed.
    pub async fn run(mut self, stop: CancellationToken) {
        while let Some(next) = stop.run_until_cancelled(self.source.next(self.limits.batch_max)).await {
            match next {
                Ok(deliveries) if deliveries.is_empty() => return,
                Ok(deliveries) => {
                    if !self.handle(deliveries, &stop).await {
                        return;
                    }
                }
                Err(cause) => {
                    warn!(self.log, "events cannot be received"; "error" => chain(&cause));
                    tokio::time::sleep(self.limits.first_pause).await;
                }
            }
        }
    }

    /// `false` when it had to stop before everything was handled; the rest comes again.
    async fn handle(&mut self, deliveries: Vec<Delivery>, stop: &CancellationToken) -> bool {
        let mut handled: BTreeMap<i32, Position> = BTreeMap::new();
        let mut repeats = 0_u64;
        let mut complete = true;
        for delivery in &deliveries {
            let Some(outcome) = self.insist(delivery, stop).await else {
                complete = false;
                break;
            };
            handled.insert(delivery.position.partition, delivery.position);
            repeats += u64::from(outcome == Handled::Repeat);
            self.tell(delivery, &outcome);
        }
        if repeats > 0 {
            info!(self.log, "repeated events passed over"; "events" => repeats);
            metrics::counter!("notifier_repeated_events_total").increment(repeats);
        }
        let mut pauses = self.pauses();
        while let Err(error) = self.handler.flush().await {
            warn!(self.log, "handled events are not safe yet"; "error" => chain(&error));
            if !pauses.wait(stop).await {
                return false;
            }
        }
        let positions: Vec<Position> = handled.into_values().collect();
        if let Err(cause) = self.source.commit(&positions).await {
            warn!(self.log, "positions were not committed: events will repeat"; "error" => chain(&cause));
        }
        complete
    }

    /// Tries until it is handled; `None` when it is time to stop.
    async fn insist(&mut self, delivery: &Delivery, stop: &CancellationToken) -> Option<Handled> {
        let mut pauses = self.pauses();
        let mut failures = 0_u64;
        loop {
            match self.handler.run(delivery).await {
                Ok(outcome) => return Some(outcome),
                Err(wait) => {
                    failures += 1;
                    if failures.is_power_of_two() {
                        warn!(self.log, "an event waits"; "position" => %delivery.position, "failures" => failures, "error" => chain(&wait));
                    }
                    if !pauses.wait(stop).await {
                        return None;
                    }
                }
            }
        }
    }

    fn tell(&self, delivery: &Delivery, outcome: &Handled) {
        let position = delivery.position;
        match outcome {
            Handled::Delivered { cannot_follow: None } => {
                metrics::counter!("notifier_handled_events_total").increment(1);
            }
            Handled::Delivered { cannot_follow: Some(before) } => {
                metrics::counter!("notifier_handled_events_total").increment(1);
                warn!(self.log, "an event cannot follow the one before"; "position" => %position, "before" => %before);
            }
            Handled::Repeat => {}
            Handled::DeadLettered(reason) => {
                metrics::counter!("notifier_dead_letters_total").increment(1);
                error!(self.log, "event sent to the dead letters"; "topic" => "loms.order-events",
                    "partition" => position.partition, "offset" => position.offset, "reason" => reason);
            }
        }
    }

    const fn pauses(&self) -> Pauses {
        Pauses::new(self.limits.first_pause, self.limits.longest_pause)
    }
}
