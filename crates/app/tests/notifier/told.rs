//! What the notifier tells beside its lines of events: repeats once a window, and statuses that cannot
//! follow.

use std::collections::HashSet;

use adapters::kafka::testing::{Broker, Topics};

use super::harness::{Notifier, assert_complete, ids, publish, trade, until};

/// A publisher that lost an answer sends again under the same ids: each has one line, and repeats are
/// counted and told a few times, not one by one.
#[tokio::test]
async fn repeats_have_no_line_and_are_told_once_a_window() {
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    for _ in 0..3 {
        publish(&topics, trade(1, 100)).await;
    }
    let notifier = Notifier::start(&topics, &[("notifier.dedupe_window", "300")]);
    let lines = notifier.until_events(300).await;
    let metrics = async || {
        let answer = reqwest::get(format!("{}/metrics", notifier.url)).await.unwrap();
        answer.text().await.unwrap()
    };
    until("the repeats", async || {
        metrics().await.contains("notifier_repeated_events_total 600\n")
    })
    .await;
    let told = "repeated events passed over";
    // Of a partition the first at once, then once in 300 deliveries, of which 300 to 600 are left.
    let early = notifier.said(told).len();
    assert!((2..=6).contains(&early), "told {early} times");
    assert_eq!(
        notifier.stop_saying(told).await,
        (lines, 600),
        "what was not told yet is told at the end"
    );
}

/// Forgotten after so many others, it is passed on again: the memory is bounded.
#[tokio::test]
async fn beyond_the_window_a_repeat_is_passed_on() {
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    publish(&topics, trade(1, 100)).await;
    publish(&topics, trade(1, 100)).await;
    let notifier = Notifier::start(&topics, &[("notifier.dedupe_window", "10")]);
    assert_eq!(assert_complete(&notifier.until_events(600).await, 1..101), 300);
    notifier.stop().await;
}

#[tokio::test]
async fn a_status_that_cannot_follow_is_a_warning_and_passed_on_all_the_same() {
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    let mut events = trade(1, 5);
    // Of order 3 the last one comes first.
    let last = events.iter().position(|event| event.id.get() == 11).unwrap();
    let last = events.remove(last);
    events.insert(0, last);
    publish(&topics, events).await;
    let notifier = Notifier::start(&topics, &[]);
    let lines = notifier.until_events(15).await;
    let all: HashSet<String> = ids(&lines).into_iter().collect();
    assert_eq!(all.len(), 15);
    until("the warning", async || {
        !notifier.said("an event cannot follow the one before").is_empty()
    })
    .await;
    let warnings = notifier.said("an event cannot follow the one before");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let warning = &warnings[0];
    assert_eq!(
        (&warning["level"], &warning["order_id"], &warning["before"]),
        (&"warn".into(), &3.into(), &"payed".into())
    );
    notifier.stop().await;
}
