//! What a broker refuses becomes a dead letter and does not hold up the others.

use adapters::events::partition_of;
use adapters::kafka::testing::{Broker, Topics};
use domain::order::event::OrderEvent;
use domain::order::ports::EventPublisher;
use domain::order::status::OrderStatus;
use domain::trace::TraceContext;

use super::support::{event, publisher};

/// Room for an event without a trace, and not for one with it, nor for two of any kind.
const ROOM: (&str, &str) = ("max.message.bytes", "230");
/// Those that are too long for it.
const TOO_LONG: [i64; 3] = [17, 40, 41];

fn events() -> Vec<OrderEvent> {
    let trace = TraceContext::new(1, 2, 1);
    (1..=60)
        .map(|n| event(n, n, OrderStatus::New, trace.filter(|_| TOO_LONG.contains(&n))))
        .collect()
}

#[tokio::test]
async fn a_refused_event_becomes_a_dead_letter_and_the_others_go_on() {
    let topics = Topics::fresh(&Broker::shared(), &[ROOM]).await;
    let published = publisher(&topics.settings).publish(events()).await;
    assert!(published.error.is_none(), "{published:?}");
    assert_eq!(published.acknowledged.len(), 60);
    let mut aside: Vec<i64> = published.put_aside.iter().map(|event| event.order.get()).collect();
    aside.sort_unstable();
    assert_eq!(aside, TOO_LONG);

    let standing = topics.read(&topics.settings.topic).await;
    let orders = |partition| {
        let here = standing.iter().filter(move |message| message.partition == partition);
        here.map(|message| message.key.parse().unwrap()).collect::<Vec<i64>>()
    };
    for partition in 0..2 {
        let of = |n: &i64| partition_of(n.to_string().as_bytes(), 2) == partition;
        let expected: Vec<i64> = (1..=60).filter(|n| !TOO_LONG.contains(n)).filter(of).collect();
        assert_eq!(
            orders(i32::try_from(partition).unwrap()),
            expected,
            "partition {partition}"
        );
    }

    let letters = topics.read(&topics.settings.dead_letter_topic).await;
    assert_eq!(letters.len(), TOO_LONG.len());
    for letter in letters {
        let order: i64 = letter.key.parse().unwrap();
        assert!(TOO_LONG.contains(&order));
        assert!(
            letter.value.starts_with(&format!(r#"{{"order_id":{order},"#)),
            "{letter:?}"
        );
        assert_eq!(letter.headers["event-id"], order.to_string());
        assert_eq!(letter.headers["dlq-topic"], topics.settings.topic);
        assert!(letter.headers["dlq-reason"].contains("MessageTooLarge"), "{letter:?}");
        assert!(letter.headers.contains_key("traceparent"), "{letter:?}");
    }
}

#[tokio::test]
async fn where_dead_letters_cannot_be_put_the_partition_waits_and_the_other_goes_on() {
    let topics = Topics::missing(&Broker::shared());
    topics.create(&topics.settings.topic, 2, &[ROOM]).await;
    let published = publisher(&topics.settings).publish(events()).await;
    assert!(
        published.error.is_some() && published.put_aside.is_empty(),
        "{published:?}"
    );
    let standing = topics.read(&topics.settings.topic).await;
    assert_eq!(published.acknowledged.len(), standing.len());
    for partition in 0..2_u32 {
        let of = |n: &i64| partition_of(n.to_string().as_bytes(), 2) == partition;
        let expected: Vec<i64> = (1..=60).filter(of).take_while(|n| !TOO_LONG.contains(n)).collect();
        let here = standing
            .iter()
            .filter(|message| u32::try_from(message.partition) == Ok(partition));
        let found: Vec<i64> = here.map(|message| message.key.parse().unwrap()).collect();
        assert_eq!(found, expected, "partition {partition}");
    }
}
