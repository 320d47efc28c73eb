//! What this crate counts: every name, once, with what it means. The adapters have theirs in
//! `adapters::metrics`; `docs/metrics.md` lists all of them with their labels.

use adapters::metrics_table;

metrics_table! {
    /// All of them.
    ALL;
    HTTP_REQUESTS = counter("http_server_requests_total", "Requests that our servers answered, or that ended without an answer.");
    HTTP_SECONDS = seconds("http_server_request_duration_seconds", "From the head of a request to its answer.");
    HTTP_ACTIVE = gauge("http_server_active_requests", "Requests that are being answered.");
    RPC_CALLS = counter("rpc_server_calls_total", "Calls over gRPC.");
    RPC_SECONDS = seconds("rpc_server_call_duration_seconds", "From the head of a call over gRPC to its answer.");
    PROCESS_SECONDS = seconds("messaging_process_duration_seconds", "To handle one event, with all its tries.");
    CARTS = gauge("cart_carts", "Carts in memory.");
    CART_ITEMS = gauge("cart_items", "Lines of all carts.");
    ADDITIONS = counter("cart_additions_total", "Attempts to add to a cart.");
    CHECKOUTS = counter("cart_checkouts_total", "Checkouts of shoppers.");
    CHECKOUTS_RESOLVED = counter("cart_checkouts_resolved_total", "Unknown checkouts that were tried again in the background.");
    CHECKOUTS_IN_FLIGHT = gauge("cart_checkouts_in_flight", "Checkouts that wait for LOMS.");
    CHECKOUTS_PENDING = gauge("cart_checkouts_pending", "Checkouts whose outcome is not known.");
    STATUS_CHANGES = counter("loms_order_status_changes_total", "Committed changes of orders, by the new status.");
    RESERVED_UNITS = counter("loms_stock_reserved_units_total", "Units reserved by orders.");
    SOLD_UNITS = counter("loms_stock_sold_units_total", "Units of orders that were payed.");
    RELEASED_UNITS = counter("loms_stock_released_units_total", "Units of orders that were cancelled or expired.");
    REFUSALS = counter("loms_order_refusals_total", "Calls of the order book that did not get what they asked for.");
    BATCH_SIZE = counts("loms_batch_size_calls", "Calls of a batch.");
    BATCH_QUEUE = gauge("loms_batch_queue_calls", "Calls that wait for a batch.");
    BATCH_WAIT = seconds("loms_batch_wait_seconds", "Wait of a call for its batch.");
    BATCH_SECONDS = seconds("loms_batch_duration_seconds", "One transaction of a batch.");
    OUTBOX_BACKLOG = gauge("loms_outbox_backlog_events", "Events that are not published yet.");
    OUTBOX_AGE = gauge_seconds("loms_outbox_oldest_age_seconds", "Age of the oldest event that is not published yet.");
    PUBLISHED = counter("loms_outbox_published_events_total", "Events published and marked.");
    PUBLISH_SECONDS = seconds("loms_outbox_publish_duration_seconds", "One round of publishing.");
    FAILED_ROUNDS = counter("loms_outbox_failed_rounds_total", "Rounds of the relay in which events, or some of them, did not get on.");
    PUT_ASIDE = counter("loms_outbox_put_aside_events_total", "Events that the broker will never take, now dead letters.");
    KEYS_FORGOTTEN = counter("loms_idempotency_keys_forgotten_total", "Old idempotency keys deleted.");
    EXPIRED = counter("loms_expired_orders_total", "Orders cancelled because they were not payed in time.");
    AUDIT_VIOLATIONS = gauge("loms_audit_violations", "Rows that break a rule of the ledger.");
    AUDIT_LAST = gauge_seconds("loms_audit_last_success_timestamp_seconds", "When this instance last audited the ledger; 0: never.");
    AUDIT_SECONDS = gauge_seconds("loms_audit_duration_seconds", "How long the last audit took.");
    AUDIT_FAILURES = counter("loms_audit_failures_total", "Audits that could not be done.");
    HANDLED = counter("notifier_handled_events_total", "Events delivered.");
    REPEATED = counter("notifier_repeated_events_total", "Events passed over because they had been handled.");
    DEAD_LETTERS = counter("notifier_dead_letters_total", "Events that went to the dead letters.");
    FAILED_ATTEMPTS = counter("notifier_failed_attempts_total", "Tries to deliver that failed and are repeated.");
    BUILD_INFO = gauge("app_build_info", "What runs.");
    TASKS_ALIVE = gauge("app_tasks_alive", "Long-lived tasks of the process.");
    LINES_DROPPED = counter("app_log_lines_dropped_total", "Log lines dropped because nobody wrote them fast enough.");
    FAILURES_SUPPRESSED = counter("app_log_failures_suppressed_total", "Failures like the one before that were counted instead of logged.");
    REQUESTS_LEFT_OUT = counter("app_log_requests_left_out_total", "Lines of requests left out because there were too many in a second.");
    SPANS_EXPORTED = counter("app_trace_spans_exported_total", "Spans that the collector took.");
    SPANS_DROPPED = counter("app_trace_spans_dropped_total", "Spans thrown away.");
    TOKIO_WORKERS = gauge("tokio_workers", "Workers of the runtime.");
    TOKIO_TASKS = gauge("tokio_alive_tasks", "Tasks of the runtime.");
    TOKIO_QUEUE = gauge("tokio_global_queue_tasks", "Tasks that wait for any worker.");
    TOKIO_BUSY = counter("tokio_worker_busy_seconds_total", "Time that a worker was busy, in whole seconds.");
    TOKIO_PARKS = counter("tokio_worker_parks_total", "How often a worker had nothing to do.");
}
