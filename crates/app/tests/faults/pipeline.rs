//! The whole way of an event: LOMS, topics of the test's own on a real Kafka, and notifiers. At its end
//! it waits until nothing is left on the way, and holds the lines of all notifiers, and the topic, against
//! the history in the database.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use adapters::events::Message;
use adapters::kafka::librdkafka;
use adapters::kafka::testing::{Broker, Standing, Topics};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use tokio_postgres::Client as Sql;

use crate::account::{Account, History};
use crate::figures::{now, until};
use crate::heard::{Event, Heard, Notifier};
use crate::loms::Loms;

/// What events that are left on the way get at the end of a test.
const DRAINED_WITHIN: Duration = Duration::from_secs(120);
/// For one question to the broker.
const ASKED_WITHIN: Duration = Duration::from_secs(30);
/// How long the group waits for a member that was killed; the least that a notifier may have.
const SESSION_MS: &str = "1000";

/// A LOMS that cannot connect when it starts ends. On a busy machine it gets more time than by default.
const CONNECT_MS: &str = "3000";

/// Topics, who uses them, and what was heard.
pub(crate) struct Pipeline {
    topics: Topics, // gone before their broker
    pub(crate) broker: Broker,
    heard: Arc<Mutex<Heard>>,
    started: AtomicU32,
}

/// What was found at the end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Complete {
    /// Events of committed changes; all of them arrived.
    pub(crate) events: usize,
    /// Messages of the topic that were there before.
    pub(crate) sent_again: usize,
    /// Lines of notifiers that were there before.
    pub(crate) told_again: usize,
    /// Repeats that notifiers knew as such.
    pub(crate) passed_over: u64,
}

impl fmt::Display for Complete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} events, all arrived; {} sent again, {} passed over as repeats, {} told again",
            self.events, self.sent_again, self.passed_over, self.told_again
        )
    }
}

impl Pipeline {
    /// On the broker of this run of the tests, which must not be broken.
    pub(crate) async fn on_the_shared_broker() -> Self {
        Self::over(Broker::shared()).await
    }

    /// On a broker of the test's own, gone with this handle. Needs a runtime of several threads.
    pub(crate) async fn on_its_own_broker() -> Self {
        Self::over(tokio::task::block_in_place(Broker::own)).await
    }

    async fn over(broker: Broker) -> Self {
        Self {
            topics: Topics::fresh(&broker, &[]).await,
            broker,
            heard: Arc::default(),
            started: AtomicU32::new(0),
        }
    }

    fn settings<'a>(&'a self, brokers: &'a str) -> [(&'static str, &'a str); 3] {
        let kafka = &self.topics.settings;
        [
            ("kafka.brokers", brokers),
            ("kafka.topic", &kafka.topic),
            ("kafka.dead_letter_topic", &kafka.dead_letter_topic),
        ]
    }

    fn group(&self) -> String {
        format!("group-of-{}", self.topics.settings.topic)
    }

    /// A LOMS on a database, ready, which publishes by these brokers: [`Broker::address`], or what a test
    /// puts before it.
    pub(crate) async fn loms(&self, url: &str, brokers: &str, settings: &[(&str, &str)]) -> Loms {
        let patient = [("postgres.connect_timeout_ms", CONNECT_MS)];
        let settings = [&self.settings(brokers), &patient[..], settings].concat();
        Loms::start(url, &settings).await
    }

    /// Starts a notifier of the group; does not wait.
    pub(crate) fn notifier(&self, settings: &[(&str, &str)]) -> Notifier {
        let group = self.group();
        let own = [("notifier.group", &*group), ("notifier.session_timeout_ms", SESSION_MS)];
        let settings = [&self.settings(&self.broker.address), &own[..], settings].concat();
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        Notifier::start(number, &settings, Arc::clone(&self.heard))
    }

    /// What notifiers told so far. Not to be kept: notifiers wait meanwhile.
    pub(crate) fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap()
    }

    /// Waits until notifiers have told something more.
    pub(crate) async fn goes_on(&self) -> Duration {
        let (before, began) = (self.heard().count(), now());
        while self.heard().count() == before {
            if began.elapsed() > DRAINED_WITHIN {
                let (ends, committed) = (self.ends().await, self.committed().await);
                let said = self.heard().said();
                panic!(
                    "no event arrives: the topic ends at {ends:?}, the group is at {committed:?} and says {said:#?}"
                );
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        began.elapsed()
    }

    /// Asks the broker apart from the test's runtime.
    async fn ask<T: Send + 'static>(&self, what: impl FnOnce(&BaseConsumer, &str) -> T + Send + 'static) -> T {
        let (settings, group) = (self.topics.settings.clone(), self.group());
        let asked = tokio::task::spawn_blocking(move || {
            let mut config = librdkafka::config(&settings);
            let consumer: BaseConsumer = config.set("group.id", group).create().unwrap();
            what(&consumer, &settings.topic)
        });
        asked.await.unwrap()
    }

    /// The offset behind the last message of each partition.
    pub(crate) async fn ends(&self) -> BTreeMap<i32, i64> {
        let end = |consumer: &BaseConsumer, topic: &str, partition| {
            let (_, end) = consumer.fetch_watermarks(topic, partition, ASKED_WITHIN).unwrap();
            (partition, end)
        };
        self.ask(move |consumer, topic| [0, 1].map(|number| end(consumer, topic, number)).into())
            .await
    }

    /// The offset that the group has committed of each partition; 0 where there is none.
    pub(crate) async fn committed(&self) -> BTreeMap<i32, i64> {
        self.ask(|consumer, topic| {
            let mut list = TopicPartitionList::new();
            list.add_partition_range(topic, 0, 1);
            let committed = consumer.committed_offsets(list, ASKED_WITHIN).unwrap();
            let offset = |offset| match offset {
                Offset::Offset(offset) => offset,
                _ => 0,
            };
            let elements = committed.elements();
            elements
                .iter()
                .map(|element| (element.partition(), offset(element.offset())))
                .collect()
        })
        .await
    }

    /// Waits until nothing is left in the outbox, and everything in the topic is handled and committed.
    pub(crate) async fn drained(&self, sql: &Sql, patience: Duration) {
        until("the outbox is empty", patience, async || unsent(sql).await.is_empty()).await;
        let ends = self.ends().await;
        until("nothing lags", patience, async || self.committed().await == ends).await;
    }

    /// Waits for the end of the way, ends the notifiers, and fails unless all is as it was committed.
    pub(crate) async fn complete(&self, sql: &Sql, notifiers: Vec<Notifier>) -> Complete {
        self.drained(sql, DRAINED_WITHIN).await;
        for notifier in notifiers {
            notifier.stop().await;
        }
        let history = History::of(sql).await;
        let (told_again, passed_over) = {
            let mut heard = self.heard();
            let told_again = history.agrees("the lines of all notifiers", heard.events());
            (told_again, heard.passed_over())
        };
        let mut topic = Account::of(&history, "the topic");
        let kafka = &self.topics.settings;
        let mut offsets = BTreeMap::new();
        self.topics
            .follow(&kafka.topic, &mut offsets, |standing| topic.tell(&event(standing)))
            .await;
        let letters = self.topics.read(&kafka.dead_letter_topic).await;
        assert!(letters.is_empty(), "there is no poison here: {letters:?}");
        Complete {
            events: history.len(),
            sent_again: topic.close(),
            told_again,
            passed_over,
        }
    }
}

/// The event of a message.
fn event(standing: Standing) -> Event {
    let message = Message {
        key: standing.key.into_bytes().into(),
        value: standing.value.into_bytes().into(),
        event_id: standing.headers["event-id"].as_str().into(),
        trace: None,
    };
    let received = message.decode().unwrap();
    Event {
        id: received.event_id.parse().unwrap(),
        order: received.order.get(),
        status: received.status,
        moment: received.moment.unix_millis(),
    }
}

/// Events that wait in the outbox.
pub(crate) async fn unsent(sql: &Sql) -> Vec<i64> {
    let rows = sql.query("select event_id from outbox", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// The events that stand in the topic, with their partitions, as far as it was read.
pub(crate) struct Tail<'a> {
    pipeline: &'a Pipeline,
    offsets: BTreeMap<i32, i64>,
    there: HashMap<i64, i32>,
}

/// Events that are not marked as sent.
#[derive(Debug, Default)]
pub(crate) struct Unmarked {
    /// The partitions of those that stand in the topic.
    in_the_topic: BTreeSet<i32>,
    /// How many do not.
    pub(crate) only_in_the_outbox: usize,
}

impl Unmarked {
    /// In how many partitions some of them stand.
    pub(crate) fn partitions(&self) -> usize {
        self.in_the_topic.len()
    }
}

impl<'a> Tail<'a> {
    pub(crate) fn of(pipeline: &'a Pipeline) -> Self {
        Self {
            pipeline,
            offsets: BTreeMap::new(),
            there: HashMap::new(),
        }
    }

    /// Compares outbox and topic while nobody publishes.
    pub(crate) async fn unmarked(&mut self, sql: &Sql) -> Unmarked {
        let topics = &self.pipeline.topics;
        let mut found = Unmarked::default();
        loop {
            // A batch that was cut off by a kill may still be written.
            let mut news = 0;
            let there = &mut self.there;
            let read = topics.follow(&topics.settings.topic, &mut self.offsets, |standing| {
                news += 1;
                let partition = standing.partition;
                there.insert(event(standing).id, partition);
            });
            read.await;
            if news == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        for event in unsent(sql).await {
            match self.there.get(&event) {
                Some(partition) => {
                    found.in_the_topic.insert(*partition);
                }
                None => found.only_in_the_outbox += 1,
            }
        }
        found
    }
}
