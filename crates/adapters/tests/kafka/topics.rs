//! The topics are created as they should be, once, and what differs is told.

use std::time::Duration;

use adapters::kafka::testing::{Broker, Topics};
use adapters::kafka::topics::{Difference, TopicShape, TopicsError, ensure};

const WITHIN: Duration = Duration::from_secs(30);

fn shapes(topics: &Topics) -> [TopicShape; 2] {
    let shape = |name: &str, partitions, days: u64| TopicShape {
        name: name.to_owned(),
        partitions,
        replication_factor: 1,
        retention: Duration::from_secs(days * 86_400),
    };
    [
        shape(&topics.settings.topic, 2, 7),
        shape(&topics.settings.dead_letter_topic, 1, 30),
    ]
}

#[tokio::test]
async fn missing_topics_are_created_and_there_is_nothing_to_do_the_second_time() {
    let topics = Topics::missing(&Broker::shared());
    let shapes = shapes(&topics);
    let created = ensure(&topics.settings, &shapes, WITHIN).await.unwrap();
    assert_eq!(created, [shapes[0].name.clone(), shapes[1].name.clone()]);
    assert_eq!(
        ensure(&topics.settings, &shapes, WITHIN).await.unwrap(),
        Vec::<String>::new()
    );
    assert!(topics.read(&shapes[0].name).await.is_empty());
}

#[tokio::test]
async fn what_differs_is_told_and_nothing_is_created() {
    let topics = Topics::missing(&Broker::shared());
    let [events, letters] = shapes(&topics);
    topics.create(&events.name, 3, &[("retention.ms", "3600000")]).await;
    let told = ensure(&topics.settings, &[events.clone(), letters.clone()], WITHIN).await;
    let Err(TopicsError::Differ(differ)) = told else {
        panic!("not told: {told:?}")
    };
    let difference = |what: &str, found: &str, wanted: &str| Difference {
        topic: events.name.clone(),
        what: what.to_owned(),
        found: found.to_owned(),
        wanted: wanted.to_owned(),
    };
    let expected = [
        difference("partitions", "3", "2"),
        difference("retention.ms", "3600000", "604800000"),
    ];
    assert_eq!(differ, expected);
    assert_eq!(
        expected[0].to_string(),
        format!("{} has partitions 3, not 2", events.name)
    );
    assert_eq!(
        ensure(&topics.settings, std::slice::from_ref(&letters), WITHIN)
            .await
            .unwrap(),
        [letters.name],
        "it was not created beside the one that differs"
    );
}

#[tokio::test]
async fn without_a_broker_it_ends_and_says_so() {
    let topics = Topics::missing(&Broker::shared());
    let mut settings = topics.settings.clone();
    settings.brokers = vec!["127.0.0.1:1".to_owned()];
    let told = ensure(&settings, &shapes(&topics), Duration::from_secs(2)).await;
    assert!(matches!(told, Err(TopicsError::Look(_))), "{told:?}");
}
