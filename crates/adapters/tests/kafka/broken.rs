//! Brokers that are not there, frozen, or killed: every wait ends, nothing is lost, and it goes on by
//! itself when they are back.

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

    let mut failures = 0;
    for round in 0..3 {
        let first = 21 + round * 20_000;
        let stream = tokio::spawn({
            let events: Vec<_> = (0..20).flat_map(|part| trade(first + part * 1_000, 1_000)).collect();
            let publisher = super::support::publisher(&topics.settings);
            async move { send_all(&publisher, events).await }
        });
        tokio::time::sleep(Duration::from_millis(100 + 150 * u64::try_from(round).unwrap())).await;
        broker.kill();
        assert!(
            !stream.is_finished(),
            "round {round}: killed after the stream, not in it"
        );
        broker.start();
        let failed = stream.await.unwrap();
        assert!(failed > 0, "round {round}: the kill was not felt");
        failures += failed;
    }
    let standing = topics.read(&topics.settings.topic).await;
    let repeats = assert_complete(&standing, 1..60_021);
    println!("{} events, {repeats} repeats, {failures} calls failed", standing.len());
}
