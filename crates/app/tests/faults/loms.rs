//! A process of `app --role loms` on a Postgres, which may be killed, frozen and started again at
//! the same ports.

use serde_json::Value;

use crate::process::{Ended, Ports, Running, ready, run};

/// Lines that a failed test shows.
const LAST_LINES: usize = 20;

/// A process, or the place of one that was killed.
pub(crate) struct Loms {
    running: Option<Running>,
    ports: Ports,
    arguments: Vec<String>,
}

/// Fails unless `app audit` finds every rule kept.
pub(crate) async fn audited(url: &str) {
    let set = format!("postgres.url={url}");
    let audit = run(&["audit", "--set", &set], &[]).await;
    assert_eq!(audit.code, Some(0), "{} {}", audit.out, audit.err);
    assert!(audit.out.contains("ok "), "{}", audit.out);
}

impl Loms {
    /// Starts one with these settings more, and waits until it is ready.
    pub(crate) async fn start(url: &str, settings: &[(&str, &str)]) -> Self {
        let loms = Self::begin(url, settings);
        loms.ready().await;
        loms
    }

    /// Starts one; does not wait.
    pub(crate) fn begin(url: &str, settings: &[(&str, &str)]) -> Self {
        let ports = Ports::free();
        let mut arguments = ports.arguments("loms");
        for (name, value) in [("postgres.url", url)].iter().chain(settings) {
            arguments.extend(["--set".to_owned(), format!("{name}={value}")]);
        }
        let mut loms = Self {
            running: None,
            ports,
            arguments,
        };
        loms.again();
        loms
    }

    /// Starts it again at its ports; does not wait.
    pub(crate) fn again(&mut self) {
        assert!(self.running.is_none(), "it runs");
        self.running = Some(Running::start(&self.arguments, &[]));
    }

    /// Waits until it is ready.
    pub(crate) async fn ready(&self) {
        ready(&self.http()).await;
    }

    /// Where its gRPC answers.
    pub(crate) fn grpc(&self) -> String {
        self.ports.url("loms.grpc")
    }

    /// Where its gateway, `/readyz` and `/metrics` answer.
    pub(crate) fn http(&self) -> String {
        self.ports.url("loms.http")
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("it does not run")
    }

    /// Kills it with -9; it is gone when this returns.
    pub(crate) fn kill(&mut self) {
        self.running.take().expect("it does not run").kill();
    }

    /// Freezes it (SIGSTOP).
    pub(crate) fn freeze(&self) {
        self.running().signal("STOP");
    }

    /// Has it go on (SIGCONT).
    pub(crate) fn thaw(&self) {
        self.running().signal("CONT");
    }

    /// The memory that it has now.
    pub(crate) fn resident_kib(&self) -> u64 {
        self.running().resident_kib()
    }

    /// What it has logged so far.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let out = self.running().out();
        out.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Ends it in order, and tells what it said.
    pub(crate) async fn stop(mut self) -> Ended {
        let running = self.running.take().expect("it does not run");
        running.signal("TERM");
        let ended = running.ended().await;
        assert_eq!(ended.code, Some(0), "{}", ended.out);
        ended
    }

    /// The text of its metrics.
    pub(crate) async fn metrics(&self) -> String {
        let answer = reqwest::get(format!("{}/metrics", self.http())).await.unwrap();
        answer.text().await.unwrap()
    }

    /// A number of its metrics; 0 where there is none yet.
    pub(crate) async fn number(&self, name: &str) -> f64 {
        number(&self.metrics().await, name)
    }
}

/// A number of the text of metrics; 0 where there is none.
pub(crate) fn number(metrics: &str, name: &str) -> f64 {
    let value = metrics
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map_or(0.0, |value| value.parse().unwrap())
}

/// Of a test that failed: what it said last.
impl Drop for Loms {
    #[allow(clippy::print_stderr, reason = "why a test failed is for who runs it")]
    fn drop(&mut self) {
        if std::thread::panicking() && self.running.is_some() {
            let lines = self.lines();
            for line in &lines[lines.len().saturating_sub(LAST_LINES)..] {
                eprintln!("loms: {line}");
            }
        }
    }
}
