//! Runs commands on a database of a test's own.

use tokio_postgres::Client;

use crate::process::{Ended, Running};

/// Starts a command on a database.
pub(crate) fn start(url: &str, arguments: &[&str]) -> Running {
    Running::start(arguments, &[("APP__POSTGRES__URL", url)])
}

/// Runs a command on a database to its end.
pub(crate) async fn on(url: &str, arguments: &[&str]) -> Ended {
    start(url, arguments).ended().await
}

/// Runs a command that is to succeed; what it says.
pub(crate) async fn done(url: &str, arguments: &[&str]) -> String {
    let ended = on(url, arguments).await;
    assert_eq!(
        (ended.code, ended.err.as_str()),
        (Some(0), ""),
        "{arguments:?}: {}",
        ended.out
    );
    ended.out
}

/// Runs a command that is to fail with a code; what it complains of.
pub(crate) async fn fails(url: &str, arguments: &[&str], code: i32) -> String {
    let ended = on(url, arguments).await;
    assert_eq!(
        (ended.code, ended.out.as_str()),
        (Some(code), ""),
        "{arguments:?}: {}",
        ended.err
    );
    ended.err
}

/// All stock as (sku, total, reserved).
pub(crate) async fn records(admin: &Client) -> Vec<(i64, i64, i64)> {
    let rows = admin.query("select sku, total_count, reserved from stock order by sku", &[]);
    let rows = rows.await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
}

/// How many movements there are.
pub(crate) async fn movements(admin: &Client) -> i64 {
    admin
        .query_one("select count(*) from stock_movements", &[])
        .await
        .unwrap()
        .get(0)
}
