//! Three brokers: whichever leads a partition dies, another one leads, and both sides of the topic go on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use adapters::kafka::settings::KafkaSettings;
use adapters::kafka::testing::{Broker, Standing, Topics};
use serde_json::{Value, json};

use super::figures::{self, figure, rounds};
use super::harness::{Notifier, PATIENCE, assert_complete, publish_by, publisher, trade};
use super::tally::Tally;

/// Well above the session of a broker, 3 s, on a machine that does other things too.
const GOES_ON_WITHIN: Duration = Duration::from_secs(60);

/// Trades until it is stopped; the order behind the last one, and how many calls failed.
async fn load(settings: KafkaSettings, stop: Arc<AtomicBool>) -> (i64, usize) {
    // With the bounds that LOMS has by default.
    let bounds = KafkaSettings::new(Vec::new());
    let publisher = publisher(&KafkaSettings {
        connect_timeout: bounds.connect_timeout,
        publish_timeout: bounds.publish_timeout,
        ..settings
    });
    let (mut next, mut failures) = (1, 0);
    while !stop.load(Ordering::Relaxed) {
        failures += publish_by(&publisher, trade(next, 10)).await;
        next += 10;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (next, failures)
}

/// Messages as lines, in the order of their partitions.
fn as_line(message: &Standing) -> Value {
    let value: Value = serde_json::from_str(&message.value).unwrap();
    json!({ "event_id": message.headers["event-id"], "order_id": value["order_id"], "status": value["status"] })
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_leader_dies_another_leads_and_both_sides_go_on() {
    let brokers = Broker::three();
    let topics = Topics::fresh(&brokers, &[("min.insync.replicas", "2")]).await;
    let tally = Arc::<Mutex<Tally>>::default();
    let seen = || tally.lock().unwrap().unique;
    let stop = Arc::<AtomicBool>::default();
    let trading = tokio::spawn(load(topics.settings.clone(), Arc::clone(&stop)));
    let members: Vec<Notifier> = (0..2).map(|_| Notifier::counted(&topics, &[], &tally)).collect();
    figures::until("the first events", PATIENCE, async || seen() > 300).await;
    let (mut elections, mut pauses) = (Vec::new(), Vec::new());
    for round in 0..rounds(2, 10) {
        let partition = i32::try_from(round % 2).unwrap();
        let (old, _) = topics.leader(partition).await.expect("somebody leads");
        brokers.kill_one(old);
        let elected = figures::until("another leader", GOES_ON_WITHIN, async || {
            topics.leader(partition).await.is_some_and(|(new, _)| new != old)
        });
        elections.push(elected.await);
        let before = seen();
        pauses.push(figures::until("events go on", GOES_ON_WITHIN, async || seen() > before + 300).await);
        brokers.start_one(old);
        figures::until("three copies in sync", GOES_ON_WITHIN, async || {
            let (first, second) = (topics.leader(0).await, topics.leader(1).await);
            matches!((first, second), (Some((_, 3)), Some((_, 3))))
        })
        .await;
    }
    stop.store(true, Ordering::Relaxed);
    let (next, failures) = trading.await.unwrap();
    let count = usize::try_from(next - 1).unwrap() * 3;
    figures::until("all events", PATIENCE, async || seen() == count).await;
    for member in members {
        member.stop().await;
    }
    let lines: Vec<Value> = topics.read(&topics.settings.topic).await.iter().map(as_line).collect();
    let tally = tally.lock().unwrap();
    tally.assert_complete(1..usize::try_from(next).unwrap());
    let rewritten = assert_complete(&lines, 1..next);
    figure(format_args!(
        "{} leaders of three brokers killed: another leads after {}, 300 events more after {}; {count} events, \
         {failures} calls of the publisher failed, {rewritten} written twice, {} lines twice",
        elections.len(),
        figures::spread(&elections),
        figures::spread(&pauses),
        tally.repeats
    ));
    assert!(failures > 0, "no death of a leader was felt");
}
