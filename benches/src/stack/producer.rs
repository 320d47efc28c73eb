//! What the broker takes at most: a raw rskafka producer with the same messages in the same frames, a
//! frame in flight for each partition, as order asks for.

use std::sync::Arc;
use std::time::Duration;

use adapters::events::{Message, partition_of};
use adapters::kafka::record::{Outgoing, fill};
use adapters::kafka::settings::KafkaSettings;
use domain::clock::Moment;
use domain::order::event::{OrderEvent, StatusChange};
use domain::order::status::OrderStatus;
use domain::types::{EventId, OrderId};
use futures::future::try_join_all;
use rskafka::client::ClientBuilder;
use rskafka::client::partition::{Compression, PartitionClient, UnknownTopicHandling};
use rskafka::record::Record;

use crate::clock;
use crate::error::LoadError;

/// When all of it happens.
const MILLIS: i64 = 1_767_323_045_678;
/// For all frames of a run.
const PATIENCE: Duration = Duration::from_secs(600);

/// Messages in frames, by partition.
pub(super) struct Frames {
    partitions: Vec<Vec<Vec<Record>>>,
    events: u64,
}

/// The messages of so many events, from this one on, packed as the relay packs them.
pub(super) fn frames(settings: &KafkaSettings, partitions: u32, first: u64, count: u64) -> Result<Frames, LoadError> {
    let mut lanes: Vec<Vec<Outgoing>> = (0..partitions).map(|_| Vec::new()).collect();
    for number in first..first + count {
        let record = record(number)?;
        let lane = partition_of(record.key.as_deref().unwrap_or_default(), partitions);
        lanes[lane as usize].push(record);
    }
    let framed = lanes.into_iter().map(|records| {
        let frames = fill(&settings.topic, records, Outgoing::bytes_max);
        frames
            .into_iter()
            .map(|frame| frame.into_iter().map(Record::from).collect())
            .collect()
    });
    Ok(Frames {
        partitions: framed.collect(),
        events: count,
    })
}

/// Each order is placed: two events.
fn record(number: u64) -> Result<Outgoing, LoadError> {
    let wrong = |error: &dyn std::fmt::Display| LoadError::Usage(format!("event {number}: {error}"));
    let number = i64::try_from(number).map_err(|error| wrong(&error))?;
    let status = if number % 2 == 0 {
        OrderStatus::New
    } else {
        OrderStatus::AwaitingPayment
    };
    let event = OrderEvent {
        id: EventId::try_from(1 + number).map_err(|error| wrong(&error))?,
        change: StatusChange {
            order: OrderId::try_from(1 + number / 2).map_err(|error| wrong(&error))?,
            status,
            moment: Moment::from_unix_millis(MILLIS),
            trace: None,
        },
    };
    let message = Message::encode(&event);
    Ok(Outgoing {
        headers: message.headers(),
        key: Some(message.key.into_vec()),
        value: Some(message.value.into_vec()),
        sent: Moment::from_unix_millis(MILLIS),
    })
}

/// Connections to the partitions of a topic.
pub(super) struct Producer {
    partitions: Vec<Arc<PartitionClient>>,
}

impl Producer {
    /// Connects to all partitions of the topic of events.
    pub(super) async fn connect(settings: &KafkaSettings, partitions: u32) -> Result<Self, LoadError> {
        let connected = tokio::time::timeout(settings.connect_timeout, Self::connect_to(settings, partitions)).await;
        connected.unwrap_or_else(|_| Err(LoadError::Target("the broker does not answer".to_owned())))
    }

    async fn connect_to(settings: &KafkaSettings, partitions: u32) -> Result<Self, LoadError> {
        let client = ClientBuilder::new(settings.brokers.clone())
            .build()
            .await
            .map_err(refused)?;
        let mut clients = Vec::new();
        for partition in 0..partitions {
            let number = i32::try_from(partition).unwrap_or(i32::MAX);
            let one = client
                .partition_client(&settings.topic, number, UnknownTopicHandling::Retry)
                .await;
            clients.push(Arc::new(one.map_err(refused)?));
        }
        Ok(Self { partitions: clients })
    }

    /// Sends all frames; how many events, and in what time.
    pub(super) async fn send(&self, frames: Frames) -> Result<(u64, Duration), LoadError> {
        let events = frames.events;
        let start = clock::now();
        let lanes = self.partitions.iter().zip(frames.partitions);
        let sending = try_join_all(lanes.map(|(client, frames)| lane(client, frames)));
        let sent = tokio::time::timeout(PATIENCE, sending).await;
        sent.unwrap_or_else(|_| {
            Err(LoadError::Target(
                "the broker does not take the frames in time".to_owned(),
            ))
        })?;
        Ok((events, clock::now() - start))
    }
}

async fn lane(client: &PartitionClient, frames: Vec<Vec<Record>>) -> Result<(), LoadError> {
    for frame in frames {
        client
            .produce(frame, Compression::NoCompression)
            .await
            .map_err(refused)?;
    }
    Ok(())
}

fn refused(error: rskafka::client::error::Error) -> LoadError {
    LoadError::Target(format!("the broker refuses: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_hold_every_event_once_and_stay_short() {
        let settings = KafkaSettings::new(Vec::new());
        let frames = frames(&settings, 2, 0, 500).expect("numbers are positive");
        let all: Vec<&Vec<Record>> = frames.partitions.iter().flatten().collect();
        assert_eq!(all.iter().map(|frame| frame.len()).sum::<usize>(), 500);
        assert!(all.len() > 2 && frames.partitions.iter().all(|lane| !lane.is_empty()));
    }
}
