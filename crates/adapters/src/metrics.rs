//! What the adapters count: every name, once, with what it means. `docs/metrics.md` lists their labels.
//! Handles are made once, where something is measured, and kept: no string is made for a label while
//! requests are served.

#[cfg(any(feature = "postgres", feature = "kafka"))]
mod bounded;
mod calls;
mod labels;
mod overdue;

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

#[cfg(any(feature = "postgres", feature = "kafka"))]
pub use bounded::within;
pub use calls::{CallTable, Calls, Running, Stopwatch};
pub use labels::{CANCELLED, CONNECTION, GRPC_CODES, NONE, OTHER, REFUSED, TIMEOUT, grpc_label, status_label};
pub use overdue::overdue;

/// What kind of a metric it is, and in which unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge(Unit),
    Histogram(Unit),
}

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    kind: Kind,
    meaning: &'static str,
}

impl Metric {
    /// Counts what happens.
    #[must_use]
    pub const fn counter(name: &'static str, meaning: &'static str) -> Self {
        Self::new(name, Kind::Counter, meaning)
    }

    /// Tells how many there are.
    #[must_use]
    pub const fn gauge(name: &'static str, meaning: &'static str) -> Self {
        Self::new(name, Kind::Gauge(Unit::Count), meaning)
    }

    /// Tells how long something lasts, or when it was.
    #[must_use]
    pub const fn gauge_seconds(name: &'static str, meaning: &'static str) -> Self {
        Self::new(name, Kind::Gauge(Unit::Seconds), meaning)
    }

    /// Gathers durations.
    #[must_use]
    pub const fn seconds(name: &'static str, meaning: &'static str) -> Self {
        Self::new(name, Kind::Histogram(Unit::Seconds), meaning)
    }

    /// Gathers counts.
    #[must_use]
    pub const fn counts(name: &'static str, meaning: &'static str) -> Self {
        Self::new(name, Kind::Histogram(Unit::Count), meaning)
    }

    const fn new(name: &'static str, kind: Kind, meaning: &'static str) -> Self {
        Self { name, kind, meaning }
    }

    /// Makes it appear with 0 where it has no labels, before anything happens: what is not there cannot
    /// be told from what never happens. A gauge appears when it is set.
    pub fn begin(&self) {
        match self.kind {
            Kind::Counter => drop(metrics::counter!(self.name)),
            Kind::Gauge(_) => {}
            Kind::Histogram(_) => drop(metrics::histogram!(self.name)),
        }
    }

    /// Tells the recorder that is installed what it means.
    pub fn describe(&self) {
        match self.kind {
            Kind::Counter => describe_counter!(self.name, Unit::Count, self.meaning),
            Kind::Gauge(unit) => describe_gauge!(self.name, unit, self.meaning),
            Kind::Histogram(unit) => describe_histogram!(self.name, unit, self.meaning),
        }
    }
}

/// Makes constants of metrics, and a list of them.
#[macro_export]
macro_rules! metrics_table {
    ($(#[$all_doc:meta])* $all:ident; $($(#[$doc:meta])* $id:ident = $kind:ident($name:literal, $meaning:literal);)*) => {
        $($(#[$doc])* #[doc = $meaning]
        pub const $id: $crate::metrics::Metric = $crate::metrics::Metric::$kind($name, $meaning);)*
        $(#[$all_doc])*
        pub const $all: &[$crate::metrics::Metric] = &[$($id),*];
    };
}

metrics_table! {
    /// All of them.
    ALL;
    HTTP_CLIENT_REQUESTS = counter("http_client_requests_total", "Requests sent over HTTP, each attempt by itself.");
    HTTP_CLIENT_SECONDS = seconds("http_client_request_duration_seconds", "Outgoing HTTP requests, each attempt by itself.");
    RPC_CLIENT_CALLS = counter("rpc_client_calls_total", "Calls of LOMS over gRPC.");
    RPC_CLIENT_SECONDS = seconds("rpc_client_call_duration_seconds", "From when a call is made to its answer.");
    DB_OPERATIONS = counter("db_client_operations_total", "Statements that were sent to Postgres.");
    DB_SECONDS = seconds("db_client_operation_duration_seconds", "From when a statement is sent to the end of its answer.");
    DB_CONNECTIONS = gauge("db_client_connection_count", "Connections of a pool.");
    DB_CONNECTIONS_MAX = gauge("db_client_connection_max", "Most connections of a pool.");
    DB_PENDING = gauge("db_client_connection_pending_requests", "Who waits for a connection.");
    DB_WAIT_SECONDS = seconds("db_client_connection_wait_time_seconds", "How long a connection was waited for.");
    DB_WAIT_TIMEOUTS = counter("db_client_connection_timeouts_total", "Waits that got no connection in time.");
    OVERDUE_COMMITS = gauge("loms_overdue_commits", "Connections that wait for a COMMIT that is overdue.");
    PRIMARY_TAKES_WRITES = gauge("loms_primary_takes_writes", "Whether a primary is seen that takes writes.");
    REPLICA_IN_USE = gauge("loms_replica_in_use", "Whether reads go to this server as a replica in step.");
    REPLICA_LAG = gauge("loms_replica_lag_bytes", "WAL that a standby has not applied yet.");
    MESSAGING_OPERATIONS = counter("messaging_client_operations_total", "Requests to the broker.");
    MESSAGING_SECONDS = seconds("messaging_client_operation_duration_seconds", "From a request to its acknowledgement.");
    MESSAGES_SENT = counter("messaging_client_sent_messages_total", "Records that were acknowledged.");
    MESSAGES_CONSUMED = counter("messaging_client_consumed_messages_total", "Records that came, repeats included.");
    LAG = gauge("notifier_lag_events", "Events of a partition of ours that are not handled yet.");
    CACHE_HITS = counter("cart_products_cache_hits_total", "Products answered from the cache.");
    CACHE_MISSES = counter("cart_products_cache_misses_total", "Products that were not in the cache.");
    CACHE_ENTRIES = gauge("cart_products_cache_entries", "Entries of the cache of products.");
    PRODUCTS_WAIT = seconds("cart_products_wait_seconds", "Wait of a request to products for its turn.");
    PRODUCTS_WAITING = gauge("cart_products_waiting_requests", "Requests to products that wait for their turn.");
    PRODUCTS_RETRIES = counter("cart_products_retries_total", "Requests to products sent again after 420 or 429.");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_and_times_are_told_by_their_names() {
        for metric in ALL {
            assert_eq!(
                metric.kind == Kind::Counter,
                metric.name.ends_with("_total"),
                "{metric:?}"
            );
            assert_eq!(
                metric.kind == Kind::Histogram(Unit::Seconds),
                metric.name.ends_with("_seconds"),
                "{metric:?}"
            );
        }
    }
}
