//! The stream of order events in memory, between LOMS and the notifier of one process: two
//! partitions, offsets, one consumer group, and the messages that Kafka would carry. It is
//! bounded: while a consumer is attached a full partition takes nothing, so that nothing is
//! lost; without one it forgets its oldest messages, as a topic does by its retention.

use std::collections::VecDeque;
use std::sync::Arc;

use domain::error::{Cause, cause};
use domain::notify::ports::{Arrival, DeadLetters, Delivery, EventSource, Position};
use domain::order::event::OrderEvent;
use domain::order::ports::{EventPublisher, PublishError, Published};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::events::{Message, partition_of};

/// Partitions of the stream, as of the topic. Source: the contract.
pub const PARTITIONS: u32 = 2;

/// Something in memory is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is full: {1} messages wait for the notifier")]
pub struct StreamFull(&'static str, usize);

#[derive(Debug, Default)]
struct Partition {
    messages: VecDeque<Message>,
    /// The offset of the first message.
    first: usize,
    /// The offset behind the last committed message.
    committed: usize,
}

#[derive(Debug)]
struct Shared {
    max: usize,
    partitions: Mutex<(Vec<Partition>, usize)>,
    arrived: Notify,
}

/// The stream. Cheap to clone.
#[derive(Debug, Clone)]
pub struct MemoryStream {
    shared: Arc<Shared>,
}

impl MemoryStream {
    /// A stream of at most `max` messages a partition that were not handled yet.
    #[must_use]
    pub fn new(max: usize) -> Self {
        let partitions = std::iter::repeat_with(Partition::default)
            .take(PARTITIONS as usize)
            .collect();
        let shared = Shared {
            max,
            partitions: Mutex::new((partitions, 0)),
            arrived: Notify::new(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// The one consumer of the group, from the first message that was not committed.
    #[must_use]
    pub fn subscribe(&self) -> MemorySource {
        let mut state = self.shared.partitions.lock();
        state.1 += 1;
        let next = state
            .0
            .iter()
            .map(|partition| partition.committed.max(partition.first))
            .collect();
        MemorySource {
            shared: Arc::clone(&self.shared),
            next,
            held_max: usize::MAX,
            closed: false,
        }
    }

    /// Messages that were not handled yet.
    #[must_use]
    pub fn lag(&self) -> usize {
        self.shared
            .partitions
            .lock()
            .0
            .iter()
            .map(|partition| partition.messages.len())
            .sum()
    }
}

impl EventPublisher for MemoryStream {
    async fn publish(&self, events: Vec<OrderEvent>) -> Published {
        let mut published = Published::default();
        let mut state = self.shared.partitions.lock();
        let (partitions, consumers) = &mut *state;
        let mut blocked = [false; PARTITIONS as usize];
        let mut spare = [true; PARTITIONS as usize];
        for event in events {
            let message = Message::encode(&event);
            let at = partition_of(&message.key, PARTITIONS) as usize;
            let partition = &mut partitions[at];
            spare[at] = false;
            if partition.messages.len() >= self.shared.max && *consumers == 0 {
                partition.messages.pop_front();
                partition.first += 1;
            }
            // Once one event of a partition was refused no later one may overtake it.
            blocked[at] |= partition.messages.len() >= self.shared.max;
            if blocked[at] {
                let full = StreamFull("the event stream", self.shared.max);
                published.error = Some(PublishError::Full(cause(full)));
                continue;
            }
            partition.messages.push_back(message);
            published.acknowledged.push(event.id);
        }
        drop(state);
        published.has_spare_lane = spare.contains(&true);
        self.shared.arrived.notify_one();
        published
    }
}

/// The consumer of a [`MemoryStream`].
#[derive(Debug)]
pub struct MemorySource {
    shared: Arc<Shared>,
    next: Vec<usize>,
    held_max: usize,
    closed: bool,
}

impl MemorySource {
    /// Has it deliver at most `max` messages of a partition before they are committed.
    #[must_use]
    pub fn holding(mut self, max: usize) -> Self {
        self.held_max = max;
        self
    }

    fn take(&mut self, max: usize) -> Vec<Delivery> {
        let state = self.shared.partitions.lock();
        let mut taken = Vec::new();
        for (number, (partition, next)) in state.0.iter().zip(&mut self.next).enumerate() {
            // Another consumer may have committed what this one has not seen.
            *next = (*next).max(partition.first);
            let held = *next - partition.first;
            let share = max.div_ceil(PARTITIONS as usize).min(max - taken.len());
            let share = share.min(self.held_max.saturating_sub(held));
            for message in partition.messages.iter().skip(held).take(share) {
                let offset = i64::try_from(*next).unwrap_or(i64::MAX);
                let position = Position {
                    partition: i32::try_from(number).unwrap_or(0),
                    offset,
                };
                let Message { key, value, .. } = message.clone();
                taken.push(Delivery {
                    position,
                    content: message.decode(),
                    key: Some(key),
                    value: Some(value),
                    headers: message.headers(),
                });
                *next += 1;
            }
        }
        taken
    }

    fn has_all(&self) -> bool {
        let state = self.shared.partitions.lock();
        let mut partitions = state.0.iter().zip(&self.next);
        partitions.all(|(partition, next)| *next >= partition.first + partition.messages.len())
    }
}

impl EventSource for MemorySource {
    async fn next(&mut self, max: usize) -> Result<Arrival, Cause> {
        loop {
            let taken = self.take(max.max(1));
            if !taken.is_empty() {
                return Ok(Arrival::Deliveries(taken));
            }
            if self.closed && self.has_all() {
                return Ok(Arrival::Closed);
            }
            let shared = Arc::clone(&self.shared);
            shared.arrived.notified().await;
        }
    }

    fn close(&mut self) {
        self.closed = true;
    }

    async fn commit(&mut self, handled: &[Position]) -> Result<(), Cause> {
        let mut state = self.shared.partitions.lock();
        for position in handled {
            let number = usize::try_from(position.partition).unwrap_or(usize::MAX);
            let behind = usize::try_from(position.offset).map_or(0, |offset| offset + 1);
            let Some(partition) = state.0.get_mut(number) else {
                continue;
            };
            partition.committed = partition.committed.max(behind);
            while partition.first < partition.committed && partition.messages.pop_front().is_some() {
                partition.first += 1;
            }
        }
        drop(state);
        // A partition of which too much was held may go on.
        self.shared.arrived.notify_one();
        Ok(())
    }

    fn release(&mut self, _: &[i32]) {}

    async fn leave(self) -> Result<(), Cause> {
        Ok(())
    }
}

impl Drop for MemorySource {
    fn drop(&mut self) {
        self.shared.partitions.lock().1 -= 1;
    }
}

/// A delivery that could not be handled, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// What was delivered.
    pub delivery: Delivery,
    /// Why it could not be handled.
    pub reason: String,
}

/// Dead letters in memory, bounded; when it is full the notifier waits, so that none is lost.
#[derive(Debug)]
pub struct MemoryDeadLetters {
    max: usize,
    letters: Mutex<Vec<DeadLetter>>,
}

impl MemoryDeadLetters {
    /// Room for `max` letters.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self {
            max,
            letters: Mutex::default(),
        }
    }

    /// What is in it.
    #[must_use]
    pub fn letters(&self) -> Vec<DeadLetter> {
        self.letters.lock().clone()
    }
}

impl DeadLetters for MemoryDeadLetters {
    async fn put(&self, delivery: &Delivery, reason: &str) -> Result<(), Cause> {
        let mut letters = self.letters.lock();
        if letters.len() >= self.max {
            return Err(cause(StreamFull("the dead letter store", self.max)));
        }
        letters.push(DeadLetter {
            delivery: delivery.clone(),
            reason: reason.to_owned(),
        });
        Ok(())
    }
}
