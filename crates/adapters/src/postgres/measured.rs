//! Counts and times statements. In a pipeline each is its own: from when it is sent, which is the first
//! poll of its future, to the end of its answer. One that is dropped before was cancelled, or, where
//! [`within`] dropped it, took too long.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::Error;

use metrics::Label;

pub(super) use crate::metrics::within;
use crate::metrics::{
    CANCELLED, CONNECTION as BROKEN, Calls, DB_OPERATIONS, DB_SECONDS, NONE, OTHER as UNKNOWN, Stopwatch, TIMEOUT,
    overdue,
};

macro_rules! statements {
    ($($statement:ident = $operation:literal $name:literal,)*) => {
        /// What is sent. The names are those of `sql/queries`; two files may have one of the same name, so those
        /// of the audit begin with it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Sql {
            $(#[doc = $name] $statement,)*
        }

        /// Operation and name of each.
        const STATEMENTS: &[(&str, &str)] = &[$(($operation, $name),)*];
    };
}

statements! {
    Begin = "begin" "begin",
    Commit = "commit" "commit",
    Rollback = "rollback" "rollback",
    NextOrderIds = "select" "next_order_ids",
    LockOrders = "select" "lock_orders",
    ItemsOfOrders = "select" "items_of_orders",
    LockStock = "select" "lock_stock",
    RecordedOrders = "select" "recorded_orders",
    InsertOrders = "insert" "insert_orders",
    InsertItems = "insert" "insert_items",
    SettleOrders = "update" "settle_orders",
    InsertEvents = "insert" "insert_events",
    InsertKeys = "insert" "insert_keys",
    UpdateStock = "update" "update_stock",
    HeldStock = "select" "held_stock",
    HeldOrders = "select" "held_orders",
    OrderById = "select" "order_by_id",
    HistoryOfOrder = "select" "history_of_order",
    UnpaidOrders = "select" "unpaid_orders",
    StockBySku = "select" "stock_by_sku",
    MovementsOfSku = "select" "movements_of_sku",
    Unsent = "select" "unsent",
    ForgetSent = "delete" "forget_sent",
    Backlog = "select" "backlog",
    ForgetKeys = "delete" "forget_keys",
    TryTurn = "select" "try_turn",
    KeepTurn = "select" "keep_turn",
    Timeline = "select" "timeline",
    Standing = "select" "standing",
    SynchronousStandbys = "select" "synchronous_standbys",
    Writing = "select" "writing",
    AuditBoundStatement = "select" "audit.bound_statement",
    AuditStockBounds = "select" "audit.stock_bounds",
    AuditReservations = "select" "audit.reservations",
    AuditTotals = "select" "audit.totals",
    AuditLines = "select" "audit.lines",
    AuditShortages = "select" "audit.shortages",
    AuditPaths = "select" "audit.paths",
    AuditOrdersOfPath = "select" "audit.orders_of_path",
    AuditStanding = "select" "audit.standing",
    AuditEventOrder = "select" "audit.event_order",
    AuditEventIds = "select" "audit.event_ids",
    AuditSequences = "select" "audit.sequences",
    AuditUnsent = "select" "audit.unsent",
    AuditSentInOrder = "select" "audit.sent_in_order",
    AuditKeys = "select" "audit.keys",
}

impl Sql {
    /// Its operation, and its name.
    pub(super) const fn names(self) -> (&'static str, &'static str) {
        STATEMENTS[self as usize]
    }
}

/// Why a statement failed: by us, by the way to the server, then the classes of SQLSTATE.
const ERRORS: [&str; 18] = [
    NONE, TIMEOUT, CANCELLED, BROKEN, UNKNOWN, "08", "22", "23", "25", "40", "42", "53", "54", "55", "57", "58", "P0",
    "XX",
];
const NO_ERROR: usize = 0;
const TIMED_OUT: usize = 1;
const DROPPED: usize = 2;
const CONNECTION: usize = 3;
const OTHER: usize = 4;

type Handles = [[OnceLock<Calls>; ERRORS.len()]; STATEMENTS.len()];

/// Made once for each statement and error that comes.
static HANDLES: Handles = [const { [const { OnceLock::new() }; ERRORS.len()] }; STATEMENTS.len()];

/// Sends a statement; times it.
pub(super) async fn measured<T>(sql: Sql, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let running = Running::start(sql);
    let done = work.await;
    running.end(done.as_ref().err());
    done
}

/// Sends a COMMIT, which nobody may cancel: when it is overdue it is counted as such, and waited for all the same.
pub(super) async fn measured_commit<T>(
    overdue_after: Duration,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let running = Running::start(Sql::Commit);
    let mut work = std::pin::pin!(work);
    let Ok(done) = timeout(overdue_after, work.as_mut()).await else {
        running.end_as(TIMED_OUT);
        return work.await;
    };
    running.end(done.as_ref().err());
    done
}

/// A statement that was sent.
struct Running {
    sql: Sql,
    watch: Stopwatch,
    ended: bool,
}

impl Running {
    fn start(sql: Sql) -> Self {
        Self {
            sql,
            watch: Stopwatch::start(),
            ended: false,
        }
    }

    fn end(self, error: Option<&Error>) {
        let error = error.map_or(NO_ERROR, |error| match error.code() {
            None => CONNECTION,
            Some(state) => class(state.code()),
        });
        self.end_as(error);
    }

    fn end_as(mut self, error: usize) {
        self.ended = true;
        self.note(error);
    }

    fn note(&self, error: usize) {
        let at = self.sql as usize;
        let calls = HANDLES[at][error].get_or_init(|| {
            let (operation, query) = self.sql.names();
            let labels = vec![
                Label::from_static_parts("db_operation_name", operation),
                Label::from_static_parts("db_query_summary", query),
                Label::from_static_parts("error_type", ERRORS[error]),
            ];
            Calls::new(&DB_OPERATIONS, &DB_SECONDS, labels)
        });
        calls.note(self.watch.elapsed());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            self.note(if overdue() { TIMED_OUT } else { DROPPED });
        }
    }
}

/// Where the class of an SQLSTATE stands in [`ERRORS`].
fn class(state: &str) -> usize {
    let known = ERRORS.iter().skip(OTHER + 1).position(|class| state.starts_with(class));
    known.map_or(OTHER, |at| OTHER + 1 + at)
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn a_state_is_told_by_its_class() {
        let of = |state| ERRORS[class(state)];
        assert_eq!(
            ["55P03", "23505", "XX000", "0A000"].map(of),
            ["55", "23", "XX", "_OTHER"]
        );
    }

    #[tokio::test]
    async fn what_takes_too_long_is_told_from_what_nobody_waits_for() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let _counting = metrics::set_default_local_recorder(&recorder);
        let never = || measured(Sql::HeldStock, pending::<Result<(), Error>>());
        within(Duration::from_millis(1), never()).await.unwrap_err();
        timeout(Duration::from_millis(1), never()).await.unwrap_err();
        let slow = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(7)
        };
        assert_eq!(measured_commit(Duration::from_millis(1), slow).await.unwrap(), 7);
        measured(Sql::HeldOrders, ready(Ok(()))).await.unwrap();
        let text = handle.render();
        for labels in [
            r#"db_operation_name="select",db_query_summary="held_stock",error_type="timeout""#,
            r#"db_operation_name="select",db_query_summary="held_stock",error_type="cancelled""#,
            r#"db_operation_name="commit",db_query_summary="commit",error_type="timeout""#,
            r#"db_operation_name="select",db_query_summary="held_orders",error_type="""#,
        ] {
            assert!(
                text.contains(&format!("db_client_operations_total{{{labels}}} 1")),
                "{text}"
            );
            assert!(
                text.contains(&format!("db_client_operation_duration_seconds_count{{{labels}}} 1")),
                "{text}"
            );
        }
        assert_eq!(text.matches("db_client_operations_total{").count(), 4, "{text}");
    }
}
