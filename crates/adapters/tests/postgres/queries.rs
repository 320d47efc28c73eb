//! Every query of `sql/queries` on a real database, a module a file. A query that no test names
//! fails here.

mod operate;
mod outbox;
mod reads;
mod unit;
mod work;

use std::path::Path;

use adapters::postgres::testing::Database;
use time::OffsetDateTime;
use tokio_postgres::Client;

use crate::support::queries;

/// 2026-01-02 03:04:05 UTC, and so many seconds.
fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_767_323_045 + seconds).unwrap()
}

/// A database with three skus and four orders: 1 awaits payment, 2 is payed, 3 has failed, and 4
/// awaits payment since later; their events from 1 on; a key of order 1.
async fn with_orders() -> (Database, Client) {
    let database = Database::fresh().await;
    database.stock(&[(10, 100), (11, 100), (12, 100)]).await;
    let admin = database.admin().await;
    let rows = "
        insert into orders (id, user_id, status, placed_at, settled_at, short_sku, short_wanted, short_free) values
            (1, 7, 'awaiting payment', timestamptz '2026-01-02 03:04:05Z', null, null, null, null),
            (2, 7, 'payed', timestamptz '2026-01-02 03:04:06Z', timestamptz '2026-01-02 03:04:07Z', null, null, null),
            (3, 8, 'failed', timestamptz '2026-01-02 03:04:07Z', null, 99, 5, null),
            (4, 8, 'awaiting payment', timestamptz '2026-01-02 03:05:05Z', null, null, null, null);
        insert into order_items values (1, 11, 2), (1, 10, 1), (2, 12, 3), (3, 99, 5), (4, 10, 4);
        insert into order_events (order_id, status, moment, event_id)
            select o.id, s.status::order_status, o.placed_at, row_number() over (order by o.id, s.step)
            from orders o, lateral (values (0, 'new'), (1, case o.status when 'failed' then 'failed' else 'awaiting payment' end),
                (2, case o.status when 'payed' then 'payed' end)) s (step, status)
            where s.status is not null;
        insert into outbox (event_id, order_id, status, moment) select event_id, order_id, status, moment from order_events;
        insert into idempotency_keys values (7, 'a', 1, timestamptz '2026-01-02 03:04:05Z');
        update stock set reserved = case sku when 10 then 5 when 11 then 2 else 0 end";
    admin.batch_execute(rows).await.unwrap();
    (database, admin)
}

fn sources(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).unwrap();
    let texts = entries.map(|entry| {
        let path = entry.unwrap().path();
        match path.extension().and_then(|end| end.to_str()) {
            Some("rs") => std::fs::read_to_string(path).unwrap(),
            _ if path.is_dir() => sources(&path),
            _ => String::new(),
        }
    });
    texts.collect()
}

/// What each of these answers is checked through the adapter: the audit by a violation planted for each
/// check, the import of stock and its adjustment by their rules (`audit.rs` and `stock.rs`).
const THROUGH_THE_ADAPTER: &[&str] = &[
    "audit::bound_statement",
    "audit::stock_bounds",
    "audit::reservations",
    "audit::totals",
    "audit::lines",
    "audit::shortages",
    "audit::paths",
    "audit::orders_of_path",
    "audit::standing",
    "audit::event_order",
    "audit::event_ids",
    "audit::sequences",
    "audit::unsent",
    "audit::sent_in_order",
    "audit::keys",
    "stock::import_of",
    "stock::remember_import",
    "stock::repeated_skus",
    "stock::below_reserved",
    "stock::compare",
    "stock::take_over",
    "stock::lock_record",
    "stock::move_stock",
];

/// A test names a query as `file::query`.
#[test]
fn every_query_is_named_by_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tests = sources(&root.join("tests/postgres"));
    let mut count = 0;
    for entry in std::fs::read_dir(root.join("../../sql/queries")).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_stem().unwrap().to_str().unwrap();
        for (query, _) in queries(file) {
            count += 1;
            let name = format!("{file}::{query}");
            let mut named = tests.match_indices(&name).map(|(from, _)| &tests[from + name.len()..]);
            assert!(
                named.any(|rest| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_')),
                "{name} is named by no test of tests/postgres: write one, and name it so there"
            );
        }
    }
    for name in THROUGH_THE_ADAPTER {
        let (file, query) = name.split_once("::").unwrap();
        assert!(queries(file).iter().any(|(known, _)| known == query), "{name} is gone");
    }
    assert!(count > 25, "only {count} queries were found");
}
