//! Drives the notifier: takes deliveries and gives each partition to a task of its own, which handles
//! them in order, makes them safe, and only then has their positions committed. While the place of
//! one partition's events does not answer, its task tries again with growing pauses, the source holds
//! that partition back, and the others go on; nothing is skipped.
//!
//! A partition that is taken away is let go of as soon as what its task has in hand is done. At the
//! end what is held is still handled, within a limit, then committed, and the group is left.

mod partition;
mod spans;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use domain::error::Cause;
use domain::notify::handle::HandleEvent;
use domain::notify::ports::{Arrival, DeadLetters, Delivery, EventSink, EventSource, Position};
use parking_lot::Mutex;
use slog::{Logger, info, warn};
use tokio::sync::{Notify, mpsc};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use self::partition::{Counts, PartitionTask, Repeats};
use crate::telemetry::{Repeated, chain};

/// The bounds of the notifier.
#[derive(Debug, Clone, Copy)]
pub struct ConsumerLimits {
    /// Most deliveries that are taken, or made safe, at once.
    pub batch_max: usize,
    /// Most deliveries of a partition that are held.
    pub held_max: usize,
    /// The first pause when something does not answer; it doubles.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// Repeats of a partition are told once in so many deliveries.
    pub tell_every: usize,
    /// Time for what a task has in hand when its partition is taken away.
    pub release_within: Duration,
    /// Time for everything that is held at the end.
    pub finish_within: Duration,
}

/// The stream that deliveries come from.
#[derive(Debug, Clone)]
pub struct Stream {
    /// What carries it: `kafka`, `memory`.
    pub system: &'static str,
    /// The topic.
    pub topic: String,
    /// The consumer group.
    pub group: String,
}

/// Handles deliveries until it is stopped or its source is closed.
#[derive(Debug)]
pub struct Consumer<Src, F> {
    /// Where deliveries come from.
    pub source: Src,
    /// Makes what handles the deliveries of one partition.
    pub handler: F,
    /// The stream, for the log and for spans.
    pub stream: Stream,
    /// Its bounds.
    pub limits: ConsumerLimits,
    /// Where failures are told.
    pub log: Logger,
}

/// How far each partition was handled and made safe, since somebody last took it.
#[derive(Debug, Default)]
struct Progress {
    handled: Mutex<BTreeMap<i32, Position>>,
    made: Notify,
}

impl Progress {
    /// The furthest counts: where a partition went and came back at once, the task of its assignment before
    /// may end later than the new one has made progress.
    fn note(&self, position: Position) {
        let mut handled = self.handled.lock();
        let furthest = handled.entry(position.partition).or_insert(position);
        furthest.offset = furthest.offset.max(position.offset);
        drop(handled);
        self.made.notify_one();
    }

    fn take(&self) -> Vec<Position> {
        std::mem::take(&mut *self.handled.lock()).into_values().collect()
    }
}

/// An assignment of a partition, as the driver sees its task.
struct Held {
    /// Gone when nothing more comes.
    queue: Option<mpsc::Sender<Delivery>>,
    /// Cancelled when nothing that does not answer is waited for any more.
    hurry: CancellationToken,
    /// Cancelled when it has to end.
    give_up: CancellationToken,
}

impl<Src: EventSource, F, S: EventSink, D: DeadLetters> Consumer<Src, F>
where
    F: FnMut() -> HandleEvent<S, D> + Send + 'static,
{
    /// Runs; what is held when it is stopped is still handled, made safe and committed.
    ///
    /// # Panics
    /// Where the task of a partition does.
    pub async fn run(self, stop: CancellationToken) {
        let driver = Driver {
            progress: Arc::default(),
            partitions: HashMap::new(),
            leaving: HashSet::new(),
            tasks: JoinSet::new(),
            receiving: Repeated::default(),
            committing: Repeated::default(),
            counts: Counts::new(),
            stop,
            consumer: self,
        };
        driver.run().await;
    }
}

/// The running consumer.
struct Driver<Src, F> {
    progress: Arc<Progress>,
    counts: Counts,
    /// An entry stays as long as its assignment, also when its task has ended early: what comes after
    /// a delivery that was given up must not be handled.
    partitions: HashMap<i32, Held>,
    /// Revoked, and not released yet.
    leaving: HashSet<i32>,
    tasks: JoinSet<i32>,
    receiving: Repeated,
    committing: Repeated,
    stop: CancellationToken,
    consumer: Consumer<Src, F>,
}

impl<Src: EventSource, F, S: EventSink, D: DeadLetters> Driver<Src, F>
where
    F: FnMut() -> HandleEvent<S, D> + Send + 'static,
{
    async fn run(mut self) {
        let limits = self.consumer.limits;
        let (stop, progress) = (self.stop.clone(), Arc::clone(&self.progress));
        let (mut stopping, mut closed) = (false, false);
        let too_late = async {
            stop.cancelled().await;
            tokio::time::sleep(limits.finish_within).await;
        };
        tokio::pin!(too_late);
        while !closed || !self.tasks.is_empty() {
            tokio::select! {
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    self.consumer.source.close();
                }
                () = &mut too_late => {
                    warn!(self.consumer.log, "the time to finish is over: events that are held will come again");
                    self.partitions.values().for_each(|held| held.give_up.cancel());
                    break;
                }
                () = progress.made.notified() => self.commit().await,
                Some(ended) = self.tasks.join_next() => self.ended(ended).await,
                arrival = self.consumer.source.next(limits.batch_max), if !closed => match arrival {
                    Ok(Arrival::Deliveries(deliveries)) => self.hand_out(deliveries).await,
                    Ok(Arrival::Revoked(partitions)) => self.let_go(&partitions),
                    Ok(Arrival::Closed) => {
                        closed = true;
                        self.partitions.values_mut().for_each(|held| held.queue = None);
                    }
                    Err(cause) => self.cannot_receive(&cause).await,
                },
            }
        }
        self.leave().await;
    }

    /// To the tasks of their partitions. The source holds a partition back before its queue is full.
    async fn hand_out(&mut self, deliveries: Vec<Delivery>) {
        if let Some(suppressed) = self.receiving.succeeds() {
            info!(self.consumer.log, "events are received again"; "suppressed" => suppressed);
        }
        for delivery in deliveries {
            let number = delivery.position.partition;
            let held = match self.partitions.entry(number) {
                Entry::Occupied(held) => held.into_mut(),
                Entry::Vacant(free) => free.insert(begin(
                    &mut self.consumer,
                    number,
                    &self.progress,
                    &self.counts,
                    &self.stop,
                    &mut self.tasks,
                )),
            };
            if let Some(queue) = &held.queue {
                // A task that has given up takes nothing: it comes again to whoever is next.
                let _ = queue.send(delivery).await;
            }
        }
    }

    fn let_go(&mut self, partitions: &[i32]) {
        for number in partitions {
            match self.partitions.remove(number) {
                Some(held) => {
                    held.hurry.cancel();
                    held.give_up.cancel();
                    self.leaving.insert(*number);
                }
                None => self.consumer.source.release(&[*number]),
            }
        }
        info!(self.consumer.log, "partitions go to another member"; "partitions" => ?partitions);
    }

    async fn ended(&mut self, ended: Result<i32, JoinError>) {
        match ended {
            Ok(number) => {
                self.commit().await;
                if self.leaving.remove(&number) {
                    self.consumer.source.release(&[number]);
                }
            }
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => {} // nobody aborts them
        }
    }

    async fn commit(&mut self) {
        let handled = self.progress.take();
        if handled.is_empty() {
            return;
        }
        let Err(cause) = self.consumer.source.commit(&handled).await else {
            self.committing.succeeds();
            return;
        };
        if let Some(suppressed) = self.committing.fails() {
            warn!(self.consumer.log, "positions were not committed: events may repeat";
                "error" => chain(&cause), "suppressed" => suppressed);
        }
    }

    async fn cannot_receive(&mut self, cause: &Cause) {
        if let Some(suppressed) = self.receiving.fails() {
            warn!(self.consumer.log, "events cannot be received"; "error" => chain(cause), "suppressed" => suppressed);
        }
        tokio::time::sleep(self.consumer.limits.first_pause).await;
    }

    /// Waits for the tasks, which were told to end, and leaves the group.
    async fn leave(mut self) {
        while let Some(ended) = self.tasks.join_next().await {
            self.ended(ended).await;
        }
        self.commit().await;
        if let Err(cause) = self.consumer.source.leave().await {
            warn!(self.consumer.log, "the group was not left in order: events may repeat"; "error" => chain(&cause));
        }
    }
}

/// Begins the task of a partition.
fn begin<Src, F, S: EventSink, D: DeadLetters>(
    consumer: &mut Consumer<Src, F>,
    number: i32,
    progress: &Arc<Progress>,
    counts: &Counts,
    stop: &CancellationToken,
    tasks: &mut JoinSet<i32>,
) -> Held
where
    F: FnMut() -> HandleEvent<S, D>,
{
    let (queue, deliveries) = mpsc::channel(consumer.limits.held_max);
    let held = Held {
        queue: Some(queue),
        hurry: stop.child_token(),
        give_up: CancellationToken::new(),
    };
    let task = PartitionTask {
        number,
        deliveries,
        handler: (consumer.handler)(),
        progress: Arc::clone(progress),
        hurry: held.hurry.clone(),
        give_up: held.give_up.clone(),
        stream: consumer.stream.clone(),
        limits: consumer.limits,
        repeats: Repeats::default(),
        flushing: Repeated::default(),
        waiting: Repeated::default(),
        counts: counts.clone(),
        log: consumer.log.clone(),
    };
    tasks.spawn(task.run());
    held
}

#[cfg(test)]
mod tests;
