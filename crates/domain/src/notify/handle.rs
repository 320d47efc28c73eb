//! Use case: handle one delivery of the event stream. A repeat is told by its event id within
//! a bounded window and passed over; what cannot be handled goes to the dead letters and does
//! not stop the others; while the place where events go does not answer, the event waits.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use super::ports::{DeadLetters, Delivery, EventSink, Received, SinkError};
use crate::error::{Cause, cause};
use crate::order::status::OrderStatus;
use crate::types::OrderId;

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handled {
    /// The sink has it.
    Delivered {
        /// The status of its order before, where this one cannot follow it.
        cannot_follow: Option<OrderStatus>,
    },
    /// It was delivered before.
    Repeat,
    /// It is with the dead letters, for this reason.
    DeadLettered(String),
}

/// It was not handled and must be tried again: something does not answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the event must wait")]
pub struct MustWait(#[source] pub Cause);

/// A map that forgets its oldest entries.
#[derive(Debug)]
struct Window<K, V> {
    max: usize,
    order: VecDeque<K>,
    entries: HashMap<K, V>,
}

impl<K: Hash + Eq + Clone, V> Window<K, V> {
    fn new(max: usize) -> Self {
        Self {
            max,
            order: VecDeque::new(),
            entries: HashMap::new(),
        }
    }

    fn put(&mut self, key: K, value: V) {
        if self.entries.insert(key.clone(), value).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > self.max
            && let Some(oldest) = self.order.pop_front()
        {
            self.entries.remove(&oldest);
        }
    }
}

/// Handles deliveries.
#[derive(Debug)]
pub struct HandleEvent<S, D> {
    sink: S,
    dead_letters: D,
    seen: Window<Box<str>, ()>,
    last: Window<OrderId, OrderStatus>,
}

impl<S: EventSink, D: DeadLetters> HandleEvent<S, D> {
    /// Remembers the last `window` event ids, and the last status of as many orders.
    #[must_use]
    pub fn new(sink: S, dead_letters: D, window: usize) -> Self {
        Self {
            sink,
            dead_letters,
            seen: Window::new(window),
            last: Window::new(window),
        }
    }

    /// Handles one delivery.
    ///
    /// # Errors
    /// [`MustWait`]: nothing was done, the same delivery must come again.
    pub async fn run(&mut self, delivery: &Delivery) -> Result<Handled, MustWait> {
        let event = match &delivery.content {
            Ok(event) => event,
            Err(unreadable) => return self.bury(delivery, unreadable.to_string()).await,
        };
        if self.seen.entries.contains_key(&event.event_id) {
            return Ok(Handled::Repeat);
        }
        match self.sink.deliver(delivery.position, event).await {
            Ok(()) => Ok(Handled::Delivered {
                cannot_follow: self.note(event),
            }),
            Err(SinkError::Refused(reason)) => self.bury(delivery, reason).await,
            Err(SinkError::Unavailable(cause)) => Err(MustWait(cause)),
        }
    }

    /// Makes everything handled so far safe; only then may its positions be committed.
    ///
    /// # Errors
    /// [`MustWait`]: try again.
    pub async fn flush(&self) -> Result<(), MustWait> {
        self.sink.flush().await.map_err(|error| MustWait(cause(error)))
    }

    async fn bury(&self, delivery: &Delivery, reason: String) -> Result<Handled, MustWait> {
        self.dead_letters.put(delivery, &reason).await.map_err(MustWait)?;
        Ok(Handled::DeadLettered(reason))
    }

    fn note(&mut self, event: &Received) -> Option<OrderStatus> {
        self.seen.put(event.event_id.clone(), ());
        let before = self.last.entries.get(&event.order).copied();
        self.last.put(event.order, event.status);
        // An order that is not in memory may have had its first events before our time.
        before.filter(|before| !event.status.can_follow(Some(*before)))
    }
}
