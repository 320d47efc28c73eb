//! The indexes fit the queries: no query of the hot path reads a table from one end to the other,
//! neither on a large ledger nor with a plan that was made while it was empty.

use adapters::postgres::connect::Session;
use adapters::postgres::testing::Database;
use serde_json::Value;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::support::queries;

/// 100,000 orders of two items; 20,000 unsent events; 1,000 unpaid orders; a key each.
const LARGE: &str = "
    insert into stock select n, 1000000, 0 from generate_series(1, 10000) n;
    insert into stock_movements (sku, units, reason, moment) select 1 + n % 10000, 1, 'load', now() from generate_series(1, 50000) n;
    insert into orders (id, user_id, status, placed_at, settled_at)
        select n, 1 + n % 5000, (case when n % 100 = 0 then 'awaiting payment' else 'payed' end)::order_status,
            timestamptz '2026-01-01' + n * interval '1 second', case when n % 100 = 0 then null else now() end
        from generate_series(1, 100000) n;
    insert into order_items select n, 1 + (n * 7 + i) % 10000, 1 from generate_series(1, 100000) n, generate_series(0, 1) i;
    insert into order_events (order_id, status, moment, event_id)
        select n, s::order_status, now(), n * 3 + case s when 'new' then 0 else 1 end
        from generate_series(1, 100000) n, unnest(array['new', 'awaiting payment']) s;
    insert into outbox (event_id, order_id, status, moment)
        select event_id, order_id, status, moment from order_events order by event_id desc limit 20000;
    insert into idempotency_keys select 1 + n % 5000, 'key ' || n, n, timestamptz '2026-01-01' + n * interval '1 second'
        from generate_series(1, 100000) n;
    analyze";

/// Queries by their names, each with its arguments as SQL.
type Arguments = &'static [(&'static str, &'static str)];

/// The statements of the hot path: file, session, and for each query its arguments.
const HOT: &[(&str, Session, Arguments)] = &[
    (
        "unit",
        Session::Write,
        &[
            ("next_order_ids", "1"),
            ("lock_orders", "'{5,6,7}'"),
            ("items_of_orders", "'{5,6,7}'"),
            ("lock_stock", "'{5,6,7}', '{8,9}'"),
            ("recorded_orders", "'{6,7}', '{key 5,key 6}'"),
            (
                "insert_orders",
                "'{200001}', '{1}', '{payed}', '{2026-01-01}', '{null}', '{null}', '{null}'",
            ),
            ("insert_items", "'{5}', '{9999}', '{1}'"),
            (
                "settle_orders",
                "'{100,200}', '{payed,payed}', '{2026-01-01,2026-01-01}'",
            ),
            ("insert_events", "'{100}', '{payed}', '{2026-01-01}', '{null}'"),
            ("insert_keys", "'{1}', '{a}', '{1}', '{2026-01-01}'"),
            ("update_stock", "'{5,6}', '{9,9}', '{1,1}'"),
            ("held_stock", "'{5,6,7}'"),
            ("held_orders", "'{5,6,7}'"),
        ],
    ),
    (
        "reads",
        Session::Read,
        &[
            ("order_by_id", "5"),
            ("history_of_order", "5"),
            ("unpaid_orders", "'2026-01-02', 100"),
            ("stock_by_sku", "5"),
            ("movements_of_sku", "5, 10"),
        ],
    ),
    (
        "outbox",
        Session::Turn,
        &[
            ("unsent", "200"),
            ("forget_sent", "'{299990,299991}'"),
            ("backlog", "10000"),
        ],
    ),
    ("keys", Session::Turn, &[("forget_keys", "'2026-01-02', 2000")]),
];

/// What a plan reads without an index condition and without a limit.
fn unbounded(node: &Value, limited: bool, found: &mut Vec<String>) {
    let text = |name: &str| node[name].as_str().unwrap_or_default().to_owned();
    let kind = text("Node Type");
    let whole = match kind.as_str() {
        "Seq Scan" => true,
        "Index Scan" | "Index Only Scan" | "Bitmap Index Scan" => !limited && node["Index Cond"].is_null(),
        _ => false,
    };
    if whole {
        found.push(format!("{kind} {}{}", text("Relation Name"), text("Index Name")));
    }
    for inner in node["Plans"].as_array().into_iter().flatten() {
        unbounded(inner, kind == "Limit", found);
    }
}

async fn explain(client: &Client, options: &str, arguments: &str) -> String {
    let asked = format!("explain ({options}) execute hot ({arguments})");
    let answer = client
        .simple_query(&asked)
        .await
        .unwrap_or_else(|error| panic!("{asked}: {error:?}"));
    let rows = answer.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    rows.collect::<Vec<_>>().join("\n")
}

/// Plans all queries of the hot path, for the arguments and for any.
async fn check(database: &Database, when: &str) -> Vec<String> {
    let connector = database.connector();
    let mut bad = Vec::new();
    for (file, session, arguments) in HOT {
        let (client, _driver) = connector.to(0, *session).await.unwrap();
        for (name, sql) in queries(file) {
            let given = arguments.iter().find(|(known, _)| *known == name);
            let (_, given) = given.unwrap_or_else(|| panic!("{file}::{name} needs arguments in this test"));
            client.batch_execute(&format!("prepare hot as {sql}")).await.unwrap();
            for mode in ["force_custom_plan", "force_generic_plan"] {
                client
                    .batch_execute(&format!("set plan_cache_mode = {mode}"))
                    .await
                    .unwrap();
                let plan: Value = serde_json::from_str(&explain(&client, "format json", given).await).unwrap();
                let mut found = Vec::new();
                unbounded(&plan[0]["Plan"], false, &mut found);
                let text = explain(&client, "costs off", given).await;
                bad.extend((!found.is_empty()).then(|| format!("{file}::{name}, {when}, {mode}: {found:?}\n{text}")));
            }
            client.batch_execute("deallocate hot").await.unwrap();
        }
    }
    bad
}

#[tokio::test]
async fn no_query_of_the_hot_path_reads_a_whole_table() {
    let database = Database::fresh().await;
    let mut bad = check(&database, "empty").await;
    database.admin().await.batch_execute(LARGE).await.unwrap();
    bad.extend(check(&database, "large").await);
    assert!(bad.is_empty(), "{}", bad.join("\n\n"));
}
