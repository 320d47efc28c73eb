//! When positions are committed, and when not: by the timer, before a partition goes, never before the
//! lines are out. What is committed is read from Kafka, beside the group.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Stdio};
use std::time::Duration;

use adapters::kafka::librdkafka;
use adapters::kafka::testing::{Broker, Topics};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::Value;

use super::figures;
use super::harness::{Notifier, PATIENCE, assert_complete, command, free_port, group, publish, trade, until};

/// What must not happen does not happen for so long.
const QUIET: Duration = Duration::from_secs(3);
/// The timer never commits.
const NEVER: (&str, &str) = ("notifier.commit_interval_ms", "60000");

/// The events of each partition up to the committed position of the group.
async fn committed(topics: &Topics) -> BTreeMap<i64, usize> {
    let (settings, group) = (topics.settings.clone(), group(topics));
    let asked = tokio::task::spawn_blocking(move || {
        let mut config = librdkafka::config(&settings);
        let reader: BaseConsumer = config.set("group.id", group).create().unwrap();
        let mut list = TopicPartitionList::new();
        for number in 0..2 {
            list.add_partition(&settings.topic, number);
        }
        let committed = reader.committed_offsets(list, PATIENCE).unwrap();
        let of = committed.elements().into_iter().map(|element| match element.offset() {
            Offset::Offset(behind) => (i64::from(element.partition()), usize::try_from(behind).unwrap()),
            _ => (i64::from(element.partition()), 0),
        });
        of.collect()
    });
    asked.await.unwrap()
}

/// How many lines there are of each partition.
fn by_partition(lines: &[Value]) -> BTreeMap<i64, usize> {
    let mut of = BTreeMap::from([(0, 0), (1, 0)]);
    for line in lines {
        *of.get_mut(&line["partition"].as_i64().unwrap()).unwrap() += 1;
    }
    of
}

#[tokio::test]
async fn by_the_timer_so_that_a_crash_repeats_nothing_that_is_older() {
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    publish(&topics, trade(1, 40)).await;
    let notifier = Notifier::start(&topics, &[("notifier.commit_interval_ms", "50")]);
    let lines = notifier.until_events(120).await;
    until("the commit", async || committed(&topics).await == by_partition(&lines)).await;
    notifier.kill().await;
    publish(&topics, trade(41, 10)).await;
    let next = Notifier::start(&topics, &[]);
    assert_eq!(assert_complete(&next.until_events(30).await, 41..51), 0);
    next.stop().await;
}

#[tokio::test]
async fn before_a_partition_goes_so_that_who_gets_it_repeats_nothing() {
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    publish(&topics, trade(1, 40)).await;
    let first = Notifier::start(&topics, &[NEVER]);
    let lines = first.until_events(120).await;
    assert_eq!(committed(&topics).await, BTreeMap::from([(0, 0), (1, 0)]));
    let second = Notifier::start(&topics, &[NEVER]);
    let goes = "partitions go to another member";
    until("a partition goes", async || !first.said(goes).is_empty()).await;
    let gone = first.said(goes)[0]["partitions"].to_string();
    let gone = i64::from(gone.contains('1'));
    until("its commit", async || committed(&topics).await[&gone] > 0).await;
    let of = by_partition(&lines);
    assert_eq!(
        committed(&topics).await,
        BTreeMap::from([(gone, of[&gone]), (1 - gone, 0)]),
        "all of the one that goes, and that one only"
    );
    publish(&topics, trade(41, 40)).await;
    until("the others", async || {
        first.events().len() + second.events().len() == 240
    })
    .await;
    assert!(second.events().iter().all(|line| line["partition"] == gone));
    let mut lines = first.stop().await;
    lines.extend(second.stop().await);
    assert_eq!(assert_complete(&lines, 1..81), 0, "repeats");
}

/// A notifier whose lines are not read until somebody wants to.
struct Unread {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Unread {
    fn start(topics: &Topics) -> Self {
        let port = format!("notifier.http.port={}", free_port());
        let often = ["notifier.commit_interval_ms=50", &port];
        let mut app = command(topics, &["--role", "notifier", "--set", often[0], "--set", often[1]]);
        let mut child = app.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out }
    }

    /// The events of the whole lines among those that come, until `enough`, or to their end.
    fn read(&mut self, enough: usize) -> Vec<Value> {
        let (mut events, mut line) = (Vec::new(), String::new());
        while events.len() < enough && self.out.read_line(&mut line).unwrap() > 0 {
            if let Ok(value) = serde_json::from_str::<Value>(&line)
                && value["msg"] == "order event"
            {
                events.push(value);
            }
            line.clear();
        }
        events
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Nobody takes the lines: after what fits between the two the events wait, and of what waits nothing is
/// committed. Killed then, it leaves repeats at most; and where somebody reads again it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn never_before_the_lines_are_out() {
    const ORDERS: i64 = 1_000;
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    publish(&topics, trade(1, ORDERS)).await;
    for killed in [true, false] {
        let mut notifier = Unread::start(&topics);
        let before = committed(&topics).await;
        let (mut last, mut since) = (before.clone(), figures::now());
        // Until it stands still: members that were killed are missed after 3 s.
        figures::until("it stands still", PATIENCE, async || {
            let now = committed(&topics).await;
            if now != last {
                (last, since) = (now, figures::now());
            }
            last != before && since.elapsed() > QUIET
        })
        .await;
        let waiting = committed(&topics).await;
        assert!(
            waiting.values().sum::<usize>() < 3_000,
            "everything was committed: {waiting:?}"
        );
        if killed {
            notifier.child.kill().unwrap();
            let lines = notifier.read(usize::MAX);
            for (partition, count) in by_partition(&lines) {
                assert!(
                    waiting[&partition] <= count,
                    "of partition {partition} {} are committed, and {count} have lines",
                    waiting[&partition]
                );
            }
        } else {
            let rest = 3_000 - before.values().sum::<usize>();
            let lines = notifier.read(rest);
            assert_eq!(lines.len(), rest);
            until("all is committed", async || {
                committed(&topics).await.values().sum::<usize>() == 3_000
            })
            .await;
        }
    }
}
