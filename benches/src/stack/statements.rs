//! Where the server's time goes, statement by statement, as `pg_stat_statements` counts it. It costs a
//! little itself, so it is counted only when it is asked for, and on servers that were started with it:
//! `POSTGRES_PRELOAD=pg_stat_statements scripts/services.sh up postgres`.

use serde::Serialize;
use tokio_postgres::Client;

use super::server::{refused, run};
use crate::error::LoadError;

/// Statements of a section that are told, by the time they took.
const TOLD: &str = "select left(regexp_replace(query, '\\s+', ' ', 'g'), 90) as query,
        sum(calls)::float8, sum(total_exec_time)::float8, sum(rows)::float8, sum(wal_bytes)::float8,
        sum(shared_blks_hit + shared_blks_read)::float8, sum(shared_blks_dirtied)::float8
    from pg_stat_statements where query !~* 'pg_stat|pg_wal|generate_series|vacuum|create|database'
    group by 1 having sum(calls) > 0 order by 3 desc limit 16";

/// What one statement cost.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Statement {
    /// How it begins, its parameters as `$1`.
    pub(crate) query: String,
    /// How often it ran.
    pub(crate) calls: f64,
    /// Time in the server in all, in milliseconds.
    pub(crate) total_ms: f64,
    /// A call's rows.
    pub(crate) rows: f64,
    /// A call's WAL in bytes.
    pub(crate) wal_bytes: f64,
    /// Pages that a call looked at.
    pub(crate) pages: f64,
    /// Pages that a call was the first to change.
    pub(crate) dirtied: f64,
}

impl Statement {
    /// Time of a call in the server, in milliseconds.
    pub(crate) fn each_ms(&self) -> f64 {
        self.total_ms / self.calls
    }
}

/// Counts from nothing.
///
/// # Errors
/// Where the server was not started with it.
pub(super) async fn begin(admin: &Client) -> Result<(), LoadError> {
    let begun = run(
        admin,
        "create extension if not exists pg_stat_statements; select pg_stat_statements_reset()",
    )
    .await;
    begun.map_err(|error| {
        LoadError::Usage(format!(
            "{error}: start the servers with POSTGRES_PRELOAD=pg_stat_statements, or leave --statements out"
        ))
    })
}

/// What was counted since, the longest first.
pub(super) async fn end(admin: &Client) -> Result<Vec<Statement>, LoadError> {
    let rows = admin.query(TOLD, &[]).await.map_err(|error| refused(&error))?;
    let statement = |row: &tokio_postgres::Row| {
        let calls: f64 = row.get(1);
        let each = |at: usize| row.get::<_, f64>(at) / calls;
        Statement {
            query: row.get(0),
            calls,
            total_ms: row.get(2),
            rows: each(3),
            wal_bytes: each(4),
            pages: each(5),
            dirtied: each(6),
        }
    };
    Ok(rows.iter().map(statement).collect())
}
