//! What is no event: it goes to the dead letters, is told, and does not stop the others.

use std::collections::BTreeSet;

use adapters::kafka::letters::{Letters, LettersError};
use adapters::kafka::testing::{Broker, Topics};

use super::figures::{self, figure, size};
use super::harness::{MEMORY_MAX_KIB, Notifier, PATIENCE, Stranger, assert_complete, publish, trade, until};

/// The values of the dead letters: bytes, where [`Topics::read`] gives texts.
async fn letters(topics: &Topics) -> Vec<Option<Vec<u8>>> {
    let settings = topics.settings.clone();
    let reading = tokio::task::spawn_blocking(move || {
        let mut all = Vec::new();
        let letters = Letters::open(&settings, PATIENCE).unwrap();
        let read = letters.read(true, |letter| {
            all.push(letter.value);
            Ok::<(), LettersError>(())
        });
        read.unwrap();
        all
    });
    reading.await.unwrap()
}

/// A value, an event id, and what is said about them.
type Poison = (Option<&'static [u8]>, Option<&'static str>, &'static str);

/// Not events.
const POISON: [Poison; 6] = [
    (Some(b"not JSON"), Some("p1"), "expected ident"),
    (Some(b"{}"), Some("p2"), "missing field"),
    (
        Some(br#"{"order_id":1,"status":"new","moment":"2026-01-02T03:04:05.678Z","more":1}"#),
        Some("p3"),
        "unknown field",
    ),
    (
        Some(br#"{"order_id":-1,"status":"new","moment":"2026-01-02T03:04:05.678Z"}"#),
        Some("p4"),
        "not an order event",
    ),
    (
        Some(br#"{"order_id":1,"status":"new","moment":"2026-01-02T03:04:05.678Z"}"#),
        None,
        "no event-id header",
    ),
    (None, Some("p6"), "no value"),
];

#[tokio::test]
async fn poison_among_good_events_is_kept_with_where_it_was_and_why() {
    // Between the poison; three events each.
    let orders = i64::try_from(size(50, 500)).unwrap();
    let last = 1 + 7 * orders;
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    let mut places = BTreeSet::new();
    for (at, (value, event_id, _)) in POISON.iter().enumerate() {
        publish(&topics, trade(1 + orders * i64::try_from(at).unwrap(), orders)).await;
        let partition = i32::try_from(at % 2).unwrap();
        let offset = Stranger::of(&topics).send(partition, *value, *event_id).await;
        places.insert((partition, offset));
    }
    publish(&topics, trade(last - orders, orders)).await;
    let notifier = Notifier::start(&topics, &[]);
    let good = usize::try_from(orders * 21).unwrap();
    let mut peak = 0;
    figures::until("events", PATIENCE, async || {
        peak = peak.max(notifier.resident_kib());
        notifier.times("order event") >= good
    })
    .await;
    assert_eq!(assert_complete(&notifier.events(), 1..last), 0);
    figure(format_args!(
        "{} poisonous among {good} good events: all of both arrived, at most {} MiB",
        POISON.len(),
        peak / 1024
    ));
    assert!((1..MEMORY_MAX_KIB).contains(&peak), "{peak} KiB");
    until("all letters", async || {
        notifier.said("event sent to the dead letters").len() == POISON.len()
    })
    .await;
    let letters = topics.read(&topics.settings.dead_letter_topic).await;
    let number = |text: &str| text.parse::<i64>().unwrap();
    let found = letters.iter().map(|letter| {
        let at = |name: &str| number(&letter.headers[name]);
        (i32::try_from(at("dlq-partition")).unwrap(), at("dlq-offset"))
    });
    assert_eq!(found.collect::<BTreeSet<_>>(), places);
    for (value, event_id, reason) in POISON {
        let value = value
            .map(|value| std::str::from_utf8(value).unwrap())
            .unwrap_or_default();
        let letter = letters
            .iter()
            .find(|letter| letter.value == value && letter.headers.get("event-id").map(String::as_str) == event_id);
        let letter = letter.unwrap_or_else(|| panic!("{value} {event_id:?} is not among {letters:?}"));
        assert!(letter.headers["dlq-reason"].contains(reason), "{letter:?}");
        assert_eq!(letter.headers["dlq-topic"], topics.settings.topic);
    }
    let told = notifier.said("event sent to the dead letters").into_iter().map(|line| {
        assert_eq!(
            (&line["level"], &line["topic"]),
            (&"error".into(), &topics.settings.topic.as_str().into())
        );
        (
            i32::try_from(line["partition"].as_i64().unwrap()).unwrap(),
            line["offset"].as_i64().unwrap(),
        )
    });
    assert_eq!(told.collect::<BTreeSet<_>>(), places);
    notifier.stop().await;
}

/// Bytes without any sense, none lost: each is a dead letter.
#[tokio::test]
async fn random_bytes_become_dead_letters_one_by_one() {
    let messages = size(300, 10_000);
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let values = (0..messages).map(|_| (0..random() % 200).map(|_| random().to_le_bytes()[0]).collect());
    let values: Vec<Vec<u8>> = values.collect();
    let stranger = Stranger::of(&topics);
    for (at, some) in values.chunks(500).enumerate() {
        let send = some.iter().zip(at * 500..);
        let send = send.map(|(value, at)| stranger.send(i32::from(at % 2 == 1), Some(value), Some("random")));
        futures::future::join_all(send).await;
    }
    publish(&topics, trade(1, 10)).await;
    let began = figures::now();
    let notifier = Notifier::start(&topics, &[]);
    let mut peak = 0;
    figures::until("all letters", 4 * PATIENCE, async || {
        peak = peak.max(notifier.resident_kib());
        notifier.times("event sent to the dead letters") == messages
    })
    .await;
    let took = began.elapsed().as_millis();
    let lines = notifier.until_events(30).await;
    assert_eq!(assert_complete(&lines, 1..11), 0);
    notifier.stop().await;
    // Each is kept as it came, once.
    let mut kept = letters(&topics).await;
    let mut sent: Vec<Option<Vec<u8>>> = values.into_iter().map(Some).collect();
    kept.sort_unstable();
    sent.sort_unstable();
    assert!(kept == sent, "the dead letters are not what was sent");
    figure(format_args!(
        "{messages} events of random bytes: dead letters in {took} ms, at most {} MiB",
        peak / 1024
    ));
    assert!((1..MEMORY_MAX_KIB).contains(&peak), "{peak} KiB");
}

/// Few and long: what is held is bounded by bytes too, while the dead letters take their time.
#[tokio::test(flavor = "multi_thread")]
async fn the_longest_messages_there_are_do_not_fill_the_memory() {
    const LONG: usize = 900_000;
    /// Resident, KiB: all of them at once take more.
    const MEMORY_MAX: u64 = 160 * 1024;
    let messages = size(250, 600);
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    let (stranger, value) = (Stranger::of(&topics), vec![b'x'; LONG]);
    for at in 0..messages {
        stranger.send(i32::from(at % 2 == 1), Some(&value), Some("long")).await;
    }
    let notifier = Notifier::start(&topics, &[]);
    let mut peak = 0;
    let took = figures::until("all letters", 4 * PATIENCE, async || {
        peak = peak.max(notifier.resident_kib());
        notifier.times("event sent to the dead letters") == messages
    })
    .await;
    notifier.stop().await;
    figure(format_args!(
        "{messages} messages of {LONG} bytes: dead letters in {} ms, at most {} MiB",
        took.as_millis(),
        peak / 1024
    ));
    assert!(peak < MEMORY_MAX, "{peak} KiB");
}

#[tokio::test]
async fn while_the_dead_letter_topic_is_missing_the_partition_waits_and_the_other_goes_on() {
    let topics = Topics::missing(&Broker::shared());
    topics.create(&topics.settings.topic, 2, &[]).await;
    Stranger::of(&topics).send(0, Some(b"poison"), Some("p")).await;
    publish(&topics, trade(1, 40)).await;
    let of = |order: &i64| adapters::events::partition_of(order.to_string().as_bytes(), 2) == 1;
    let notifier = Notifier::start(&topics, &[]);
    let others = (1..41).filter(of).count() * 3;
    let lines = notifier.until_events(others).await;
    until("it is told", async || !notifier.said("an event waits").is_empty()).await;
    assert!(
        lines.iter().all(|line| line["partition"] == 1),
        "nothing overtakes the one that waits"
    );
    topics.create(&topics.settings.dead_letter_topic, 1, &[]).await;
    assert_eq!(assert_complete(&notifier.until_events(120).await, 1..41), 0);
    assert_eq!(topics.read(&topics.settings.dead_letter_topic).await.len(), 1);
    notifier.stop().await;
}
