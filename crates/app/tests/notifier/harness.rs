//! Starts `app --role notifier` on topics of a test's own, and reads the lines that it writes.

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use adapters::kafka::client::KafkaClient;
use adapters::kafka::librdkafka;
use adapters::kafka::producer::KafkaPublisher;
use adapters::kafka::settings::KafkaSettings;
use adapters::kafka::testing::Topics;
use domain::clock::{Clock, Moment};
use domain::order::event::{OrderEvent, StatusChange};
use domain::order::ports::EventPublisher;
use domain::order::status::OrderStatus;
use domain::testing::build::order_id;
use domain::trace::TraceContext;
use domain::types::EventId;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::Value;

use super::tally::Tally;

/// The bound of every wait, on a machine that does other things too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The memory of one notifier, resident, at any time.
pub(crate) const MEMORY_MAX_KIB: u64 = 200 * 1024;

/// The machine's time: brokers delete what is old.
#[derive(Debug)]
struct Now;

impl Clock for Now {
    #[expect(
        clippy::disallowed_methods,
        reason = "brokers delete what is old by the machine's time"
    )]
    fn now(&self) -> Moment {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Moment::from_unix_millis(i64::try_from(since.as_millis()).unwrap())
    }
}

/// A free port, below those that outgoing connections take.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 90).unwrap() * 200;
    (0..2000)
        .map(|_| 12_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("some port is free")
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_ok(), "never came: {what}");
}

/// A process of `app`.
pub(crate) struct Notifier {
    child: Child,
    /// Of events, all; of a process that is counted, none.
    lines: Arc<Mutex<Vec<Value>>>,
    reader: Option<std::thread::JoinHandle<()>>,
    pub(crate) url: String,
}

/// The group of those who are notified.
pub(crate) fn group(topics: &Topics) -> String {
    format!("group-of-{}", topics.settings.topic)
}

/// The settings of a process on topics.
fn arguments(topics: &Topics) -> Vec<String> {
    let kafka = &topics.settings;
    let settings = [
        ("kafka.brokers", kafka.brokers.join(",")),
        ("kafka.topic", kafka.topic.clone()),
        ("kafka.dead_letter_topic", kafka.dead_letter_topic.clone()),
        ("notifier.group", group(topics)),
        ("notifier.session_timeout_ms", "3000".to_owned()),
    ];
    settings
        .into_iter()
        .flat_map(|(name, value)| ["--set".to_owned(), format!("{name}={value}")])
        .collect()
}

impl Notifier {
    /// Starts one.
    pub(crate) fn start(topics: &Topics, settings: &[(&str, &str)]) -> Self {
        Self::start_with(topics, settings, None)
    }

    /// Starts one whose lines of events are counted and not kept.
    pub(crate) fn counted(topics: &Topics, settings: &[(&str, &str)], tally: &Arc<Mutex<Tally>>) -> Self {
        Self::start_with(topics, settings, Some(Arc::clone(tally)))
    }

    fn start_with(topics: &Topics, settings: &[(&str, &str)], tally: Option<Arc<Mutex<Tally>>>) -> Self {
        let port = free_port();
        let mut command = Command::new(env!("CARGO_BIN_EXE_app"));
        command.args(["--role", "notifier"]).args(arguments(topics));
        command.arg("--set").arg(format!("notifier.http.port={port}"));
        for (name, value) in settings {
            command.arg("--set").arg(format!("{name}={value}"));
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let lines = Arc::<Mutex<Vec<Value>>>::default();
        let (out, kept) = (BufReader::new(child.stdout.take().unwrap()), Arc::clone(&lines));
        let reader = std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                // A process that is killed may leave half a line.
                let is_whole = line.ends_with('}');
                if is_whole && tally.as_ref().is_some_and(|tally| tally.lock().unwrap().take(&line)) {
                    continue;
                }
                if let Ok(value) = serde_json::from_str(&line) {
                    kept.lock().unwrap().push(value);
                }
            }
        });
        Self {
            child,
            lines,
            reader: Some(reader),
            url: format!("http://127.0.0.1:{port}"),
        }
    }

    /// All lines so far with this message.
    pub(crate) fn said(&self, msg: &str) -> Vec<Value> {
        let lines = self.lines.lock().unwrap();
        lines.iter().filter(|line| line["msg"] == msg).cloned().collect()
    }

    /// How many lines have this message; without a copy of each.
    pub(crate) fn times(&self, msg: &str) -> usize {
        let lines = self.lines.lock().unwrap();
        lines.iter().filter(|line| line["msg"] == msg).count()
    }

    /// The lines of events so far.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.said("order event")
    }

    /// The memory that it has now.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
            .unwrap_or(0)
    }

    /// Waits for so many lines of events.
    pub(crate) async fn until_events(&self, count: usize) -> Vec<Value> {
        until("events", async || self.events().len() >= count).await;
        self.events()
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Stops it where it stands.
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    /// Asks it to end, and waits until it has; all lines of events.
    pub(crate) async fn stop(mut self) -> Vec<Value> {
        // Before that nobody listens to signals.
        let started = tokio::time::timeout(PATIENCE, async {
            while self.said("joining the consumer group").is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        started.await.expect("it starts");
        self.signal("-TERM");
        let status = self.wait().await;
        let lines = self.lines.lock().unwrap().clone();
        let last: Vec<_> = lines.iter().rev().take(5).collect();
        assert_eq!(status.code(), Some(0), "the last lines: {last:?}");
        drop(lines);
        self.events()
    }

    /// Asks it to end; all lines of events, and how many are in what it said so, to its end.
    pub(crate) async fn stop_saying(self, msg: &str) -> (Vec<Value>, u64) {
        let lines = Arc::clone(&self.lines);
        let events = self.stop().await;
        let lines = lines.lock().unwrap();
        let said = lines.iter().filter(|line| line["msg"] == msg);
        (events, said.map(|line| line["events"].as_u64().unwrap()).sum())
    }

    /// Ends it as a crash does; all lines of events.
    pub(crate) async fn kill(mut self) -> Vec<Value> {
        self.signal("-KILL");
        self.wait().await;
        self.events()
    }

    async fn wait(&mut self) -> ExitStatus {
        let ended = async {
            loop {
                if let Some(status) = self.child.try_wait().unwrap() {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let status = tokio::time::timeout(PATIENCE, ended).await.expect("it ends");
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap(); // what it wrote is read to its end
        }
        status
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        let _ = self.child.kill(); // of a test that failed
        let _ = self.child.wait();
    }
}

/// A command of `app` on the topics.
pub(crate) fn command(topics: &Topics, command: &[&str]) -> Command {
    let mut app = Command::new(env!("CARGO_BIN_EXE_app"));
    app.args(command).args(arguments(topics));
    app
}

/// Runs a command of `app` on the topics; its code, and what it said.
pub(crate) fn run(topics: &Topics, asked: &[&str]) -> (i32, String, String) {
    let done = command(topics, asked).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (done.status.code().unwrap(), text(done.stdout), text(done.stderr))
}

/// The three events of each order from `first` on, interleaved as orders in flight are. Their ids are
/// unique over all trades.
pub(crate) fn trade(first: i64, orders: i64) -> Vec<OrderEvent> {
    let mut events = Vec::new();
    for (step, status) in [OrderStatus::New, OrderStatus::AwaitingPayment, OrderStatus::Payed]
        .into_iter()
        .enumerate()
    {
        for order in first..first + orders {
            let id = order * 3 + i64::try_from(step).unwrap();
            events.push(OrderEvent {
                id: EventId::try_from(id).unwrap(),
                change: StatusChange {
                    order: order_id(order),
                    status,
                    moment: Moment::parse("2026-01-02T03:04:05.678Z").unwrap(),
                    trace: TraceContext::new(0xa, 0xb, 1),
                },
            });
        }
    }
    events
}

/// Publishes as the relay does, until all is acknowledged.
pub(crate) async fn publish(topics: &Topics, events: Vec<OrderEvent>) {
    publish_by(&publisher(&topics.settings), events).await;
}

/// What publishes with these settings.
pub(crate) fn publisher(settings: &KafkaSettings) -> KafkaPublisher<impl Clock + use<>> {
    KafkaPublisher::new(Arc::new(KafkaClient::new(settings.clone())), Now)
}

/// Publishes as the relay does, until all is acknowledged; how many calls failed.
pub(crate) async fn publish_by(publisher: &impl EventPublisher, events: Vec<OrderEvent>) -> usize {
    let (mut left, mut failures) = (events, 0);
    let work = async {
        while !left.is_empty() {
            let published = publisher.publish(left.iter().take(512).cloned().collect()).await;
            let done: HashSet<EventId> = published.acknowledged.into_iter().collect();
            left.retain(|event| !done.contains(&event.id));
            if published.error.is_some() {
                failures += 1;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    };
    let taken = tokio::time::timeout(PATIENCE, work).await;
    taken.expect("the broker takes them");
    failures
}

/// Sends anything, as somebody else's client does.
pub(crate) struct Stranger<'a> {
    producer: FutureProducer,
    topic: &'a str,
}

impl<'a> Stranger<'a> {
    pub(crate) fn of(topics: &'a Topics) -> Self {
        let producer = librdkafka::config(&topics.settings).create().unwrap();
        let topic = &topics.settings.topic;
        Self { producer, topic }
    }

    /// To a partition; the offset.
    pub(crate) async fn send(&self, partition: i32, value: Option<&[u8]>, event_id: Option<&str>) -> i64 {
        let record: FutureRecord<'_, [u8], [u8]> = FutureRecord::to(self.topic).partition(partition);
        let record = match event_id {
            Some(event_id) => record.headers(OwnedHeaders::new().insert(Header {
                key: "event-id",
                value: Some(event_id),
            })),
            None => record,
        };
        let record = match value {
            Some(value) => record.payload(value),
            None => record,
        };
        self.producer.send(record, PATIENCE).await.unwrap().offset
    }
}

/// The event ids of lines.
pub(crate) fn ids(lines: &[Value]) -> Vec<String> {
    let ids = lines.iter().map(|line| line["event_id"].as_str().unwrap().to_owned());
    ids.collect()
}

/// That the lines have every event of the orders, first occurrences in order per order; how many
/// repeats there are.
pub(crate) fn assert_complete(lines: &[Value], orders: std::ops::Range<i64>) -> usize {
    let mut seen = HashSet::new();
    let mut first: BTreeMap<i64, Vec<&str>> = BTreeMap::new();
    for line in lines {
        if seen.insert(line["event_id"].as_str().unwrap()) {
            let of = first.entry(line["order_id"].as_i64().unwrap()).or_default();
            of.push(line["status"].as_str().unwrap());
        }
    }
    assert_eq!(
        first.keys().copied().collect::<Vec<_>>(),
        orders.collect::<Vec<_>>(),
        "the orders"
    );
    for (order, statuses) in first {
        assert_eq!(statuses, ["new", "awaiting payment", "payed"], "order {order}");
    }
    lines.len() - seen.len()
}
