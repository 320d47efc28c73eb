//! `app dlq`: dead letters are shown, and sent back once, with the event ids that they had.

use adapters::kafka::testing::{Broker, Topics};
use serde_json::Value;

use super::harness::{Notifier, Stranger, ids, publish, run, trade, until};
use super::receiver::{Answer, Receiver};

fn listed(topics: &Topics, arguments: &[&str]) -> Vec<Value> {
    let (code, said, error) = run(topics, &[&["dlq", "list"], arguments].concat());
    assert_eq!(code, 0, "{error}");
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn letters_are_shown_and_sent_back_once() {
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    publish(&topics, trade(1, 10)).await;
    let receiver = Receiver::start(|event, _| match event["data"]["order_id"].as_i64() {
        Some(3) => Answer::Status(400),
        _ => Answer::Status(200),
    });
    let notifier = Notifier::start(&topics, &receiver.settings());
    notifier.until_events(27).await;
    until("the letters", async || {
        notifier.said("event sent to the dead letters").len() == 3
    })
    .await;

    let shown = listed(&topics, &[]);
    assert_eq!(shown.len(), 3);
    for (letter, (event_id, status)) in shown
        .iter()
        .zip([("9", "new"), ("10", "awaiting payment"), ("11", "payed")])
    {
        assert_eq!((&letter["event_id"], &letter["key"]), (&event_id.into(), &"3".into()));
        assert!(letter["value"].as_str().unwrap().contains(status));
        assert_eq!(letter["topic"], topics.settings.topic);
        assert_eq!(letter["replayed"], false);
        assert_eq!(letter["reason"], "the webhook answered 400 Bad Request");
        assert!(letter["partition"].is_i64() && letter["offset"].is_i64() && letter["written"].is_string());
    }
    let (code, said, _) = run(&topics, &["dlq", "replay", "--dry-run"]);
    assert_eq!(
        (code, said.lines().last().unwrap()),
        (0, "3 dead letters would be sent back, 0 passed over")
    );
    assert_eq!(listed(&topics, &[]).len(), 3, "a dry run changes nothing");

    receiver.rule(|_, _| Answer::Status(200));
    let (code, said, error) = run(&topics, &["dlq", "replay", "--skip", "0/1"]);
    assert_eq!(code, 0, "{error}");
    assert_eq!(
        said.lines().collect::<Vec<_>>(),
        [
            "0/0 was sent back",
            "0/1 is passed over: as you asked for",
            "0/2 was sent back",
            "2 dead letters were sent back, 1 passed over"
        ]
    );
    let lines = notifier.until_events(29).await;
    assert_eq!(ids(&lines[27..]), ["9", "11"], "under the ids that they had");
    assert!(
        lines[27..]
            .iter()
            .all(|line| line["trace_id"] == "0000000000000000000000000000000a")
    );

    let (code, said, _) = run(&topics, &["dlq", "replay"]);
    assert_eq!((code, said.trim()), (0, "0 dead letters were sent back, 0 passed over"));
    assert_eq!(listed(&topics, &[]), Vec::<Value>::new());
    let all = listed(&topics, &["--all"]);
    assert!(all.len() == 3 && all.iter().all(|letter| letter["replayed"] == true));
    notifier.stop().await;
}

/// Bytes that are no text come back as they were.
#[tokio::test]
async fn poison_that_is_sent_back_comes_back_to_the_letters_unchanged() {
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    Stranger::of(&topics).send(1, Some(b"{\"no event\""), Some("p")).await;
    let notifier = Notifier::start(&topics, &[]);
    until("the letter", async || {
        notifier.said("event sent to the dead letters").len() == 1
    })
    .await;
    assert_eq!(run(&topics, &["dlq", "replay"]).0, 0);
    until("again", async || {
        notifier.said("event sent to the dead letters").len() == 2
    })
    .await;
    let letters = topics.read(&topics.settings.dead_letter_topic).await;
    assert_eq!(letters[0].value, letters[1].value);
    let (mut first, mut second) = (letters[0].headers.clone(), letters[1].headers.clone());
    assert_eq!(
        (
            first.remove("dlq-offset").as_deref(),
            second.remove("dlq-offset").as_deref()
        ),
        (Some("0"), Some("1"))
    );
    assert_eq!(first, second, "its partition too");
    assert_eq!(listed(&topics, &[]).len(), 1, "only the second one is to be sent back");
    notifier.stop().await;
}

#[tokio::test]
async fn without_a_topic_or_brokers_it_says_what_to_do() {
    let topics = Topics::missing(&Broker::shared());
    let (code, _, error) = run(&topics, &["dlq", "list"]);
    assert_eq!(code, 1);
    assert!(
        error.contains("there is no topic") && error.contains("app topics"),
        "{error}"
    );
    let (code, _, error) = run(&topics, &["dlq", "replay", "--skip", "7"]);
    assert_eq!(code, 2);
    assert!(error.contains("PARTITION/OFFSET"), "{error}");
}
