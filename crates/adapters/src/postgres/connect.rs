//! Connections to the servers of a cluster, and which of them is the primary. Several may take
//! writes: after a failover the old primary may come back and know nothing of it. The newest
//! timeline wins, and one that is older than any seen is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use sql::queries::nodes;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config};

use super::errors::Refusal;
use super::measured::{Sql, measured, within};
use super::settings::PostgresSettings;

/// How long a second server that takes writes is waited for once there is one.
const RIVAL_WAIT: Duration = Duration::from_millis(50);
/// Memory for each sort and table of the audit; beyond it they go to disk.
const AUDIT_MEMORY: &str = "64MB";
/// For one statement of a command, a migration's included.
const COMMAND_TIME_MAX: Duration = Duration::from_secs(120);
/// How the server notices that the machine of its client is gone, or that the client takes no answers:
/// a backend that cannot get rid of an answer is neither idle nor ended by the bound of a statement.
const DEAD_CLIENTS: &str =
    "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 -c tcp_user_timeout=10000";
/// A dead network is noticed after this long.
const TCP_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The server refuses, or is not there.
    #[error("cannot connect to {server}")]
    Server {
        /// Which, as host and port.
        server: String,
        /// Why.
        source: tokio_postgres::Error,
    },
    /// The server does not answer.
    #[error("{server} did not answer in time")]
    TimedOut {
        /// Which, as host and port.
        server: String,
    },
    /// No server that may be written to.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// What a session is for; each has its own limits at the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Session {
    /// Units of work.
    Write,
    /// Reads.
    Read,
    /// Looks at a server.
    Look,
    /// Work that one instance at a time does.
    Turn,
    /// Commands of an operator: migrations, stock.
    Command,
    /// The audit, which bounds each of its statements by itself.
    Audit,
}

/// One server.
#[derive(Debug)]
struct Server {
    name: String,
    target: Config,
}

/// Connects to the servers of a cluster.
#[derive(Debug)]
pub struct Connector {
    servers: Vec<Server>,
    settings: PostgresSettings,
    newest: watch::Sender<i32>,
    last_primary: AtomicUsize,
}

impl Connector {
    /// For the servers of the settings.
    #[must_use]
    pub fn new(settings: PostgresSettings) -> Arc<Self> {
        let hosts = settings.target.get_hosts();
        let servers = (0..hosts.len()).map(|at| server(&settings.target, at)).collect();
        Arc::new(Self {
            servers,
            settings,
            newest: watch::Sender::new(0),
            last_primary: AtomicUsize::new(0),
        })
    }

    /// The settings.
    #[must_use]
    pub const fn settings(&self) -> &PostgresSettings {
        &self.settings
    }

    /// How many servers there are.
    #[must_use]
    pub const fn servers(&self) -> usize {
        self.servers.len()
    }

    /// A server as host and port.
    #[must_use]
    pub fn name(&self, server: usize) -> &str {
        self.servers.get(server).map_or("no server", |server| &server.name)
    }

    /// The server that last took writes, as far as is known.
    #[must_use]
    pub fn last_primary(&self) -> usize {
        self.last_primary.load(Ordering::Relaxed)
    }

    /// The newest timeline that was seen, and its changes.
    #[must_use]
    pub fn timelines(&self) -> watch::Receiver<i32> {
        self.newest.subscribe()
    }

    /// Notes the timeline of a server that takes writes.
    ///
    /// # Errors
    /// [`Refusal::Deposed`] where a newer one was seen.
    pub fn note_timeline(&self, found: i32) -> Result<(), Refusal> {
        self.newest.send_if_modified(|newest| {
            let newer = found > *newest;
            *newest = found.max(*newest);
            newer
        });
        let newest = *self.newest.borrow();
        if found < newest {
            return Err(Refusal::Deposed { found, newest });
        }
        Ok(())
    }

    /// Connects to one server. The connection ends with its client.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn to(&self, server: usize, session: Session) -> Result<(Client, JoinHandle<()>), ConnectError> {
        let Some(Server { name, target }) = self.servers.get(server) else {
            return Err(Refusal::NoPrimary.into());
        };
        let mut target = target.clone();
        target.options(self.options(session));
        let connected = tokio::time::timeout(self.settings.connect_timeout, self.settings.tls.connect(&target)).await;
        connected
            .map_err(|_| ConnectError::TimedOut { server: name.clone() })?
            .map_err(|source| ConnectError::Server {
                server: name.clone(),
                source,
            })
    }

    /// Connects to the server that takes writes; where several do, to that of the newest timeline.
    ///
    /// # Errors
    /// [`ConnectError`], of the server that was last the primary if all fail.
    pub async fn primary(&self, session: Session) -> Result<(Client, JoinHandle<()>), ConnectError> {
        let mut attempts: FuturesUnordered<_> = (0..self.servers.len()).map(|at| self.writable(at, session)).collect();
        let mut best: Option<(i32, usize, (Client, JoinHandle<()>))> = None;
        let mut first_error = None;
        let mut patience = self.settings.connect_timeout * 2;
        while let Ok(Some(attempt)) = tokio::time::timeout(patience, attempts.next()).await {
            match attempt {
                Ok((timeline, at, connection)) => {
                    if best.as_ref().is_none_or(|(best, ..)| timeline > *best) {
                        best = Some((timeline, at, connection));
                    }
                    patience = RIVAL_WAIT;
                }
                Err((at, error)) => {
                    if first_error.is_none() || at == self.last_primary() {
                        first_error = Some(error);
                    }
                }
            }
        }
        let Some((timeline, at, connection)) = best else {
            return Err(first_error.unwrap_or_else(|| Refusal::NoPrimary.into()));
        };
        self.note_timeline(timeline)?;
        self.last_primary.store(at, Ordering::Relaxed);
        Ok(connection)
    }

    async fn writable(
        &self,
        at: usize,
        session: Session,
    ) -> Result<(i32, usize, (Client, JoinHandle<()>)), (usize, ConnectError)> {
        let (client, driver) = self.to(at, session).await.map_err(|error| (at, error))?;
        let server = || self.name(at).to_owned();
        let timeline = nodes::timeline();
        let asked = measured(Sql::Timeline, timeline.bind(&client).one());
        let asked = within(self.settings.connect_timeout, asked).await;
        match asked {
            Ok(Ok(Some(timeline))) => Ok((timeline, at, (client, driver))),
            Ok(Ok(None)) => Err((at, Refusal::NoPrimary.into())),
            Ok(Err(source)) => Err((
                at,
                ConnectError::Server {
                    server: server(),
                    source,
                },
            )),
            Err(_) => Err((at, ConnectError::TimedOut { server: server() })),
        }
    }

    /// The limits that the server holds a session to.
    fn options(&self, session: Session) -> String {
        let settings = &self.settings;
        let millis = |duration: Duration| duration.as_millis().max(1);
        let of_session = match session {
            // Plans are made while tables are small and kept when they are large: no sequential scans.
            Session::Write => format!(
                "-c synchronous_commit={} -c enable_seqscan=off -c jit=off",
                if settings.wait_for_replicas {
                    "remote_apply"
                } else {
                    "on"
                },
            ),
            Session::Read => "-c default_transaction_read_only=on -c enable_seqscan=off -c jit=off".to_owned(),
            Session::Look => String::new(),
            // The ledger does not wait for what is only housekeeping, and it must not wait for standbys.
            Session::Turn => format!(
                "-c idle_session_timeout={0} -c tcp_user_timeout={0} -c synchronous_commit=local \
                 -c enable_seqscan=off -c jit=off",
                millis(settings.turn_timeout),
            ),
            // A frozen command must not hold the lock of the migrations.
            Session::Command => format!("-c idle_session_timeout={}", millis(COMMAND_TIME_MAX)),
            // It reads whole tables, with one processor, and ends when nobody waits for it any more.
            Session::Audit => format!(
                "-c default_transaction_read_only=on -c max_parallel_workers_per_gather=0 -c jit=off \
                 -c work_mem={AUDIT_MEMORY} -c client_connection_check_interval={}",
                millis(settings.turn_timeout),
            ),
        };
        let (statement, idle) = match session {
            Session::Write | Session::Turn => (settings.statement_timeout, settings.idle_in_transaction_timeout),
            Session::Read => (settings.read_timeout, settings.idle_in_transaction_timeout),
            Session::Look => (settings.health_interval, settings.idle_in_transaction_timeout),
            Session::Command => (COMMAND_TIME_MAX, settings.idle_in_transaction_timeout * 10),
            Session::Audit => (settings.statement_timeout, settings.idle_in_transaction_timeout * 10),
        };
        let lock = match session {
            Session::Command => settings.lock_timeout * 4,
            Session::Write | Session::Read | Session::Look | Session::Turn | Session::Audit => settings.lock_timeout,
        };
        let bounds = format!(
            "-c statement_timeout={} -c lock_timeout={} -c idle_in_transaction_session_timeout={}",
            millis(statement),
            millis(lock),
            millis(idle),
        );
        format!("-c client_min_messages=warning -c TimeZone=UTC {DEAD_CLIENTS} {bounds} {of_session}")
    }
}

/// The target with one of its servers only.
fn server(all: &Config, at: usize) -> Server {
    let mut target = Config::new();
    let host = &all.get_hosts()[at];
    let port = match all.get_ports() {
        [] => 5432,
        [one] => *one,
        ports => ports.get(at).copied().unwrap_or(5432),
    };
    let name = match host {
        tokio_postgres::config::Host::Tcp(host) => {
            target.host(host);
            format!("{host}:{port}")
        }
        #[cfg(unix)]
        tokio_postgres::config::Host::Unix(path) => {
            target.host_path(path);
            format!("{}:{port}", path.display())
        }
    };
    target.port(port).channel_binding(all.get_channel_binding());
    target.tcp_user_timeout(TCP_TIMEOUT).keepalives_idle(TCP_TIMEOUT);
    target.application_name(all.get_application_name().unwrap_or("loms"));
    if let Some(user) = all.get_user() {
        target.user(user);
    }
    if let Some(password) = all.get_password() {
        target.password(password);
    }
    if let Some(database) = all.get_dbname() {
        target.dbname(database);
    }
    Server { name, target }
}
