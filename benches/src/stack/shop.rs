//! Processes of `app` and of bare servers, at free ports of the loopback address; none outlives its
//! handle. What they log goes to a file each.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use adapters::postgres::testing::Database;

use super::server::Standby;
use crate::client::Urls;
use crate::clock;
use crate::cpu::Process;
use crate::error::LoadError;
use crate::startup::ready;

/// For a start, and for an end in order.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bounds that are not what is measured.
const PATIENT_MS: u64 = 10_000;
/// Between two looks whether a process has ended.
const POLL: Duration = Duration::from_millis(10);
/// Servers of a process, by the names of their settings.
const SERVERS: [&str; 5] = ["cart.http", "products.http", "loms.grpc", "loms.http", "notifier.http"];

/// Settings of a process, by their names.
pub(super) type Settings = Vec<(String, String)>;

/// A process that runs.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    ports: Vec<u16>,
    log: PathBuf,
}

/// Ports that were free a moment ago; all different.
pub(crate) fn free_ports(count: usize) -> std::io::Result<Vec<u16>> {
    let held: Vec<_> = (0..count)
        .map(|_| TcpListener::bind("127.0.0.1:0"))
        .collect::<Result<_, _>>()?;
    held.iter()
        .map(|listener| listener.local_addr().map(|address| address.port()))
        .collect()
}

/// Settings with which LOMS has its ledger in a database.
pub(super) fn in_database(database: &Database, standby: Standby) -> Settings {
    let target = database.servers().both(database.name());
    let hosts: Vec<String> = target
        .get_ports()
        .iter()
        .map(|port| format!("127.0.0.1:{port}"))
        .collect();
    let user = target.get_user().unwrap_or("postgres");
    let password = String::from_utf8_lossy(target.get_password().unwrap_or_default()).into_owned();
    let url = format!(
        "postgres://{user}@{}/{}?sslmode=disable",
        hosts.join(","),
        database.name()
    );
    let waits = standby == Standby::RemoteApply;
    [
        ("postgres.url", url),
        ("postgres.password", password),
        ("postgres.wait_for_replicas", waits.to_string()),
        // Everything is asked for at once by clients that come all at the same time.
        ("postgres.connect_timeout_ms", PATIENT_MS.to_string()),
        ("postgres.pool_timeout_ms", PATIENT_MS.to_string()),
        ("postgres.read_timeout_ms", PATIENT_MS.to_string()),
        ("http.answer_timeout_ms", (PATIENT_MS * 20).to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

impl Running {
    /// Starts a role of `app` and waits until it is ready.
    pub(super) async fn app(app: &Path, role: &str, settings: &Settings, logs: &Path) -> Result<Self, LoadError> {
        let log = logs.join(format!("{role}.log"));
        let out = create(&log)?;
        let running = Self::begin(app, role, settings, out.into(), log)?;
        running.ready(role).await?;
        Ok(running)
    }

    /// Starts a role of `app` whose standard output is read here; the caller waits for what it wants.
    pub(super) fn piped(
        app: &Path,
        role: &str,
        settings: &Settings,
        logs: &Path,
    ) -> Result<(Self, ChildStdout), LoadError> {
        let log = logs.join(format!("{role}.log"));
        let mut running = Self::begin(app, role, settings, Stdio::piped(), log)?;
        let out = running.child.stdout.take();
        out.map(|out| (running, out))
            .ok_or_else(|| LoadError::Target("a process has no output".to_owned()))
    }

    fn begin(app: &Path, role: &str, settings: &Settings, out: Stdio, log: PathBuf) -> Result<Self, LoadError> {
        let ports = free_ports(SERVERS.len())?;
        let mut command = Command::new(app);
        command.args(["--role", role]);
        for (server, port) in SERVERS.into_iter().zip(&ports) {
            command.env(variable(&format!("{server}.port")), port.to_string());
        }
        // In the environment, which others cannot read: a command line they can.
        command.envs(settings.iter().map(|(name, value)| (variable(name), value)));
        let err = create(&log.with_extension("err"))?;
        let child = spawn(&mut command, out, err.into())?;
        Ok(Self { child, ports, log })
    }

    /// Starts a bare gRPC server; its URL.
    pub(super) async fn bare_grpc(logs: &Path) -> Result<(Self, String), LoadError> {
        let ports = free_ports(1)?;
        let address = format!("127.0.0.1:{}", ports[0]);
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["bare-grpc", "--addr", &address]);
        let log = logs.join("bare-grpc.log");
        let out = create(&log)?;
        let child = spawn(&mut command, out.into(), Stdio::inherit())?;
        let until = clock::now() + PATIENCE;
        while tokio::net::TcpStream::connect(&address).await.is_err() {
            if clock::now() >= until {
                return Err(LoadError::Target(format!(
                    "the bare server does not listen on {address}"
                )));
            }
            tokio::time::sleep(POLL).await;
        }
        Ok((Self { child, ports, log }, format!("http://{address}")))
    }

    async fn ready(&self, role: &str) -> Result<(), LoadError> {
        let servers: &[&str] = match role {
            "loms" => &["loms.http"],
            "notifier" => &["notifier.http"],
            _ => &["cart.http", "products.http", "loms.http", "notifier.http"],
        };
        let urls: Vec<String> = servers
            .iter()
            .map(|server| format!("{}/readyz", self.url(server)))
            .collect();
        let waited = ready(&urls, PATIENCE).await;
        waited.map_err(|error| LoadError::Target(format!("{error}; it logs to {}", self.log.display())))
    }

    /// The base URL of one of its servers.
    pub(super) fn url(&self, server: &str) -> String {
        let at = SERVERS.iter().position(|name| *name == server).unwrap_or_default();
        format!("http://127.0.0.1:{}", self.ports[at])
    }

    /// All of them, for the clients of this program.
    pub(super) fn urls(&self) -> Urls {
        urls(self.url("loms.grpc"), self.url("cart.http"), self.url("products.http"))
    }

    /// Whose CPU time is read.
    pub(super) fn process(&self) -> Process {
        Process::Alone(self.child.id())
    }

    /// Ends it in order.
    pub(super) async fn end(mut self) -> Result<(), LoadError> {
        let told = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status()?;
        let until = clock::now() + PATIENCE;
        while told.success() && clock::now() < until {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
        Err(LoadError::Target(format!(
            "a process does not end; it logs to {}",
            self.log.display()
        )))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both only fail where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where one server answers, or several.
pub(super) fn urls(grpc: String, cart: String, products: String) -> Urls {
    Urls {
        cart,
        gateway: String::new(),
        grpc,
        products,
        api_key: "testToken".to_owned(),
        orders_by_gateway: false,
        connections: 4,
        timeout: Duration::from_secs(30),
    }
}

/// `loms.grpc.port` as the environment spells it.
pub(super) fn variable(name: &str) -> String {
    format!("APP__{}", name.to_uppercase().replace('.', "__"))
}

fn create(path: &Path) -> Result<File, LoadError> {
    File::create(path).map_err(|source| LoadError::File {
        path: path.to_owned(),
        source,
    })
}

fn spawn(command: &mut Command, out: Stdio, err: Stdio) -> Result<Child, LoadError> {
    let spawned = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn();
    spawned.map_err(|source| LoadError::File {
        path: command.get_program().into(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_spelled_as_the_environment_has_them() {
        assert_eq!(
            variable("postgres.wait_for_replicas"),
            "APP__POSTGRES__WAIT_FOR_REPLICAS"
        );
    }

    #[tokio::test]
    async fn a_process_that_is_not_there_is_told_by_its_name() {
        let logs = std::env::temp_dir();
        let error =
            Running::piped(Path::new("no-such-program"), "loms", &Vec::new(), &logs).expect_err("it is not there");
        assert!(error.to_string().contains("no-such-program"), "{error}");
    }
}
