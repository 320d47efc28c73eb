//! Notifiers that may be killed and started again, and what they told: an entry a line. Entries are
//! small: a test may have millions.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use domain::clock::Moment;
use domain::order::status::OrderStatus;
use serde::Deserialize;

use crate::harness::{PATIENCE, free_port};
use crate::process::ready;

/// Lines beside events that are kept.
const SAID_MAX: usize = 20;

/// An event as somebody told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) id: i64,
    pub(crate) order: i64,
    pub(crate) status: OrderStatus,
    /// In milliseconds since 1970.
    pub(crate) moment: i64,
}

/// A line of a notifier.
#[derive(Debug, Clone, Copy)]
struct Entry {
    event: Event,
    /// When it was told, in milliseconds since 1970. Lines may be read later.
    at: i64,
    offset: i64,
    partition: i32,
    /// The number of its process.
    by: u32,
}

/// What all notifiers of a test told.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    entries: Vec<Entry>,
    /// Repeats that they knew as such, and told by their number only.
    passed_over: u64,
    /// Lines that are none, of processes that were killed while they wrote.
    torn: usize,
    /// The last lines that are no events, for a test that fails.
    said: VecDeque<String>,
}

impl Heard {
    /// How many lines of events there are.
    pub(crate) fn count(&self) -> usize {
        self.entries.len()
    }

    /// How many lines this process told.
    pub(crate) fn count_of(&self, number: u32) -> usize {
        self.entries.iter().filter(|entry| entry.by == number).count()
    }

    /// The greatest offset of a partition of which anybody told; -1 if nobody did.
    pub(crate) fn last(&self, partition: i32) -> i64 {
        let of = self.entries.iter().filter(|entry| entry.partition == partition);
        of.map(|entry| entry.offset).max().unwrap_or(-1)
    }

    /// Repeats that notifiers passed over.
    pub(crate) fn passed_over(&self) -> u64 {
        self.passed_over
    }

    /// The last lines that are no events, the last one first.
    pub(crate) fn said(&self) -> Vec<String> {
        self.said.iter().cloned().collect()
    }

    /// How often a kill met a process in the middle of a line.
    pub(crate) fn torn(&self) -> usize {
        self.torn
    }

    /// All events, in the order in which they were told: a partition goes from one notifier to another.
    pub(crate) fn events(&mut self) -> impl Iterator<Item = Event> + use<'_> {
        self.entries.sort_by_key(|entry| entry.at);
        self.entries.iter().map(|entry| entry.event)
    }

    /// The last offset of each partition of which this process told.
    pub(crate) fn last_of(&self, number: u32) -> BTreeMap<i32, i64> {
        let of = self.entries.iter().filter(|entry| entry.by == number);
        of.map(|entry| (entry.partition, entry.offset)).collect()
    }

    /// How many of its lines stand at these offsets or behind them.
    pub(crate) fn beyond(&self, number: u32, offsets: &BTreeMap<i32, i64>) -> usize {
        let beyond = |entry: &&Entry| {
            let at = offsets.get(&entry.partition).copied().unwrap_or(0);
            entry.by == number && entry.offset >= at
        };
        self.entries.iter().filter(beyond).count()
    }

    fn hear(&mut self, by: u32, text: &str) {
        let Ok(line) = serde_json::from_str::<Line<'_>>(text) else {
            self.torn += 1;
            return;
        };
        match line.msg.as_ref() {
            "order event" => self.entries.push(line.entry(by)),
            "repeated events passed over" => self.passed_over += line.events.unwrap(),
            _ => {
                self.said.truncate(SAID_MAX - 1);
                self.said.push_front(format!("{by}: {text}"));
            }
        }
    }
}

/// What counts in a line of the notifier.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    msg: std::borrow::Cow<'a, str>,
    ts: &'a str,
    events: Option<u64>,
    order_id: Option<i64>,
    status: Option<&'a str>,
    moment: Option<&'a str>,
    partition: Option<i32>,
    offset: Option<i64>,
    event_id: Option<&'a str>,
}

impl Line<'_> {
    fn entry(&self, by: u32) -> Entry {
        let millis = |moment: &str| Moment::parse(moment).unwrap().unix_millis();
        Entry {
            event: Event {
                id: self.event_id.unwrap().parse().unwrap(),
                order: self.order_id.unwrap(),
                status: OrderStatus::parse(self.status.unwrap()).unwrap(),
                moment: millis(self.moment.unwrap()),
            },
            at: millis(self.ts),
            offset: self.offset.unwrap(),
            partition: self.partition.unwrap(),
            by,
        }
    }
}

/// A process of `app --role notifier`.
pub(crate) struct Notifier {
    pub(crate) number: u32,
    child: Child,
    reader: Option<JoinHandle<()>>,
    /// Nobody reads what it tells: soon it cannot tell more.
    deaf: Arc<(Mutex<bool>, Condvar)>,
    http: String,
}

impl Notifier {
    /// Starts one with these settings; what it tells is heard under its number.
    pub(crate) fn start(number: u32, settings: &[(&str, &str)], heard: Arc<Mutex<Heard>>) -> Self {
        let port = free_port();
        let mut command = Command::new(env!("CARGO_BIN_EXE_app"));
        command.args(["--role", "notifier", "--set", &format!("notifier.http.port={port}")]);
        for (name, value) in settings {
            command.arg("--set").arg(format!("{name}={value}"));
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let deaf = Arc::<(Mutex<bool>, Condvar)>::default();
        let to = Arc::clone(&deaf);
        let reader = std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let (deaf, listens) = &*to;
                drop(listens.wait_while(deaf.lock().unwrap(), |deaf| *deaf).unwrap());
                heard.lock().unwrap().hear(number, &line);
            }
        });
        Self {
            number,
            child,
            reader: Some(reader),
            deaf,
            http: format!("http://127.0.0.1:{port}"),
        }
    }

    /// Whether what it tells is left unread.
    pub(crate) fn leave_unread(&self, unread: bool) {
        let (deaf, listens) = &*self.deaf;
        *deaf.lock().unwrap() = unread;
        listens.notify_all();
    }

    /// Kills it with -9; it is gone, and all that it told is heard, when this returns.
    pub(crate) async fn kill(mut self) {
        self.child.kill().unwrap();
        self.leave_unread(false);
        self.ended().await;
    }

    /// Ends it in order; all that it told is heard when this returns.
    pub(crate) async fn stop(mut self) {
        ready(&self.http).await; // before that it may not listen to signals
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let status = self.ended().await;
        assert_eq!(status.code(), Some(0), "a notifier does not end in order");
    }

    async fn ended(&mut self) -> ExitStatus {
        let ended = async {
            loop {
                if let Some(status) = self.child.try_wait().unwrap() {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let status = tokio::time::timeout(PATIENCE, ended).await.expect("it does not end");
        let reader = self.reader.take().unwrap();
        tokio::task::spawn_blocking(move || reader.join().unwrap())
            .await
            .unwrap();
        status
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        self.leave_unread(false);
        let _ = self.child.kill(); // of a test that failed
        let _ = self.child.wait();
    }
}
