//! Dead letters of the notifier: whole where the broker takes them, without their value where it does
//! not, and a failure in time where it does not answer; and how they are sent back, batch by batch.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use adapters::kafka::client::KafkaClient;
use adapters::kafka::letters::{Letter, Letters, LettersError};
use adapters::kafka::replay::{BATCH_MAX, Replay, send_back};
use adapters::kafka::settings::KafkaSettings;
use adapters::kafka::testing::{Broker, Topics};
use adapters::kafka::undelivered::KafkaDeadLetters;
use domain::clock::Clock;
use domain::notify::ports::{DeadLetters, Delivery, Position, Unreadable};

use super::support::Now;

const PATIENCE: Duration = Duration::from_secs(60);

fn dead_letters(settings: &KafkaSettings) -> KafkaDeadLetters {
    KafkaDeadLetters::new(Arc::new(KafkaClient::new(settings.clone())), || Now.now())
}

fn delivery(offset: i64, value: Vec<u8>) -> Delivery {
    Delivery {
        position: Position { partition: 1, offset },
        content: Err(Unreadable("planted".to_owned())),
        key: Some((*b"7").into()),
        value: Some(value.into()),
        headers: BTreeMap::from([("event-id".to_owned(), b"e7".to_vec())]),
    }
}

async fn read(settings: &KafkaSettings) -> Vec<Letter> {
    let settings = settings.clone();
    let reading = tokio::task::spawn_blocking(move || {
        let mut all = Vec::new();
        let letters = Letters::open(&settings, PATIENCE).unwrap();
        letters
            .read(true, |letter| {
                all.push(letter);
                Ok::<(), LettersError>(())
            })
            .unwrap();
        all
    });
    reading.await.unwrap()
}

#[tokio::test]
async fn one_that_is_too_long_is_kept_without_its_value_and_says_so() {
    let topics = Topics::missing(&Broker::shared());
    let name = &topics.settings.dead_letter_topic;
    topics.create(name, 1, &[("max.message.bytes", "2000")]).await;
    let letters = dead_letters(&topics.settings);
    letters.put(&delivery(3, b"short".to_vec()), "planted").await.unwrap();
    letters.put(&delivery(4, vec![b'x'; 4_000]), "planted").await.unwrap();
    letters
        .put(&delivery(5, b"short".to_vec()), &"long ".repeat(10_000))
        .await
        .unwrap();
    let kept = read(&topics.settings).await;
    assert_eq!(kept.len(), 3);
    for (letter, offset) in kept.iter().zip(3..) {
        assert_eq!(letter.origin(), Some(Position { partition: 1, offset }));
        assert_eq!(letter.event_id().as_deref(), Some("e7"));
        assert_eq!(letter.topic().as_deref(), Some(topics.settings.topic.as_str()));
    }
    let (whole, cut) = (&kept[0], &kept[1]);
    assert_eq!(
        (whole.key.as_deref(), whole.value.as_deref()),
        (Some(&b"7"[..]), Some(&b"short"[..]))
    );
    assert_eq!((whole.left_out(), whole.reason().as_deref()), (None, Some("planted")));
    assert_eq!((cut.key.as_deref(), cut.value.as_deref()), (None, None));
    assert!(cut.left_out().unwrap().contains("refused by the broker"), "{cut:?}");
    assert!(kept[2].reason().unwrap().len() < 2_000, "a reason is bounded");
}

/// What came back, by event id.
async fn back(topics: &Topics) -> Vec<String> {
    let standing = topics.read(&topics.settings.topic).await;
    standing
        .into_iter()
        .map(|message| message.headers["event-id"].clone())
        .collect()
}

/// It was sent and nobody remembers: the next one sends that batch again, under the same ids, and what was
/// remembered not. Both are in one order.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_ends_before_it_remembers_has_its_batch_sent_once_more() {
    const LETTERS: i64 = 600;
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    let letters = dead_letters(&topics.settings);
    for offset in 0..LETTERS {
        let mut delivery = delivery(offset, b"no event".to_vec());
        let id = offset.to_string().into_bytes();
        delivery.headers.insert("event-id".to_owned(), id);
        letters.put(&delivery, "planted").await.unwrap();
    }
    let settings = topics.settings.clone();
    let runtime = tokio::runtime::Handle::current();
    let sizes = tokio::task::spawn_blocking(move || {
        let client = KafkaClient::new(settings.clone());
        let mut sizes = Vec::new();
        // The first one remembers a batch and not the second, the next one all of them.
        for forgotten in [Some(1), None] {
            let opened = Letters::open(&settings, PATIENCE).unwrap();
            let mut replay = Replay::join(&settings, &opened).unwrap();
            for at in 0.. {
                let batch = replay.next_batch().unwrap();
                let all: Vec<&Letter> = batch.iter().collect();
                let sent = runtime.block_on(send_back(&client, &all, Now.now()));
                assert!(sent.failure.is_none() && sent.sent.len() == batch.len(), "{sent:?}");
                sizes.push(batch.len());
                if batch.is_empty() || forgotten == Some(at) {
                    break;
                }
                replay.mark(&batch, |_| true).unwrap();
            }
        }
        sizes
    });
    let sizes = sizes.await.unwrap();
    assert!(sizes.iter().all(|size| *size <= BATCH_MAX), "{sizes:?}");
    let expected = (0..sizes[0] + sizes[1]).chain(sizes[0]..usize::try_from(LETTERS).unwrap());
    let expected: Vec<String> = expected.map(|id| id.to_string()).collect();
    assert_eq!(back(&topics).await, expected);
}

/// Connections are taken, also while nobody is there to speak: by a broker that stands still, and by
/// what is none.
#[tokio::test]
async fn while_it_is_silent_it_fails_in_time_and_is_put_when_it_speaks() {
    let broker = Broker::own();
    let topics = Topics::fresh(&broker, &[]).await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let bounded = |brokers: Vec<String>| KafkaSettings {
        brokers,
        connect_timeout: Duration::from_millis(500),
        publish_timeout: Duration::from_secs(1),
        ..topics.settings.clone()
    };
    let never = dead_letters(&bounded(vec![listener.local_addr().unwrap().to_string()]));
    let letters = dead_letters(&bounded(topics.settings.brokers.clone()));
    let fails = async |letters: &KafkaDeadLetters, id: i64| {
        let delivery = delivery(id, b"silent".to_vec());
        let put = tokio::time::timeout(PATIENCE, letters.put(&delivery, "planted"));
        assert!(put.await.expect("in time").is_err());
    };
    fails(&never, 1).await;
    let first = delivery(2, b"first".to_vec());
    letters.put(&first, "planted").await.unwrap();
    broker.freeze();
    for _ in 0..2 {
        fails(&letters, 3).await;
    }
    broker.thaw();
    // The next attempts go to new connections; a broker that has just woken may need more than one.
    let last = delivery(4, b"last".to_vec());
    let insist = async { while letters.put(&last, "planted").await.is_err() {} };
    tokio::time::timeout(PATIENCE, insist).await.expect("it speaks again");
    let kept = read(&topics.settings).await;
    let of = |value: &[u8]| {
        kept.iter()
            .filter(|letter| letter.value.as_deref() == Some(value))
            .count()
    };
    assert!(of(b"first") == 1 && of(b"last") >= 1, "{kept:?}");
}

#[tokio::test]
async fn while_nobody_answers_it_fails_in_time_and_so_does_looking() {
    let settings = KafkaSettings {
        connect_timeout: Duration::from_millis(200),
        publish_timeout: Duration::from_millis(500),
        ..KafkaSettings::new(vec!["127.0.0.1:9".to_owned()])
    };
    let put = dead_letters(&settings);
    let delivery = delivery(1, Vec::new());
    let put = tokio::time::timeout(PATIENCE, put.put(&delivery, "planted"));
    assert!(put.await.expect("in time").is_err());
    let opened = tokio::task::spawn_blocking(move || Letters::open(&settings, Duration::from_millis(500)).map(drop));
    let opened = tokio::time::timeout(PATIENCE, opened).await.expect("in time").unwrap();
    assert!(matches!(opened, Err(LettersError::Library(_))), "{opened:?}");
}
