//! A Postgres of a test's own, whose servers may be killed, frozen, promoted and made anew. It is
//! gone with its handle.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use adapters::postgres::testing::admin;
use tokio_postgres::{Client, Config};

use crate::harness::free_port;

/// A primary (node 1) and its standbys (nodes 2, …).
pub(crate) struct Cluster {
    folder: PathBuf,
    ports: Vec<u16>,
    password: String,
}

/// Runs `scripts/services.sh`; what it printed, and whether all went well.
fn services(folder: &PathBuf, standbys: usize, arguments: &[&str]) -> (String, bool) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/services.sh");
    let done = Command::new(script)
        .args(arguments)
        .env("SERVICES_DIR", folder)
        .env("SERVICES_STANDBYS", standbys.to_string())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    (String::from_utf8(done.stdout).unwrap(), done.status.success())
}

/// A script that takes seconds must not hold up the test's runtime.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

impl Cluster {
    /// Starts one with this many synchronous standbys.
    pub(crate) async fn up(standbys: usize) -> Self {
        let folder = std::env::temp_dir().join(format!("faults-{}-{}", std::process::id(), free_port()));
        let mut cluster = Self {
            folder: folder.clone(),
            ports: Vec::new(),
            password: String::new(),
        };
        let said = apart(move || {
            let (_, up) = services(&folder, standbys, &["up", "postgres"]);
            assert!(up, "Postgres does not start");
            services(&folder, standbys, &["env", "postgres"]).0
        })
        .await;
        let value = |name: &str| {
            let line = said
                .lines()
                .find_map(|line| line.strip_prefix(&format!("export {name}='")));
            line.unwrap_or_else(|| panic!("no {name} in {said}"))
                .trim_end_matches('\'')
                .to_owned()
        };
        cluster.password = value("APP_TEST_POSTGRES_PASSWORD");
        let hosts = value("APP_TEST_POSTGRES_HOSTS");
        cluster.ports = hosts
            .split(',')
            .map(|host| host.rsplit(':').next().unwrap().parse().unwrap())
            .collect();
        cluster
    }

    /// The URL of a database on all nodes.
    pub(crate) fn url(&self, database: &str) -> String {
        let hosts: Vec<String> = self.ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        format!(
            "postgres://postgres:{}@{}/{database}?sslmode=disable",
            self.password,
            hosts.join(",")
        )
    }

    /// The port of a node, which are numbered from 1.
    pub(crate) fn port(&self, node: usize) -> u16 {
        self.ports[node - 1]
    }

    /// A connection of the superuser to a node, which does not wait for standbys.
    pub(crate) async fn admin(&self, node: usize, database: &str) -> Client {
        let mut target = Config::new();
        target
            .host("127.0.0.1")
            .port(self.port(node))
            .user("postgres")
            .password(&self.password);
        admin(&target, database).await
    }

    /// Makes a database on the primary, with nothing in it.
    pub(crate) async fn create(&self, primary: usize, database: &str) {
        let admin = self.admin(primary, "postgres").await;
        admin
            .batch_execute(&format!("create database {database}"))
            .await
            .unwrap();
    }

    async fn node(&self, action: &'static str, node: usize) {
        let (folder, standbys) = (self.folder.clone(), self.ports.len() - 1);
        let (said, done) =
            apart(move || services(&folder, standbys, &["node", "postgres", action, &node.to_string()])).await;
        assert!(done, "node {node} does not {action}: {said}");
    }

    /// As when the machine of a node dies.
    pub(crate) async fn kill(&self, node: usize) {
        self.node("kill", node).await;
    }

    /// Starts a node that was killed.
    pub(crate) async fn start(&self, node: usize) {
        self.node("start", node).await;
    }

    /// Makes a standby the primary, which then waits for nobody.
    pub(crate) async fn promote(&self, node: usize) {
        self.node("promote", node).await;
    }

    /// Makes a dead node anew, as a synchronous standby of the primary.
    pub(crate) async fn rejoin(&self, node: usize) {
        self.node("rejoin", node).await;
    }

    /// The processes of a node, that which starts the others first.
    async fn processes(&self, node: usize) -> Vec<String> {
        let (folder, standbys) = (self.folder.clone(), self.ports.len() - 1);
        let (said, _) = apart(move || services(&folder, standbys, &["status", "postgres"])).await;
        let line = said
            .lines()
            .find(|line| line.starts_with(&format!("node {node} ")))
            .unwrap();
        let pid = line
            .split_whitespace()
            .skip_while(|word| *word != "pid")
            .nth(1)
            .unwrap();
        assert!(pid.parse::<u32>().is_ok(), "node {node} does not run: {said}");
        vec![pid.to_owned()]
    }

    /// Freezes a node: it accepts connections and answers none. Gives what [`Cluster::thaw`] takes.
    pub(crate) async fn freeze(&self, node: usize) -> Frozen {
        let mut processes = self.processes(node).await;
        // The first one first: afterwards there are no new ones.
        signal("STOP", &processes);
        let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", processes[0])).unwrap();
        processes.extend(children.split_whitespace().map(str::to_owned));
        signal("STOP", &processes);
        Frozen(processes)
    }

    /// Has a frozen node go on.
    pub(crate) fn thaw(&self, frozen: &Frozen) {
        signal("CONT", &frozen.0);
    }
}

/// The processes of a frozen node.
pub(crate) struct Frozen(Vec<String>);

/// Some of them may have ended by themselves.
fn signal(name: &str, processes: &[String]) {
    for process in processes {
        let _ = Command::new("kill")
            .args([&format!("-{name}"), process])
            .stderr(Stdio::null())
            .status()
            .unwrap();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let standbys = self.ports.len().saturating_sub(1);
        let (said, down) = services(&self.folder, standbys, &["down", "--wipe", "postgres"]);
        let _ = std::fs::remove_dir_all(&self.folder);
        assert!(
            down || std::thread::panicking(),
            "the test's Postgres does not end: {said}"
        );
    }
}
