//! The task of one partition: handles its deliveries one after the other, makes them safe, and notes
//! how far it came. It remembers what it saw, to tell repeats, only as long as the partition is ours:
//! what others handled meanwhile it cannot know.

use std::sync::Arc;
use std::time::Duration;

use domain::notify::handle::{HandleEvent, Handled};
use domain::notify::ports::{DeadLetters, Delivery, EventSink};
use metrics::{Counter, Histogram, counter, histogram};
use slog::{Logger, error, info, warn};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{ConsumerLimits, Progress, Stream, spans};
use crate::engine::pause::Pauses;
use crate::telemetry::names::{DEAD_LETTERS, FAILED_ATTEMPTS, HANDLED, PROCESS_SECONDS, REPEATED};
use crate::telemetry::{Repeated, Stopwatch, chain};

/// Counts repeats, which are told once in a while and not one by one.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    untold: u64,
    /// Deliveries since they were told last; `None` before the first time.
    since: Option<usize>,
}

impl Repeats {
    /// Takes a delivery into account; how many repeats are to be told now.
    fn count(&mut self, repeated: bool, tell_every: usize) -> Option<u64> {
        self.untold += u64::from(repeated);
        self.since = self.since.map(|since| since.saturating_add(1));
        let due = self.since.is_none_or(|since| since >= tell_every);
        if self.untold == 0 || !due {
            return None;
        }
        self.since = Some(0);
        Some(std::mem::take(&mut self.untold))
    }
}

/// What is counted, from 0.
#[derive(Clone)]
pub(super) struct Counts {
    handled: Counter,
    repeated: Counter,
    dead: Counter,
    failed: Counter,
    took: Histogram,
}

impl Counts {
    pub(super) fn new() -> Self {
        Self {
            handled: counter!(HANDLED.name),
            repeated: counter!(REPEATED.name),
            dead: counter!(DEAD_LETTERS.name),
            failed: counter!(FAILED_ATTEMPTS.name),
            took: histogram!(PROCESS_SECONDS.name),
        }
    }
}

/// Handles the deliveries of one assignment of a partition.
pub(super) struct PartitionTask<S, D> {
    pub(super) number: i32,
    pub(super) deliveries: mpsc::Receiver<Delivery>,
    pub(super) handler: HandleEvent<S, D>,
    pub(super) progress: Arc<Progress>,
    pub(super) hurry: CancellationToken,
    pub(super) give_up: CancellationToken,
    pub(super) stream: Stream,
    pub(super) limits: ConsumerLimits,
    pub(super) repeats: Repeats,
    /// Failures to make handled events safe, and of an event.
    pub(super) flushing: Repeated,
    pub(super) waiting: Repeated,
    pub(super) counts: Counts,
    pub(super) log: Logger,
}

impl<S: EventSink, D: DeadLetters> PartitionTask<S, D> {
    /// Runs until nothing more comes, or it has to give up; its partition.
    pub(super) async fn run(mut self) -> i32 {
        let (give_up, limits) = (self.give_up.clone(), self.limits);
        let mut batch = Vec::with_capacity(limits.batch_max.min(limits.held_max));
        loop {
            let come = self.deliveries.recv_many(&mut batch, limits.batch_max);
            match give_up.run_until_cancelled(come).await {
                None | Some(0) => break,
                Some(_) => {}
            }
            // What it has in hand when the partition goes is finished, unless that takes too long.
            let all = tokio::select! {
                all = self.handle(&batch) => all,
                () = overdue(&give_up, limits.release_within) => false,
            };
            if !all {
                break;
            }
            batch.clear();
        }
        self.tell_repeats(self.repeats.untold);
        self.number
    }

    /// `false` when it had to stop before everything was handled; the rest comes again.
    async fn handle(&mut self, batch: &[Delivery]) -> bool {
        let mut last = None;
        for delivery in batch {
            if self.give_up.is_cancelled() {
                break;
            }
            let watch = Stopwatch::start();
            let span = spans::of_delivery(&self.stream, delivery);
            let outcome = span.around(self.insist(delivery)).await;
            spans::note(&span, outcome.as_ref());
            drop(span);
            let Some(outcome) = outcome else {
                break;
            };
            self.counts.took.record(watch.elapsed().as_secs_f64());
            last = Some(delivery.position);
            self.tell(delivery, &outcome);
        }
        let Some(last) = last else {
            return false;
        };
        let mut pauses = self.pauses();
        while let Err(error) = self.handler.flush().await {
            if let Some(suppressed) = self.flushing.fails() {
                warn!(self.log, "handled events are not safe yet";
                    "partition" => self.number, "error" => chain(&error), "suppressed" => suppressed);
            }
            if !pauses.wait(&self.hurry).await {
                return false;
            }
        }
        self.flushing.succeeds();
        self.progress.note(last);
        batch.last().is_some_and(|delivery| delivery.position == last)
    }

    /// Tries until it is handled; `None` when nothing may be waited for any more.
    async fn insist(&mut self, delivery: &Delivery) -> Option<Handled> {
        let mut pauses = self.pauses();
        loop {
            match self.handler.run(delivery).await {
                Ok(outcome) => {
                    if let Some(suppressed) = self.waiting.succeeds() {
                        info!(self.log, "the event went through"; "position" => %delivery.position, "suppressed" => suppressed);
                    }
                    return Some(outcome);
                }
                Err(wait) => {
                    self.counts.failed.increment(1);
                    if let Some(suppressed) = self.waiting.fails() {
                        warn!(self.log, "an event waits"; "position" => %delivery.position, "error" => chain(&wait), "suppressed" => suppressed);
                    }
                    if !pauses.wait(&self.hurry).await {
                        return None;
                    }
                }
            }
        }
    }

    fn tell(&mut self, delivery: &Delivery, outcome: &Handled) {
        let position = delivery.position;
        let repeated = *outcome == Handled::Repeat;
        if let Some(count) = self.repeats.count(repeated, self.limits.tell_every) {
            self.tell_repeats(count);
        }
        match outcome {
            Handled::Delivered { cannot_follow: None } => {
                self.counts.handled.increment(1);
            }
            Handled::Delivered {
                cannot_follow: Some(before),
            } => {
                self.counts.handled.increment(1);
                let order = delivery.content.as_ref().map_or(0, |event| event.order.get());
                warn!(self.log, "an event cannot follow the one before"; "position" => %position, "order_id" => order, "before" => %before);
            }
            Handled::Repeat => self.counts.repeated.increment(1),
            Handled::DeadLettered(reason) => {
                self.counts.dead.increment(1);
                error!(self.log, "event sent to the dead letters"; "topic" => &self.stream.topic,
                    "partition" => position.partition, "offset" => position.offset, "reason" => reason);
            }
        }
    }

    fn tell_repeats(&self, count: u64) {
        if count > 0 {
            info!(self.log, "repeated events passed over"; "partition" => self.number, "events" => count);
        }
    }

    const fn pauses(&self) -> Pauses {
        Pauses::new(self.limits.first_pause, self.limits.longest_pause)
    }
}

async fn overdue(give_up: &CancellationToken, within: Duration) {
    give_up.cancelled().await;
    tokio::time::sleep(within).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_told_at_once_and_then_once_a_window() {
        let mut repeats = Repeats::default();
        assert_eq!(repeats.count(false, 3), None);
        assert_eq!(repeats.count(true, 3), Some(1));
        assert_eq!(repeats.count(true, 3), None);
        assert_eq!(repeats.count(true, 3), None);
        assert_eq!(repeats.count(false, 3), Some(2), "the window is over");
        for _ in 0..5 {
            assert_eq!(repeats.count(false, 3), None, "nothing to tell");
        }
        assert_eq!(repeats.count(true, 3), Some(1));
    }
}
