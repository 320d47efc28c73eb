//! Events, a publisher of them, and what was seen of them.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use adapters::kafka::client::KafkaClient;
use adapters::kafka::producer::KafkaPublisher;
use adapters::kafka::settings::KafkaSettings;
use adapters::kafka::testing::Standing;
use domain::clock::{Clock, Moment};
use domain::order::event::{OrderEvent, StatusChange};
use domain::order::ports::EventPublisher;
use domain::order::status::OrderStatus;
use domain::testing::build::order_id;
use domain::trace::TraceContext;
use domain::types::EventId;

/// The machine's time: brokers delete what is old.
#[derive(Debug)]
pub(crate) struct Now;

impl Clock for Now {
    #[expect(
        clippy::disallowed_methods,
        reason = "brokers delete what is old by the machine's time"
    )]
    fn now(&self) -> Moment {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Moment::from_unix_millis(i64::try_from(since.as_millis()).unwrap())
    }
}

pub(crate) fn publisher(settings: &KafkaSettings) -> KafkaPublisher<Now> {
    KafkaPublisher::new(Arc::new(KafkaClient::new(settings.clone())), Now)
}

/// Event `id` of an order.
pub(crate) fn event(id: i64, order: i64, status: OrderStatus, trace: Option<TraceContext>) -> OrderEvent {
    OrderEvent {
        id: EventId::try_from(id).unwrap(),
        change: StatusChange {
            order: order_id(order),
            status,
            moment: Moment::parse("2026-01-02T03:04:05.678Z").unwrap(),
            trace,
        },
    }
}

/// The three events of each order from `first` on, interleaved as orders in flight are.
pub(crate) fn trade(first: i64, orders: i64) -> Vec<OrderEvent> {
    let statuses = [OrderStatus::New, OrderStatus::AwaitingPayment, OrderStatus::Payed];
    let mut events = Vec::new();
    for (step, status) in statuses.into_iter().enumerate() {
        for order in first..first + orders {
            let id = first * 3 + i64::try_from(step).unwrap() * orders + order - first;
            events.push(event(id, order, status, TraceContext::new(1, 2, 1)));
        }
    }
    events
}

/// Sends as the relay does: what was not acknowledged is sent again, until all is. How many calls failed.
pub(crate) async fn send_all(publisher: &impl EventPublisher, events: Vec<OrderEvent>) -> usize {
    let mut left = events;
    let mut failures = 0;
    let work = async {
        while !left.is_empty() {
            let published = publisher.publish(left.iter().take(512).cloned().collect()).await;
            let done: HashSet<EventId> = published.acknowledged.into_iter().collect();
            left.retain(|event| !done.contains(&event.id));
            if published.error.is_some() {
                failures += 1;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(120), work)
        .await
        .expect("the events are acknowledged in the end");
    failures
}

/// First occurrences by order, in the order of the topic; and how many repeats there were.
pub(crate) fn first_occurrences(standing: &[Standing]) -> (BTreeMap<i64, Vec<String>>, usize) {
    let mut seen = HashSet::new();
    let mut first: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    let mut repeats = 0;
    for message in standing {
        if seen.insert(message.headers["event-id"].clone()) {
            let value: serde_json::Value = serde_json::from_str(&message.value).unwrap();
            let order = value["order_id"].as_i64().unwrap();
            first
                .entry(order)
                .or_default()
                .push(value["status"].as_str().unwrap().to_owned());
        } else {
            repeats += 1;
        }
    }
    (first, repeats)
}

/// That every event of [`trade`] is there, first occurrences in order per order.
pub(crate) fn assert_complete(standing: &[Standing], orders: std::ops::Range<i64>) -> usize {
    let (first, repeats) = first_occurrences(standing);
    assert_eq!(first.keys().copied().collect::<Vec<_>>(), orders.collect::<Vec<_>>());
    for (order, statuses) in first {
        assert_eq!(statuses, ["new", "awaiting payment", "payed"], "order {order}");
    }
    repeats
}
