//! Messages are as the contract has them, in order, none lost and none twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use adapters::events::{Message, partition_of};
use adapters::kafka::client::KafkaClient;
use adapters::kafka::producer::KafkaPublisher;
use adapters::kafka::record::{FRAME_MAX_BYTES, Outgoing, fill};
use adapters::kafka::testing::{Broker, Topics};
use domain::clock::{Clock, Moment};
use domain::order::event::OrderEvent;
use domain::order::ports::EventPublisher;
use domain::order::status::OrderStatus;
use domain::trace::TraceContext;

use super::support::{Now, assert_complete, event, publisher, trade};

#[tokio::test]
async fn key_value_headers_and_partition_are_those_of_the_contract() {
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    let publisher = publisher(&topics.settings);
    let trace = TraceContext::new(0xa, 0xb, 1);
    let events = (1..=20).map(|n| event(n, n, OrderStatus::New, trace.filter(|_| n % 2 == 0)));
    let published = publisher.publish(events.collect()).await;
    assert!(published.error.is_none(), "{published:?}");
    assert_eq!(published.acknowledged.len(), 20);
    let standing = topics.read(&topics.settings.topic).await;
    assert_eq!(standing.len(), 20);
    for message in standing {
        let order: i64 = message.key.parse().unwrap();
        let expected = partition_of(message.key.as_bytes(), 2);
        assert_eq!(u32::try_from(message.partition).unwrap(), expected, "{order}");
        let value = format!(r#"{{"order_id":{order},"status":"new","moment":"2026-01-02T03:04:05.678Z"}}"#);
        assert_eq!(message.value, value);
        let mut headers = vec![("content-type", "application/json"), ("event-id", message.key.as_str())];
        if order % 2 == 0 {
            headers.push(("traceparent", "00-0000000000000000000000000000000a-000000000000000b-01"));
        }
        let found = message
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        assert_eq!(found.collect::<Vec<_>>(), headers);
    }
}

#[tokio::test]
async fn thousands_of_events_stay_in_order_over_many_requests() {
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    let publisher = publisher(&topics.settings);
    let published = publisher.publish(trade(1, 1_000)).await;
    assert!(published.error.is_none(), "{:?}", published.error);
    assert_eq!(published.acknowledged.len(), 3_000);
    let standing = topics.read(&topics.settings.topic).await;
    assert_eq!(standing.len(), 3_000);
    assert_eq!(assert_complete(&standing, 1..1_001), 0, "repeats");
}

/// The machine's time, and some milliseconds more.
#[derive(Debug, Clone, Default)]
struct Later(Arc<AtomicI64>);

impl Clock for Later {
    fn now(&self) -> Moment {
        Moment::from_unix_millis(Now.now().unix_millis() + self.0.load(Ordering::Relaxed))
    }
}

/// Who moves a partition's worth of orders has drained it first; here the new orders go where every other
/// client of a topic with four partitions puts them.
#[tokio::test]
async fn a_topic_that_has_grown_is_seen_after_a_minute() {
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    let clock = Later::default();
    let publisher = KafkaPublisher::new(Arc::new(KafkaClient::new(topics.settings.clone())), clock.clone());
    let send = async |orders: std::ops::Range<i64>| {
        let events = orders.map(|n| event(n, n, OrderStatus::New, None));
        let published = publisher.publish(events.collect()).await;
        assert!(published.error.is_none(), "{published:?}");
    };
    send(1..21).await;
    topics.grow(&topics.settings.topic, 4).await;
    send(21..41).await;
    clock.0.store(61_000, Ordering::Relaxed);
    send(41..61).await;
    for message in topics.read(&topics.settings.topic).await {
        let order: i64 = message.key.parse().unwrap();
        let partitions = if order < 41 { 2 } else { 4 };
        let expected = partition_of(message.key.as_bytes(), partitions);
        assert_eq!(u32::try_from(message.partition).unwrap(), expected, "order {order}");
    }
}

/// What a request takes at least beside its batch: with the batch it must not exceed 8 KiB.
const FRAME_HEAD_MIN_BYTES: usize = 90;

/// A longer request takes 44 ms, in which fifty short ones pass. The broker measures what it takes.
#[tokio::test]
async fn requests_are_filled_and_never_too_long_to_be_fast() {
    let room = (FRAME_MAX_BYTES - FRAME_HEAD_MIN_BYTES).to_string();
    let topics = Topics::fresh(&Broker::shared(), &[("max.message.bytes", &room)]).await;
    let topic = &topics.settings.topic;
    let client = KafkaClient::new(topics.settings.clone());
    // The longest events there are: late orders, and a trace.
    let records = trade(1_000_000_000_000_000_000, 100).iter().map(outgoing).collect();
    let parts = fill(topic, records, Outgoing::bytes_max);
    let bytes: usize = parts[0].iter().map(content_bytes).sum();
    assert!(
        bytes > FRAME_MAX_BYTES / 2,
        "{bytes} bytes in the first of {}",
        parts.len()
    );
    for part in parts {
        client
            .append(topic, 0, part, topics.settings.publish_timeout)
            .await
            .unwrap();
    }
    assert_eq!(topics.read(topic).await.len(), 300);
}

fn content_bytes(record: &Outgoing) -> usize {
    let length = |part: &Option<Vec<u8>>| part.as_ref().map_or(0, Vec::len);
    let headers = record.headers.iter().map(|(name, value)| name.len() + value.len());
    length(&record.key) + length(&record.value) + headers.sum::<usize>()
}

fn outgoing(event: &OrderEvent) -> Outgoing {
    let message = Message::encode(event);
    Outgoing {
        headers: message.headers(),
        key: Some(message.key.into_vec()),
        value: Some(message.value.into_vec()),
        sent: Now.now(),
    }
}
