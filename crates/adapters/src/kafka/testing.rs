//! Topics for tests, on the broker that `scripts/services.sh up kafka` starts, or on one of a test's own
//! where the test breaks it. Each test has topics of its own, gone with their handle.
#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "for tests: a panic is a failed test, and they are told their servers by the environment"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rskafka::client::ClientBuilder;
use rskafka::client::partition::{OffsetAt, UnknownTopicHandling};
use rskafka::record::RecordAndOffset;

use super::librdkafka;
use super::settings::{Authority, KafkaSettings, Login, Mechanism, Security};

/// Long enough for whatever a broker does, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of one look at a partition.
const FETCH_BYTES: std::ops::Range<i32> = 1..8_000_000;

static NEXT: AtomicU32 = AtomicU32::new(1);

/// A real broker, or three that copy from each other.
#[derive(Debug)]
pub struct Broker {
    /// `HOST:PORT`, of several with a comma between them.
    pub address: String,
    /// The directory of a broker that is this test's own.
    own: Option<PathBuf>,
    /// How many there are: so many copies has a topic.
    count: i32,
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/services.sh")
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run `scripts/services.sh up kafka` and `eval \"$(scripts/services.sh env kafka)\"`, or `just test`")
    })
}

fn unique() -> String {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{nanos:x}-{}-{number}", std::process::id())
}

impl Broker {
    /// That of this run of the tests. It must not be broken: others use it.
    #[must_use]
    pub fn shared() -> Self {
        Self {
            address: variable("APP_TEST_KAFKA"),
            own: None,
            count: 1,
        }
    }

    /// Another door of the shared one, for who has a password; its address and what is needed.
    #[must_use]
    pub fn secure(mechanism: Mechanism) -> (String, Security) {
        let file = variable("APP_TEST_KAFKA_CA");
        let pem = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
        let security = Security {
            authority: Some(Authority::parse(&pem).unwrap()),
            login: Some(Login {
                mechanism,
                user: variable("APP_TEST_KAFKA_USER"),
                password: variable("APP_TEST_KAFKA_PASSWORD"),
            }),
        };
        (variable("APP_TEST_KAFKA_SECURE"), security)
    }

    /// One of this test's own, which ends with its handle.
    #[must_use]
    pub fn own() -> Self {
        Self::started(1)
    }

    /// Three of this test's own: one may die.
    #[must_use]
    pub fn three() -> Self {
        Self::started(3)
    }

    fn started(count: i32) -> Self {
        let directory = std::env::temp_dir().join(format!("kafka-{}", unique()));
        let mut broker = Self {
            address: String::new(),
            own: Some(directory),
            count,
        };
        broker.services(&["up", "kafka"]);
        let ports = (1..=count).map(|number| broker.file(number, "port"));
        let addresses: Vec<String> = ports.map(|port| format!("127.0.0.1:{port}")).collect();
        broker.address = addresses.join(",");
        broker
    }

    /// What a file of broker `number` says.
    fn file(&self, number: i32, name: &str) -> String {
        let directory = self.own.as_ref().expect("only a broker of this test's own is broken");
        let home = match number {
            1 => directory.join("kafka"),
            _ => directory.join(format!("kafka/broker{number}")),
        };
        std::fs::read_to_string(home.join(name)).unwrap().trim().to_owned()
    }

    fn services(&self, arguments: &[&str]) {
        let directory = self.own.as_ref().expect("only a broker of this test's own is broken");
        let done = Command::new(script())
            .args(arguments)
            .env("SERVICES_DIR", directory)
            .env("SERVICES_BROKERS", self.count.to_string())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "services.sh {arguments:?}: {said}");
    }

    /// Sends it the signal that ends it as a crash does, and does not wait: [`Broker::kill`] does.
    pub fn strike(&self) {
        self.signal("-KILL");
    }

    /// Ends it as a crash does.
    pub fn kill(&self) {
        self.kill_one(1);
    }

    /// Starts it again.
    pub fn start(&self) {
        self.start_one(1);
    }

    /// Ends one of several, from 1, as a crash does.
    pub fn kill_one(&self, number: i32) {
        self.services(&["node", "kafka", "kill", &number.to_string()]);
    }

    /// Starts one of several again.
    pub fn start_one(&self, number: i32) {
        self.services(&["node", "kafka", "start", &number.to_string()]);
    }

    /// Stops it where it stands: its port still takes connections.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.file(1, "pid");
        let done = Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(done.success(), "kill {signal} {pid}");
    }

    /// Settings of a patient client of it.
    #[must_use]
    pub fn settings(&self) -> KafkaSettings {
        KafkaSettings {
            connect_timeout: PATIENCE,
            publish_timeout: PATIENCE,
            ..KafkaSettings::new(self.address.split(',').map(str::to_owned).collect())
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(directory) = &self.own {
            self.services(&["down", "--wipe", "kafka"]);
            std::fs::remove_dir_all(directory).unwrap();
        }
    }
}

/// A message as it stands in a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its key as text.
    pub key: String,
    /// Its value as text.
    pub value: String,
    /// Its headers as text.
    pub headers: BTreeMap<String, String>,
}

/// A topic of order events and one of dead letters.
#[derive(Debug)]
pub struct Topics {
    /// Settings of a client that uses them.
    pub settings: KafkaSettings,
    /// Of each.
    copies: i32,
}

impl Topics {
    /// Names of topics that are not there.
    #[must_use]
    pub fn missing(broker: &Broker) -> Self {
        let unique = unique();
        Self {
            settings: KafkaSettings {
                topic: format!("test-{unique}"),
                dead_letter_topic: format!("test-{unique}.dlq"),
                ..broker.settings()
            },
            copies: broker.count,
        }
    }

    /// Empty ones, in the shape of the contract; that of order events also has these settings of Kafka's.
    pub async fn fresh(broker: &Broker, extra: &[(&str, &str)]) -> Self {
        let topics = Self::missing(broker);
        topics.create(&topics.settings.topic, 2, extra).await;
        topics.create(&topics.settings.dead_letter_topic, 1, &[]).await;
        topics
    }

    /// Creates one of them.
    pub async fn create(&self, name: &str, partitions: i32, extra: &[(&str, &str)]) {
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(self.copies));
        let topic = extra.iter().fold(topic, |topic, (name, value)| topic.set(name, value));
        let created = admin(&self.settings).create_topics([&topic], &options()).await.unwrap();
        assert!(created.iter().all(Result::is_ok), "{created:?}");
    }

    /// Gives one of them more partitions.
    pub async fn grow(&self, name: &str, partitions: usize) {
        let more = NewPartitions::new(name, partitions);
        let grown = admin(&self.settings)
            .create_partitions([&more], &options())
            .await
            .unwrap();
        assert!(grown.iter().all(Result::is_ok), "{grown:?}");
    }

    /// Who leads a partition of the topic of order events, and how many copies of it are in sync; nobody
    /// where that cannot be told now.
    pub async fn leader(&self, partition: i32) -> Option<(i32, usize)> {
        let settings = self.settings.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let metadata = admin(&settings)
                .inner()
                .fetch_metadata(Some(&settings.topic), Duration::from_secs(5))
                .ok()?;
            let topic = metadata.topics().first()?;
            let found = topic.partitions().iter().find(|found| found.id() == partition)?;
            (found.leader() > 0).then(|| (found.leader(), found.isr().len()))
        });
        asked.await.unwrap()
    }

    /// Everything that stands in a topic, partition by partition.
    pub async fn read(&self, topic: &str) -> Vec<Standing> {
        let mut all = Vec::new();
        self.follow(topic, &mut BTreeMap::new(), |standing| all.push(standing))
            .await;
        all
    }

    /// What stands in a topic from these offsets on, partition by partition; of a partition that is not
    /// named, from its beginning. The offsets become those behind what was read.
    pub async fn follow(&self, topic: &str, next: &mut BTreeMap<i32, i64>, mut each: impl FnMut(Standing)) {
        let brokers = self.settings.brokers.clone();
        let client = in_time(ClientBuilder::new(brokers).build()).await;
        let topics = in_time(client.list_topics()).await;
        let found = topics.into_iter().find(|found| found.name == topic);
        for partition in found.expect("the topic is there").partitions {
            let client = in_time(client.partition_client(topic, partition, UnknownTopicHandling::Retry)).await;
            let end = in_time(client.get_offset(OffsetAt::Latest)).await;
            let mut at = match next.get(&partition) {
                Some(next) => *next,
                None => in_time(client.get_offset(OffsetAt::Earliest)).await,
            };
            while at < end {
                let (records, _) = in_time(client.fetch_records(at, FETCH_BYTES, 1_000)).await;
                for found in records {
                    at = found.offset + 1;
                    each(standing(partition, found));
                }
            }
            next.insert(partition, at);
        }
    }
}

/// Brokers that do not answer are asked for ever, unless somebody bounds it.
async fn in_time<T, E: std::fmt::Debug>(asked: impl Future<Output = Result<T, E>>) -> T {
    let answer = tokio::time::timeout(PATIENCE, asked).await;
    answer.expect("the broker answers").unwrap()
}

fn standing(partition: i32, found: RecordAndOffset) -> Standing {
    let text = |bytes: Option<Vec<u8>>| String::from_utf8(bytes.unwrap_or_default()).unwrap();
    let headers = found.record.headers.into_iter();
    Standing {
        partition,
        offset: found.offset,
        key: text(found.record.key),
        value: text(found.record.value),
        headers: headers.map(|(name, value)| (name, text(Some(value)))).collect(),
    }
}

fn admin(settings: &KafkaSettings) -> AdminClient<DefaultClientContext> {
    librdkafka::config(settings).create().unwrap()
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(PATIENCE))
        .operation_timeout(Some(PATIENCE))
}

impl Drop for Topics {
    fn drop(&mut self) {
        let settings = self.settings.clone();
        // A broker that is gone took its topics along.
        let gone = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let names = [settings.topic.as_str(), settings.dead_letter_topic.as_str()];
            let options = AdminOptions::new().request_timeout(Some(Duration::from_secs(2)));
            let _ = runtime.block_on(admin(&settings).delete_topics(&names, &options));
        });
        let _ = gone.join();
    }
}
