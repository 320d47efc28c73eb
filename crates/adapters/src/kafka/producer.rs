//! The publisher of order events. The events of a partition go in their order, in parts that fit a
//! request each, one request in flight: the next part leaves when the last one was acknowledged by
//! all replicas that are in sync. Partitions go side by side.
//!
//! A part without an answer may have been written. It is not acknowledged, the rest of its partition
//! waits, and whoever calls sends everything again: first occurrences stay in order, and repeats have
//! the event id that they had before.
//!
//! A part that the broker refuses is halved until the event to blame is alone; that one becomes a dead
//! letter and is done with. Where the dead-letter topic does not take it, its partition waits.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use domain::clock::{Clock, Moment};
use domain::error::cause;
use domain::order::event::OrderEvent;
use domain::order::ports::{EventPublisher, PublishError, Published, PutAside};
use domain::types::{EventId, OrderId};
use futures::future::join_all;
use parking_lot::Mutex;

use super::client::KafkaClient;
use super::dead_letters;
use super::errors::KafkaError;
use super::record::{Outgoing, fill};
use super::spans::Sending;
use crate::events::{Message, partition_of};
use crate::metrics::within;

/// How old the number of partitions may become.
const PARTITIONS_KEPT: Duration = Duration::from_secs(60);

/// Publishes order events.
#[derive(Debug)]
pub struct KafkaPublisher<C> {
    client: Arc<KafkaClient>,
    clock: C,
    /// When the topic was last looked at.
    looked: Mutex<Option<Moment>>,
}

/// An event on its way.
#[derive(Debug)]
struct Parcel {
    event: EventId,
    order: OrderId,
    record: Outgoing,
    sending: Sending,
}

impl<C: Clock> KafkaPublisher<C> {
    /// A publisher over connections, which others may use too.
    #[must_use]
    pub const fn new(client: Arc<KafkaClient>, clock: C) -> Self {
        Self {
            client,
            clock,
            looked: Mutex::new(None),
        }
    }

    fn topic(&self) -> &str {
        &self.client.settings().topic
    }

    fn bound(&self) -> Duration {
        self.client.settings().publish_timeout
    }

    /// How many partitions there are, asked again once in a while: a topic can grow.
    async fn partitions(&self) -> Result<u32, KafkaError> {
        let now = self.clock.now();
        let is_old = self
            .looked
            .lock()
            .is_some_and(|looked| now.since(looked) > PARTITIONS_KEPT);
        if is_old {
            self.client.look().await?;
        }
        let count = self.client.partitions(self.topic()).await?;
        let mut looked = self.looked.lock();
        if is_old || looked.is_none() {
            *looked = Some(now);
        }
        Ok(count)
    }

    fn parcel(&self, event: &OrderEvent, sent: Moment) -> Parcel {
        let sending = Sending::of(self.client.settings(), event);
        let mut message = Message::encode(event);
        message.trace = sending.span().ids().or(message.trace);
        Parcel {
            event: event.id,
            order: event.change.order,
            record: Outgoing {
                headers: message.headers(),
                key: Some(message.key.into_vec()),
                value: Some(message.value.into_vec()),
                sent,
            },
            sending,
        }
    }

    async fn send(&self, events: Vec<OrderEvent>, done: &Mutex<Published>) -> Result<(), KafkaError> {
        let count = self.partitions().await?;
        let sent = self.clock.now();
        let mut lanes: Vec<Vec<Parcel>> = Vec::new();
        lanes.resize_with(count as usize, Vec::new);
        for event in &events {
            let parcel = self.parcel(event, sent);
            let partition = partition_of(parcel.record.key.as_deref().unwrap_or_default(), count);
            lanes[partition as usize].push(parcel);
        }
        done.lock().has_spare_lane = lanes.iter().any(Vec::is_empty);
        let lanes = (0..count).zip(lanes).filter(|(_, parcels)| !parcels.is_empty());
        let ends = join_all(lanes.map(|(partition, parcels)| self.lane(partition, parcels, done))).await;
        ends.into_iter().collect()
    }

    /// Sends what goes to one partition until something is in the way.
    async fn lane(&self, partition: u32, parcels: Vec<Parcel>, done: &Mutex<Published>) -> Result<(), KafkaError> {
        let mut parts: VecDeque<_> = fill(self.topic(), parcels, |parcel| parcel.record.bytes_max()).into();
        while let Some(mut part) = parts.pop_front() {
            let records = part.iter().map(|parcel| parcel.record.clone()).collect();
            match self.client.append(self.topic(), partition, records, self.bound()).await {
                Ok(first) => {
                    for (offset, parcel) in (first..).zip(&mut part) {
                        parcel.sending.appended(partition, offset);
                    }
                    done.lock().acknowledged.extend(part.iter().map(|parcel| parcel.event));
                }
                Err(KafkaError::Refused(reason)) => match <[Parcel; 1]>::try_from(part) {
                    Ok([alone]) => self.put_aside(alone, reason, done).await?,
                    Err(several) => {
                        part = several;
                        parts.push_front(part.split_off(part.len() / 2));
                        parts.push_front(part);
                    }
                },
                Err(error) => {
                    let failed = part.iter_mut().chain(parts.iter_mut().flatten());
                    failed.for_each(|parcel| parcel.sending.failed(error.error_type()));
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    async fn put_aside(&self, mut parcel: Parcel, reason: String, done: &Mutex<Published>) -> Result<(), KafkaError> {
        parcel.sending.failed("refused");
        let letter = dead_letters::letter(parcel.record, self.topic(), None, &reason, self.clock.now());
        parcel
            .sending
            .span()
            .around(dead_letters::put(&self.client, letter))
            .await?;
        let mut done = done.lock();
        done.acknowledged.push(parcel.event);
        done.put_aside.push(PutAside {
            event: parcel.event,
            order: parcel.order,
            reason,
        });
        Ok(())
    }
}

impl<C: Clock> EventPublisher for KafkaPublisher<C> {
    async fn publish(&self, events: Vec<OrderEvent>) -> Published {
        let done = Mutex::new(Published::default());
        let bound = self.bound();
        let end = match within(bound, self.send(events, &done)).await {
            Ok(end) => end,
            Err(_) => Err(KafkaError::Silent(bound)),
        };
        let mut done = done.into_inner();
        done.error = end.err().map(|error| PublishError::Down(cause(error)));
        done
    }
}
