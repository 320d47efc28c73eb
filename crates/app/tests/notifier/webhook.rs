//! Events posted to a receiver that fails, stalls and refuses.

use adapters::kafka::testing::{Broker, Topics};
use serde_json::Value;

use super::harness::{Notifier, assert_complete, publish, trade, until};
use super::receiver::{Answer, Receiver};

/// Events of the receiver as lines, for the same check.
fn as_lines(acknowledged: &[Value]) -> Vec<Value> {
    let line = |event: &Value| serde_json::json!({"event_id": event["id"], "order_id": event["data"]["order_id"], "status": event["data"]["status"]});
    acknowledged.iter().map(line).collect()
}

#[tokio::test]
async fn a_receiver_that_fails_and_stalls_gets_everything_in_order_and_a_line_follows_each() {
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    publish(&topics, trade(1, 30)).await;
    // One request of four does not go through.
    let receiver = Receiver::start(|_, before| match before % 20 {
        0 => Answer::Status(500),
        4 => Answer::Stall,
        8 => Answer::Status(503),
        12 => Answer::Status(408),
        16 if before == 16 => Answer::Busy(429),
        16 => Answer::Status(302),
        _ => Answer::Status(204),
    });
    let notifier = Notifier::start(&topics, &receiver.settings());
    let lines = notifier.until_events(90).await;
    let repeats = assert_complete(&as_lines(&receiver.acknowledged()), 1..31);
    assert_eq!(repeats, 0, "it acknowledged each once");
    assert_eq!(assert_complete(&lines, 1..31), 0);
    assert!(receiver.requests() > 110, "{} requests", receiver.requests());
    assert_eq!(
        topics.read(&topics.settings.dead_letter_topic).await,
        [],
        "none of these is the event's fault"
    );
    notifier.stop().await;
}

#[tokio::test]
async fn what_it_refuses_becomes_a_dead_letter_and_does_not_stop_the_others() {
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    publish(&topics, trade(1, 20)).await;
    let receiver = Receiver::start(|event, _| match event["data"]["order_id"].as_i64() {
        Some(7) => Answer::Status(422),
        _ => Answer::Status(200),
    });
    let notifier = Notifier::start(&topics, &receiver.settings());
    notifier.until_events(57).await;
    until("the letters", async || {
        notifier.said("event sent to the dead letters").len() == 3
    })
    .await;
    let letters = topics.read(&topics.settings.dead_letter_topic).await;
    assert_eq!(letters.len(), 3);
    for letter in &letters {
        assert_eq!(
            (letter.key.as_str(), letter.headers["dlq-reason"].as_str()),
            ("7", "the webhook answered 422 Unprocessable Entity")
        );
        assert!(letter.value.contains(r#""order_id":7"#));
    }
    let got = as_lines(&receiver.acknowledged());
    assert!(got.iter().all(|line| line["order_id"] != 7));
    assert_eq!(got.len(), 57);
    notifier.stop().await;
}

/// The receiver is away about one partition's orders only: the other partition goes on, nothing of the
/// waiting one is skipped, and at the end it ends in order.
#[tokio::test]
async fn while_it_does_not_answer_the_partition_waits_and_an_end_leaves_it_to_the_next() {
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    publish(&topics, trade(1, 60)).await;
    let of = |order: i64| adapters::events::partition_of(order.to_string().as_bytes(), 2);
    let receiver = Receiver::start(move |event, _| match event["data"]["order_id"].as_i64().map(of) {
        Some(0) => Answer::Stall,
        _ => Answer::Status(200),
    });
    let notifier = Notifier::start(&topics, &receiver.settings());
    let others = (1..61).filter(|order| of(*order) == 1).count();
    let lines = notifier.until_events(others * 3).await;
    until("it is told", async || !notifier.said("an event waits").is_empty()).await;
    assert!(lines.iter().all(|line| line["partition"] == 1));
    assert_eq!(notifier.stop().await.len(), others * 3);
    receiver.rule(|_, _| Answer::Status(200));
    let again = Notifier::start(&topics, &receiver.settings());
    let rest = again.until_events((60 - others) * 3).await;
    assert!(
        rest.iter().all(|line| line["partition"] == 0),
        "the others were committed"
    );
    assert_complete(&as_lines(&receiver.acknowledged()), 1..61);
    again.stop().await;
}
