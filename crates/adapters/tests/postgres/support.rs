//! What several of the tests here share.

use std::time::Duration;

use adapters::postgres::settings::PostgresSettings;
use domain::order::batch::Answer;
use domain::types::OrderId;
use tokio_postgres::Client;

/// Most a test waits for anything to show.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bounds that a busy machine does not reach.
pub(crate) fn patient(mut settings: PostgresSettings) -> PostgresSettings {
    settings.connect_timeout = Duration::from_secs(10);
    settings.pool_timeout = Duration::from_secs(30);
    settings.lock_timeout = Duration::from_secs(10);
    settings.statement_timeout = Duration::from_secs(10);
    settings.commit_timeout = Duration::from_secs(30);
    settings.read_timeout = Duration::from_secs(10);
    settings.health_interval = Duration::from_secs(2);
    settings
}

/// Waits until `check` holds.
pub(crate) async fn until(what: &str, mut check: impl AsyncFnMut() -> bool) {
    let shown = async {
        while !check().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let shown = tokio::time::timeout(PATIENCE, shown).await;
    assert!(shown.is_ok(), "it never came to this: {what}");
}

/// The number in the only row of a query.
pub(crate) async fn number(client: &Client, query: &str) -> i64 {
    client.query_one(query, &[]).await.expect("it can be asked").get(0)
}

/// How many orders, items, events, unsent events, keys and reserved units there are.
pub(crate) async fn contents(client: &Client) -> [i64; 6] {
    let all = "select (select count(*) from orders), (select count(*) from order_items),
        (select count(*) from order_events), (select count(*) from outbox),
        (select count(*) from idempotency_keys), (select coalesce(sum(reserved), 0)::bigint from stock)";
    let row = client.query_one(all, &[]).await.expect("it can be asked");
    std::array::from_fn(|at| row.get(at))
}

/// The order that an answer says was placed.
pub(crate) fn placed(answer: &Answer) -> OrderId {
    match answer {
        Answer::Placed(Ok(order)) => *order,
        other => panic!("not placed: {other:?}"),
    }
}

/// The statements of a file of `sql/queries`, by their names, with `$n` for parameters.
pub(crate) fn queries(file: &str) -> Vec<(String, String)> {
    let path = format!("{}/../../sql/queries/{file}.sql", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut found: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        if let Some(head) = line.strip_prefix("--! ") {
            let end = head
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(head.len());
            found.push((head[..end].to_owned(), String::new()));
        } else if let (Some((_, sql)), false) = (found.last_mut(), line.starts_with("--")) {
            sql.push_str(line);
            sql.push('\n');
        }
    }
    found.into_iter().map(|(name, sql)| (name, numbered(&sql))).collect()
}

/// `:name` as `$n`, in the order of first use.
fn numbered(sql: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    let mut parts = sql.split(':');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(part.len());
        let (name, rest) = part.split_at(end);
        let at = names.iter().position(|known| *known == name).unwrap_or_else(|| {
            names.push(name);
            names.len() - 1
        });
        out.push_str(&format!("${}{rest}", at + 1));
    }
    out.trim().trim_end_matches(';').to_owned()
}
