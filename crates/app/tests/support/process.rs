//! A process of `app` with any arguments, whose end may be any: its lines, what it says to a
//! person, its exit code.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::harness::{PATIENCE, free_port};

/// How a process has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A process that may be alive; it is not, once this is gone.
pub(crate) struct Running {
    child: Child,
    out: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
    err: Arc<Mutex<String>>,
}

/// Gathers what comes, until its end.
fn gather(from: impl Read + Send + 'static) -> (Arc<Mutex<String>>, JoinHandle<()>) {
    let text = Arc::<Mutex<String>>::default();
    let gathered = Arc::clone(&text);
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let mut gathered = gathered.lock().unwrap();
            gathered.push_str(&line);
            gathered.push('\n');
        }
    });
    (text, reader)
}

impl Running {
    /// Starts `app` with these arguments and, of the settings, these variables.
    pub(crate) fn start<A: AsRef<str>>(arguments: &[A], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_app"));
        command.args(arguments.iter().map(AsRef::as_ref));
        command.envs(variables.iter().copied());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (out, reads_out) = gather(child.stdout.take().unwrap());
        let (err, reads_err) = gather(child.stderr.take().unwrap());
        Self {
            child,
            out,
            err,
            readers: vec![reads_out, reads_err],
        }
    }

    /// Sends a signal: `TERM`, `INT`.
    pub(crate) fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        kill.args([&format!("-{name}"), &self.child.id().to_string()]);
        assert!(kill.status().unwrap().success());
    }

    /// Kills it; it is gone when this returns.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The memory that it has now.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
            .unwrap_or(0)
    }

    /// What it has printed so far.
    pub(crate) fn out(&self) -> String {
        self.out.lock().unwrap().clone()
    }

    /// Waits for its end.
    pub(crate) async fn ended(mut self) -> Ended {
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                if let Some(status) = self.child.try_wait().unwrap() {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        let code = waited.await.expect("it does not end").code();
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        let (out, err) = (self.out.lock().unwrap().clone(), self.err.lock().unwrap().clone());
        Ended { code, out, err }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts `app` and waits for its end.
pub(crate) async fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    Running::start(arguments, variables).ended().await
}

/// Where the servers of a process listen.
pub(crate) struct Ports(Vec<(&'static str, u16)>);

impl Ports {
    /// Free ones for all servers.
    pub(crate) fn free() -> Self {
        let names = ["cart.http", "products.http", "loms.grpc", "loms.http", "notifier.http"];
        Self(names.map(|name| (name, free_port())).into())
    }

    /// The base URL of a server.
    pub(crate) fn url(&self, server: &str) -> String {
        let (_, port) = self.0.iter().find(|(name, _)| *name == server).unwrap();
        format!("http://127.0.0.1:{port}")
    }

    /// As arguments, behind those of a role.
    pub(crate) fn arguments(&self, role: &str) -> Vec<String> {
        let ports = self.0.iter().map(|(name, port)| format!("{name}.port={port}"));
        let ports = ports.flat_map(|set| ["--set".to_owned(), set]);
        ["--role".to_owned(), role.to_owned()]
            .into_iter()
            .chain(ports)
            .collect()
    }
}

/// Waits until a server is ready.
pub(crate) async fn ready(base: &str) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !matches!(reqwest::get(format!("{base}/readyz")).await, Ok(answer) if answer.status() == 200) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    waited.await.expect("it does not get ready");
}

/// A folder of the test's own.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("contract-test-{}-{}", std::process::id(), free_port()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A file in it; its path.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        text(&path)
    }

    /// A file of products with these skus, each at the price of 1.
    pub(crate) fn catalogue(&self, name: &str, skus: impl Iterator<Item = i64>) -> String {
        let products = skus.map(|sku| serde_json::json!({ "sku": sku, "name": format!("Product {sku}"), "price": 1 }));
        self.file(name, serde_json::to_vec(&products.collect::<Vec<_>>()).unwrap())
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
