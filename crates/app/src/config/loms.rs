//! Settings of LOMS, of its audit, and of its relay.

use std::time::Duration;

use super::describe::settings;
use super::values::Listen;

settings! {
    /// Orders and stocks.
    LomsSettings {
        /// Calls that are decided in one transaction.
        batch_max: usize = 64, "1 to 4096", (range(min = 1, max = 4_096));
        /// Calls that may wait for a batch; one more is answered UNAVAILABLE at once.
        queue_max: usize = 4_096, "1 to 1000000", (range(min = 1, max = 1_000_000));
        /// Batches that are in flight at the same time, where the ledger is in Postgres; in memory it is one.
        lanes: usize = 2, "1 to 16", (range(min = 1, max = 16));
        /// How long calls are answered UNAVAILABLE that touch a row which somebody else was found to hold.
        held_pause_ms: u64 = 1_000, "1 to 60000", (range(min = 1, max = 60_000)) => held_pause from_millis;
        /// Events in memory that are not sent yet; beyond it orders are answered UNAVAILABLE.
        outbox_max: usize = 1_000_000, "2 to 100000000", (range(min = 2, max = 100_000_000));
        /// Orders in memory; one more is answered UNAVAILABLE.
        orders_max: usize = 20_000_000, "1 to 1000000000", (range(min = 1, max = 1_000_000_000));
        /// A JSON file of stock instead of the built-in one.
        stock_file: String = String::new(), "empty, or a file that can be read", (skip);
        /// How long an idempotency key and its answer are kept.
        idempotency_ttl_hours: u64 = 24, "24 to 720", (range(min = 24, max = 720)) => idempotency_ttl from_hours;
        /// Pause between looks for idempotency keys that are old enough to be forgotten.
        retention_interval_ms: u64 = 10_000, "10 to 3600000", (range(min = 10, max = 3_600_000)) => retention_interval from_millis;
        /// Idempotency keys that are forgotten in one look; a full one is followed by the next at once.
        retention_batch_max: usize = 2_000, "1 to 100000", (range(min = 1, max = 100_000));
        /// Open gRPC connections; more wait to be accepted.
        max_connections: usize = 10_000, "1 to 1000000", (range(min = 1, max = 1_000_000));
    }
    groups {
        /// Where gRPC listens.
        grpc: Listen = Listen::on(8083);
        /// Where its gateway listens.
        http: Listen = Listen::on(8084);
    }
}

settings! {
    /// The life of an order.
    OrderSettings {
        /// How long an order may await payment before it is cancelled.
        payment_window_seconds: u64 = 0, "0 to 31536000 (0: for ever)", (range(max = 31_536_000));
        /// Pause between looks for orders that were not paid in time.
        expiry_interval_ms: u64 = 1_000, "10 to 600000", (range(min = 10, max = 600_000)) => expiry_interval from_millis;
        /// Orders that are cancelled in one look.
        expiry_batch_max: usize = 500, "1 to 100000", (range(min = 1, max = 100_000));
    }
    groups {}
}

impl OrderSettings {
    /// How long an order may await payment; `None` for ever.
    #[must_use]
    pub const fn payment_window(&self) -> Option<Duration> {
        match self.payment_window_seconds {
            0 => None,
            some => Some(Duration::from_secs(some)),
        }
    }
}

settings! {
    /// The audit of the ledger, where it is in Postgres.
    AuditSettings {
        /// How often one instance of LOMS audits the ledger.
        interval_seconds: u64 = 3_600, "0 to 31536000 (0: never)", (range(max = 31_536_000));
        /// Time for an audit; then it is given up. Vacuum cannot tidy what changes meanwhile.
        timeout_seconds: u64 = 600, "1 to 86400", (range(min = 1, max = 86_400)) => timeout from_secs;
        /// Rows that are told of each rule that does not hold.
        rows_max: usize = 20, "1 to 1000", (range(min = 1, max = 1_000));
    }
    groups {}
}

impl AuditSettings {
    /// How often the ledger is audited; `None` for never.
    #[must_use]
    pub const fn interval(&self) -> Option<Duration> {
        match self.interval_seconds {
            0 => None,
            some => Some(Duration::from_secs(some)),
        }
    }
}

settings! {
    /// What carries events from the outbox.
    RelaySettings {
        /// How often the outbox is looked at when nobody calls.
        poll_interval_ms: u64 = 100, "1 to 60000", (range(min = 1, max = 60_000)) => poll_interval from_millis;
        /// Events of a round.
        batch_max: usize = 4_096, "1 to 100000", (range(min = 1, max = 100_000));
        /// Pause after the first failure; it doubles.
        retry_pause_ms: u64 = 50, "1 to 60000", (range(min = 1, max = 60_000)) => retry_pause from_millis;
        /// The longest pause after failures.
        retry_pause_max_ms: u64 = 1_000, "1 to 600000", (range(min = 1, max = 600_000)) => retry_pause_max from_millis;
        /// From so many events in the outbox on it is warned that they wait.
        warn_backlog_events: u64 = 100_000, "0 to 1000000000 (0: never)", (range(max = 1_000_000_000));
        /// When the oldest event in the outbox has waited for so long it is warned.
        warn_age_seconds: u64 = 60, "0 to 31536000 (0: never)", (range(max = 31_536_000));
    }
    groups {}
}

impl RelaySettings {
    /// How many events are too many in the outbox; `None`: never.
    #[must_use]
    pub const fn warn_backlog(&self) -> Option<u64> {
        match self.warn_backlog_events {
            0 => None,
            some => Some(some),
        }
    }

    /// For how long an event waits there too long; `None`: never.
    #[must_use]
    pub const fn warn_age(&self) -> Option<Duration> {
        match self.warn_age_seconds {
            0 => None,
            some => Some(Duration::from_secs(some)),
        }
    }
}
