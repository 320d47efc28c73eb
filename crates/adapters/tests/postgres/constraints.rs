//! Each constraint of the schema, hit once. The list is that of the database: a constraint without
//! a case here, or a case without a constraint, fails.

use std::collections::BTreeSet;

use adapters::postgres::testing::Database;
use tokio_postgres::Client;

/// Rows that every constraint accepts.
const GOOD: &str = "
    insert into stock (sku, total_count, reserved) values (1, 10, 2);
    insert into stock_movements (sku, units, reason, moment) values (1, 10, 'initial load', now());
    insert into stock_imports (digest, records, moment) values (decode(repeat('ab', 32), 'hex'), 1, now());
    insert into orders (id, user_id, status, placed_at) values (1, 1, 'awaiting payment', now());
    insert into orders (id, user_id, status, placed_at, short_sku, short_wanted, short_free)
        values (2, 1, 'failed', now(), 1, 5, 4);
    insert into order_items (order_id, sku, count) values (1, 1, 2);
    insert into order_events (order_id, status, moment, event_id) values (1, 'new', now(), 1);
    insert into outbox (event_id, order_id, status, moment) values (1, 1, 'new', now());
    insert into idempotency_keys (user_id, key, order_id, created_at) values (1, 'a', 1, now());";

/// A constraint, and what it refuses.
const CASES: &[(&str, &str)] = &[
    (
        "schema_compatibility_pkey",
        "insert into schema_compatibility values (true, 1)",
    ),
    (
        "schema_compatibility_only_row_check",
        "insert into schema_compatibility values (false, 1)",
    ),
    (
        "schema_compatibility_oldest_version_check",
        "update schema_compatibility set oldest_version = 0",
    ),
    ("stock_pkey", "insert into stock (sku, total_count) values (1, 1)"),
    ("stock_sku_check", "insert into stock (sku, total_count) values (0, 1)"),
    (
        "stock_total_count_check",
        "insert into stock (sku, total_count) values (2, 4294967296)",
    ),
    ("stock_reserved_within_total", "update stock set reserved = 11"),
    (
        "stock_movements_pkey",
        "insert into stock_movements overriding system value select * from stock_movements",
    ),
    (
        "stock_movements_sku_fkey",
        "insert into stock_movements (sku, units, reason, moment) values (9, 1, 'a', now())",
    ),
    (
        "stock_movements_units_check",
        "update stock_movements set units = 4294967296",
    ),
    ("stock_movements_reason_check", "update stock_movements set reason = ''"),
    (
        "stock_imports_pkey",
        "insert into stock_imports select * from stock_imports",
    ),
    (
        "stock_imports_digest_check",
        "update stock_imports set digest = 'short'",
    ),
    ("stock_imports_records_check", "update stock_imports set records = 0"),
    ("orders_pkey", "insert into orders select * from orders where id = 1"),
    ("orders_id_check", "update orders set id = 0 where id = 2"),
    ("orders_user_id_check", "update orders set user_id = 0"),
    ("orders_status_check", "update orders set status = 'new' where id = 1"),
    ("orders_short_sku_check", "update orders set short_sku = 0 where id = 2"),
    (
        "orders_short_wanted_check",
        "update orders set short_wanted = 4294967296 where id = 2",
    ),
    (
        "orders_short_free_check",
        "update orders set short_free = -1 where id = 2",
    ),
    (
        "orders_settled_at_of_the_settled",
        "update orders set status = 'payed' where id = 1",
    ),
    (
        "orders_shortage_of_the_failed",
        "update orders set short_sku = 1, short_wanted = 5 where id = 1",
    ),
    (
        "orders_shortage_is_one",
        "update orders set short_free = 5 where id = 2",
    ),
    ("order_items_pkey", "insert into order_items select * from order_items"),
    ("order_items_order_id_fkey", "insert into order_items values (9, 1, 1)"),
    ("order_items_sku_check", "insert into order_items values (1, 0, 1)"),
    ("order_items_count_check", "insert into order_items values (1, 2, 0)"),
    (
        "order_events_pkey",
        "insert into order_events (order_id, status, moment, event_id) values (1, 'new', now(), 2)",
    ),
    (
        "order_events_order_id_fkey",
        "insert into order_events (order_id, status, moment, event_id) values (9, 'new', now(), 2)",
    ),
    (
        "order_events_event_id_check",
        "insert into order_events (order_id, status, moment, event_id) values (2, 'new', now(), 0)",
    ),
    (
        "outbox_pkey",
        "insert into outbox (event_id, order_id, status, moment) values (1, 1, 'new', now())",
    ),
    (
        "outbox_event_id_check",
        "insert into outbox (event_id, order_id, status, moment) values (0, 1, 'new', now())",
    ),
    ("outbox_traceparent_check", "update outbox set traceparent = 'short'"),
    (
        "outbox_order_id_step_fkey",
        "insert into outbox (event_id, order_id, status, moment) values (2, 1, 'payed', now())",
    ),
    (
        "idempotency_keys_pkey",
        "insert into idempotency_keys values (1, 'a', 2, now())",
    ),
    (
        "idempotency_keys_user_id_check",
        "insert into idempotency_keys values (0, 'a', 2, now())",
    ),
    (
        "idempotency_keys_key_check",
        "insert into idempotency_keys values (1, repeat('a', 65), 2, now())",
    ),
    (
        "idempotency_keys_order_id_fkey",
        "insert into idempotency_keys values (1, 'b', 9, now())",
    ),
];

/// The tables of the ledger.
const TABLES: &str = "select oid from pg_class
    where relnamespace = 'public'::regnamespace and relkind = 'r' and relname <> 'refinery_schema_history'";

async fn texts(client: &Client, query: &str) -> Vec<Vec<String>> {
    let rows = client.query(query, &[]).await.unwrap();
    rows.iter()
        .map(|row| (0..row.len()).map(|at| row.get(at)).collect())
        .collect()
}

async fn good_rows() -> (Database, Client) {
    let database = Database::fresh().await;
    let admin = database.admin().await;
    admin.batch_execute(GOOD).await.unwrap();
    (database, admin)
}

#[tokio::test]
async fn each_constraint_refuses_by_its_name() {
    let (_database, admin) = good_rows().await;
    let all = format!(
        "select conname::text from pg_constraint where contype in ('c', 'u', 'p', 'f', 'x') and conrelid in ({TABLES})"
    );
    let all: BTreeSet<String> = texts(&admin, &all).await.concat().into_iter().collect();
    let cases: BTreeSet<String> = CASES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(all, cases, "each constraint of sql/migrations has a case here");
    for (name, refused) in CASES {
        let error = admin.batch_execute(refused).await.expect_err(name);
        let answer = error.as_db_error().unwrap_or_else(|| panic!("{name}: {error:?}"));
        assert!(answer.code().code().starts_with("23"), "{name}: {answer:?}");
        assert_eq!(answer.constraint(), Some(*name), "{refused}");
    }
}

#[tokio::test]
async fn what_must_be_there_cannot_be_null() {
    let (_database, admin) = good_rows().await;
    // What the database makes itself cannot be set at all.
    let columns = format!(
        "select attrelid::regclass::text, attname::text from pg_attribute
        where attnotnull and attnum > 0 and attidentity = '' and attgenerated = '' and attrelid in ({TABLES})"
    );
    let columns = texts(&admin, &columns).await;
    assert!(columns.len() >= 30, "only {} columns", columns.len());
    for column in columns {
        let [table, column] = &column[..] else { panic!() };
        let error = admin
            .batch_execute(&format!("update {table} set {column} = null"))
            .await;
        let error = error.expect_err(column);
        let answer = error
            .as_db_error()
            .unwrap_or_else(|| panic!("{table}.{column}: {error:?}"));
        assert_eq!(
            (answer.code().code(), answer.column()),
            ("23502", Some(column.as_str())),
            "{table}"
        );
    }
}

/// Columns that may be null: anything else was forgotten.
#[tokio::test]
async fn only_these_columns_may_be_null() {
    let (_database, admin) = good_rows().await;
    let columns = format!(
        "select attrelid::regclass::text || '.' || attname from pg_attribute
        where not attnotnull and attnum > 0 and not attisdropped and attrelid in ({TABLES}) order by 1"
    );
    let expected = [
        "orders.settled_at",
        "orders.short_free",
        "orders.short_sku",
        "orders.short_wanted",
        "outbox.traceparent",
    ];
    assert_eq!(texts(&admin, &columns).await.concat(), expected);
}
