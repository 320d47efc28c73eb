//! Brokers that are not there, frozen, or killed: every wait ends, nothing is lost, and it goes on by
//! itself when they are back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use adapters::kafka::client::KafkaClient;
use adapters::kafka::settings::KafkaSettings;
use adapters::kafka::testing::{Broker, Topics};
use domain::order::ports::{EventPublisher, PublishError, Published};

use super::support::{assert_complete, publisher, send_all, trade};

/// Well above every bound of the settings, for a machine that does other things too.
const BOUNDED: Duration = Duration::from_secs(20);

/// With the bounds that there are by default.
fn impatient(settings: &KafkaSettings) -> KafkaSettings {
    let bounds = KafkaSettings::new(Vec::new());
    KafkaSettings {
        connect_timeout: bounds.connect_timeout,
        publish_timeout: bounds.publish_timeout,
        ..settings.clone()
    }
}

fn reason(published: &Published) -> String {
    match &published.error {
        Some(PublishError::Down(cause)) => cause.to_string(),
        other => panic!("not down: {other:?}"),
    }
}

#[tokio::test]
async fn without_a_broker_the_call_ends_and_says_so() {
    // Taken, and not listened at.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    drop(taken);
    let settings = KafkaSettings::new(vec![address]);
    let published = publisher(&settings).publish(trade(1, 1)).await;
    assert_eq!(reason(&published), "no broker can be reached");
    assert!(published.acknowledged.is_empty());
    assert!(KafkaClient::new(settings).look().await.is_err());
}

#[tokio::test]
async fn of_several_brokers_one_that_answers_is_enough() {
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    // Takes connections and never says a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut settings = impatient(&topics.settings);
    settings.brokers.insert(0, silent.local_addr().unwrap().to_string());
    let published = publisher(&settings).publish(trade(1, 1)).await;
    assert!(published.error.is_none(), "{published:?}");
}

#[tokio::test]
async fn without_its_topic_it_says_which_command_helps() {
    let topics = Topics::missing(&Broker::shared());
    let publisher = publisher(&topics.settings);
    let published = publisher.publish(trade(1, 1)).await;
    assert!(reason(&published).ends_with("`app topics` creates it"));
    // And it goes on when it is there, without being told.
    topics.create(&topics.settings.topic, 2, &[]).await;
    send_all(&publisher, trade(1, 1)).await;
    assert_complete(&topics.read(&topics.settings.topic).await, 1..2);
}

#[tokio::test(flavor = "multi_thread")]
async fn frozen_killed_and_restarted_in_mid_stream_nothing_is_lost() {
    let broker = Broker::own();
    let mut topics = Topics::fresh(&broker, &[]).await;
    topics.settings = impatient(&topics.settings);
    let publisher = publisher(&topics.settings);
    send_all(&publisher, trade(1, 10)).await;

    broker.freeze();
    let published = tokio::time::timeout(BOUNDED, publisher.publish(trade(11, 10))).await;
    let published = published.expect("a frozen broker does not hold up a call");
    assert!(
        published.acknowledged.is_empty() && published.error.is_some(),
        "{published:?}"
    );
    let looked = tokio::time::timeout(BOUNDED, KafkaClient::new(topics.settings.clone()).look()).await;
    assert!(looked.expect("nor a look").is_err());
    broker.thaw();
    send_all(&publisher, trade(11, 10)).await;
    assert_complete(&topics.read(&topics.settings.topic).await, 1..21);

    let mut next = 21;
    for round in 0..3 {
        let stop = Arc::<AtomicBool>::default();
        let stream = tokio::spawn(stream(topics.settings.clone(), next, Arc::clone(&stop)));
        tokio::time::sleep(Duration::from_millis(100 + 150 * round)).await;
        broker.kill();
        broker.start();
        stop.store(true, Ordering::Relaxed);
        let (behind, failures) = stream.await.unwrap();
        assert!(failures > 0, "round {round}: the kill was not felt");
        next = behind;
    }
    let standing = topics.read(&topics.settings.topic).await;
    assert_complete(&standing, 1..next);
}

/// Orders from `next` on until it is stopped; the one behind the last, and how many calls failed.
async fn stream(settings: KafkaSettings, mut next: i64, stop: Arc<AtomicBool>) -> (i64, usize) {
    let publisher = publisher(&settings);
    let mut failures = 0;
    while !stop.load(Ordering::Relaxed) {
        failures += send_all(&publisher, trade(next, 1_000)).await;
        next += 1_000;
    }
    (next, failures)
}
