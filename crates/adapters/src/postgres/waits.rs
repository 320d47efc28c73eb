//! How a pool is used, and how long its connections are waited for.

use std::fmt;

use deadpool_postgres::{Object, Pool, PoolError};
use metrics::{Counter, Gauge, Histogram, SharedString, counter, gauge, histogram};

use crate::metrics::{
    DB_CONNECTIONS, DB_CONNECTIONS_MAX, DB_PENDING, DB_WAIT_SECONDS, DB_WAIT_TIMEOUTS, OVERDUE_COMMITS, Stopwatch,
};

const POOL: &str = "db_client_connection_pool_name";
const STATE: &str = "db_client_connection_state";

/// The metrics of a pool.
#[derive(Clone)]
pub(super) struct Waits {
    waits: Histogram,
    timeouts: Counter,
    idle: Gauge,
    used: Gauge,
    most: Gauge,
    pending: Gauge,
}

impl Waits {
    pub(super) fn of(pool: &str) -> Self {
        let pool = SharedString::from(pool.to_owned());
        let count = |state: &'static str| gauge!(DB_CONNECTIONS.name, POOL => pool.clone(), STATE => state);
        Self {
            waits: histogram!(DB_WAIT_SECONDS.name, POOL => pool.clone()),
            timeouts: counter!(DB_WAIT_TIMEOUTS.name, POOL => pool.clone()),
            idle: count("idle"),
            used: count("used"),
            most: gauge!(DB_CONNECTIONS_MAX.name, POOL => pool.clone()),
            pending: gauge!(DB_PENDING.name, POOL => pool.clone()),
        }
    }

    /// A connection of a pool. A wait that nobody waits for any more is not noted.
    pub(super) async fn get(&self, pool: &Pool) -> Result<Object, PoolError> {
        let watch = Stopwatch::start();
        let got = pool.get().await;
        self.waits.record(watch.elapsed().as_secs_f64());
        if matches!(got, Err(PoolError::Timeout(_))) {
            self.timeouts.increment(1);
        }
        got
    }

    #[expect(clippy::cast_precision_loss, reason = "connections are far below 2^52")]
    pub(super) fn show(&self, pool: &Pool) {
        let status = pool.status();
        self.idle.set(status.available as f64);
        self.used.set(status.size.saturating_sub(status.available) as f64);
        self.most.set(status.max_size as f64);
        self.pending.set(status.waiting as f64);
    }
}

impl fmt::Debug for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waits")
    }
}

/// Shows how many COMMITs are overdue.
#[expect(clippy::cast_precision_loss, reason = "connections are far below 2^52")]
pub(super) fn show_overdue(commits: usize) {
    gauge!(OVERDUE_COMMITS.name).set(commits as f64);
}
