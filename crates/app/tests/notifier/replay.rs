//! `app dlq replay` in trouble: two at once, killed and frozen in the middle, a letter that is refused.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use adapters::kafka::librdkafka;
use adapters::kafka::replay::BATCH_MAX;
use adapters::kafka::testing::{Broker, Topics};
use futures::future::join_all;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};

use super::figures::{self, figure, rounds, size};
use super::harness::{PATIENCE, command, run};

/// Writes dead letters, numbered from 0, as a notifier does; some more with a value of its own.
async fn bury(topics: &Topics, count: usize, value: impl Fn(usize) -> String) {
    let producer: FutureProducer = librdkafka::config(&topics.settings).create().unwrap();
    let send = async |at: usize| {
        let (id, partition, value) = (at.to_string(), (at % 2).to_string(), value(at));
        let headers = [
            ("event-id", id.as_str()),
            ("dlq-reason", "planted"),
            ("dlq-topic", topics.settings.topic.as_str()),
            ("dlq-partition", partition.as_str()),
            ("dlq-offset", "0"),
        ];
        let headers = headers.into_iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header {
                key,
                value: Some(value),
            })
        });
        let record = FutureRecord::to(&topics.settings.dead_letter_topic).partition(0);
        let record: FutureRecord<'_, str, str> = record.key(id.as_str()).payload(value.as_str()).headers(headers);
        producer.send(record, PATIENCE).await.unwrap();
    };
    join_all((0..count).map(send)).await;
}

/// How often each letter came back.
async fn back(topics: &Topics) -> BTreeMap<usize, usize> {
    let mut times = BTreeMap::new();
    for message in topics.read(&topics.settings.topic).await {
        *times.entry(message.headers["event-id"].parse().unwrap()).or_default() += 1;
    }
    times
}

/// That letters came back, all of them; how many of them once more.
async fn assert_all_back(topics: &Topics, count: usize) -> usize {
    let times = back(topics).await;
    assert!(
        times.keys().copied().eq(0..count),
        "{} of {count} letters are back",
        times.len()
    );
    times.values().sum::<usize>() - count
}

/// A replay at work.
struct AtWork {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
}

impl AtWork {
    fn start(topics: &Topics) -> Self {
        let mut app = command(topics, &["dlq", "replay"]);
        let mut child = app.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out }
    }

    /// Reads so many lines.
    fn lines(&mut self, count: usize) {
        let mut line = String::new();
        for _ in 0..count {
            line.clear();
            assert!(self.out.read_line(&mut line).unwrap() > 0, "it has ended");
            assert!(line.ends_with("was sent back\n"), "{line}");
        }
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Its last line, and how it has ended.
    fn ended(mut self) -> (String, ExitStatus) {
        let lines = self.out.by_ref().lines().map_while(Result::ok);
        let last = lines.last().unwrap_or_default();
        (last, self.child.wait().unwrap())
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first one stands still because nobody reads what it says: so it is alive as long as the test
/// wants it to be.
#[tokio::test(flavor = "multi_thread")]
async fn while_one_is_at_work_a_second_one_is_refused_and_sends_nothing() {
    const LETTERS: usize = 10_000;
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    bury(&topics, LETTERS, |_| "not JSON".to_owned()).await;
    let first = AtWork::start(&topics);
    let (mut before, mut now) = (0, back(&topics).await.len());
    while now == 0 || before != now {
        tokio::time::sleep(Duration::from_millis(500)).await;
        (before, now) = (now, back(&topics).await.len());
    }
    assert!(now < LETTERS, "it stands still in the middle: {now}");
    let (code, said, error) = run(&topics, &["dlq", "replay"]);
    assert_eq!(code, 1, "{error}");
    assert!(said.is_empty(), "{:?}", said.lines().last());
    assert!(error.contains("another replay is at work"), "{error}");
    assert_eq!(back(&topics).await.len(), now, "nothing was sent");
    let (last, status) = first.ended();
    assert_eq!(last, format!("{LETTERS} dead letters were sent back, 0 passed over"));
    assert!(status.success());
    assert_eq!(assert_all_back(&topics, LETTERS).await, 0, "repeats");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_that_start_together_none_sends_what_another_sent() {
    const LETTERS: usize = 600;
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    bury(&topics, LETTERS, |_| "not JSON".to_owned()).await;
    let ended: Vec<_> = std::thread::scope(|scope| {
        let start = || scope.spawn(|| run(&topics, &["dlq", "replay"]));
        let all: Vec<_> = (0..3).map(|_| start()).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    for (code, said, error) in &ended {
        let refused = *code == 1 && said.is_empty() && error.contains("another replay is at work");
        assert!(refused || *code == 0, "{code} {error}");
    }
    assert_eq!(assert_all_back(&topics, LETTERS).await, 0, "repeats");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_it_loses_nothing_and_repeats_a_batch_at_most() {
    // More than fits between it and us: it cannot be through before it is killed.
    let letters = size(5_000, 10_000);
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    bury(&topics, letters, |_| "not JSON".to_owned()).await;
    let kills = rounds(1, 5);
    let began = figures::now();
    for _ in 0..kills {
        let mut one = AtWork::start(&topics);
        one.lines(2 * BATCH_MAX + rand::random_range(1..600));
        one.signal("-KILL");
        drop(one);
        let sent = back(&topics).await.len();
        assert!(sent > 0, "what is told is back: {sent}");
        assert!(sent < letters, "it was killed in the middle");
    }
    let (code, _, error) = run(&topics, &["dlq", "replay"]);
    assert_eq!(code, 0, "{error}");
    let repeats = assert_all_back(&topics, letters).await;
    let took = began.elapsed().as_millis();
    figure(format_args!(
        "dlq replay killed {kills} times: {letters} letters back in {took} ms, {repeats} repeats"
    ));
    assert!(repeats <= kills * BATCH_MAX, "{repeats} repeats");
}

/// It is taken for dead, another one goes on; awake again it says so, and sends nothing more than what it
/// had in hand.
#[tokio::test(flavor = "multi_thread")]
async fn frozen_in_the_middle_another_goes_on_and_it_gives_up_when_it_wakes() {
    const LETTERS: usize = 10_000;
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    bury(&topics, LETTERS, |_| "not JSON".to_owned()).await;
    let mut first = AtWork::start(&topics);
    first.lines(300);
    first.signal("-STOP");
    let (code, _, error) = run(&topics, &["dlq", "replay"]);
    assert_eq!(code, 0, "{error}");
    first.signal("-CONT");
    let (last, status) = first.ended();
    assert_eq!(status.code(), Some(1), "{last}");
    let repeats = assert_all_back(&topics, LETTERS).await;
    assert!(repeats <= BATCH_MAX, "{repeats} repeats");
}

/// One of a batch is too long for the topic: it is named, those before it are back and stay so, and
/// passing it over sends the others.
#[tokio::test]
async fn a_letter_that_is_refused_is_named_and_those_before_it_are_back() {
    let topics = Topics::missing(&Broker::shared());
    topics
        .create(&topics.settings.topic, 2, &[("max.message.bytes", "8000")])
        .await;
    topics.create(&topics.settings.dead_letter_topic, 1, &[]).await;
    let value = |at: usize| {
        if at == 21 {
            "x".repeat(9_000)
        } else {
            "not JSON".to_owned()
        }
    };
    bury(&topics, 40, value).await;
    // Sent at the same time, they stand as they come; who is too long tells where.
    let letters = topics.read(&topics.settings.dead_letter_topic).await;
    let long = letters.iter().find(|letter| letter.value.len() == 9_000).unwrap();
    let place = format!("0/{}", long.offset);
    let (code, said, error) = run(&topics, &["dlq", "replay"]);
    assert_eq!(code, 1, "{said}");
    assert!(
        error.contains(&format!("the dead letter {place} was not sent back: refused")),
        "{error}"
    );
    assert!(error.contains(&format!("--skip {place}")), "{error}");
    let (code, said, error) = run(&topics, &["dlq", "replay", "--skip", &place]);
    assert_eq!(code, 0, "{error}");
    assert!(said.contains(&format!("{place} is passed over")), "{said}");
    let times = back(&topics).await;
    let before = |id: &usize| {
        letters
            .iter()
            .any(|letter| letter.offset < long.offset && letter.key == id.to_string())
    };
    assert!(times.keys().copied().eq((0..40).filter(|id| *id != 21)), "{times:?}");
    assert!(
        times.iter().filter(|(id, _)| before(id)).all(|(_, times)| *times == 1),
        "{times:?}"
    );
}
