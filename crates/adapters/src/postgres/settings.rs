//! Where the servers are, and the bounds of everything that talks to them.

use std::time::Duration;

use tokio_postgres::Config;

use super::tls::Tls;

/// Settings of the Postgres adapter. All durations are bounds of waits, and none is zero.
#[derive(Debug, Clone)]
pub struct PostgresSettings {
    /// Database, user, password, and every server of the cluster: which of them is the primary shows.
    pub target: Config,
    /// How connections to them are encrypted; what the target says of it does not count.
    pub tls: Tls,
    /// Most connections that write.
    pub write_connections_max: usize,
    /// Most connections that read, to each server.
    pub read_connections_max: usize,
    /// To connect to one server, its handshake included.
    pub connect_timeout: Duration,
    /// For a connection of a pool.
    pub pool_timeout: Duration,
    /// For rows that another transaction holds.
    pub lock_timeout: Duration,
    /// For one statement of a write, by the server's clock.
    pub statement_timeout: Duration,
    /// How long a transaction may stand between statements before the server ends it: a frozen
    /// process must not hold rows.
    pub idle_in_transaction_timeout: Duration,
    /// For the answer to a COMMIT; then its outcome is unknown.
    pub commit_timeout: Duration,
    /// For one read.
    pub read_timeout: Duration,
    /// Between looks at the servers; also the bound of each look.
    pub health_interval: Duration,
    /// How long the server keeps a turn whose holder is silent.
    pub turn_timeout: Duration,
    /// Whether commits wait until the synchronous standbys have applied them (`remote_apply`).
    /// Only then are reads answered by standbys.
    pub wait_for_replicas: bool,
}

impl PostgresSettings {
    /// The default bounds for a cluster, in the clear.
    #[must_use]
    pub const fn new(target: Config) -> Self {
        Self {
            target,
            tls: Tls::OFF,
            write_connections_max: 4,
            read_connections_max: 8,
            connect_timeout: Duration::from_secs(1),
            pool_timeout: Duration::from_secs(2),
            lock_timeout: Duration::from_millis(500),
            statement_timeout: Duration::from_secs(3),
            idle_in_transaction_timeout: Duration::from_secs(2),
            commit_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(2),
            health_interval: Duration::from_millis(500),
            turn_timeout: Duration::from_secs(5),
            wait_for_replicas: true,
        }
    }
}
