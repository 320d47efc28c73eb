//! Fills a database of ours with orders that were placed and cancelled long ago, quickly: rows are made
//! by the server, without its checks of references, and nobody waits for the disk. What is written agrees
//! with the stock, because cancelled orders hold none of it.

use std::time::Duration;

use tokio_postgres::Client;

use super::server::run;
use super::way::SKUS;
use crate::clock;
use crate::error::LoadError;

/// Events of an order that was cancelled: new, awaiting payment, cancelled.
pub(super) const EVENTS_AN_ORDER: u64 = 3;
/// Orders of a statement.
const CHUNK: u64 = 100_000;
/// WAL that a standby may be behind before more is written; the services keep 2 GB for it.
const BEHIND_MAX_BYTES: i64 = 512 << 20;
/// For a standby that is behind.
const PATIENCE: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(50);

/// Cancelled orders of three lines, whose events are unsent or sent long ago.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filling {
    /// How many.
    pub(super) orders: u64,
    /// Whether their events are in the outbox.
    pub(super) unsent: bool,
}

/// Appends them to what is there; the numbers of the first and the last.
pub(super) async fn fill(admin: &Client, filling: Filling) -> Result<(i64, i64), LoadError> {
    run(
        admin,
        "set session_replication_role = replica; set synchronous_commit = off",
    )
    .await?;
    let count = i64::try_from(filling.orders).unwrap_or(i64::MAX);
    // Blocks of numbers, as an instance takes them; what is left of the last one is lost.
    let first = number(admin, "select nextval('order_id_blocks')").await?;
    let events = count.saturating_mul(i64::try_from(EVENTS_AN_ORDER).unwrap_or(1));
    let first_event = number(admin, "select nextval('event_ids')").await?;
    let mut done = 0;
    while done < count {
        let last = count.min(done + i64::try_from(CHUNK).unwrap_or(count));
        let range = format!(
            "generate_series({}::bigint, {}::bigint) n",
            first + done,
            first + last - 1
        );
        run(admin, &statements(&range, first, first_event, filling.unsent)).await?;
        done = last;
        wait_for_standbys(admin).await?;
    }
    let (blocks, event) = (first + (count / 1_000) * 1_000, first_event + events);
    run(
        admin,
        &format!(
            "select setval('order_id_blocks', {blocks}); select setval('event_ids', {event});
             set session_replication_role = origin; set synchronous_commit = local"
        ),
    )
    .await?;
    Ok((first, first + count - 1))
}

/// A standby that falls too far behind loses its place, and with it all that follows.
async fn wait_for_standbys(admin: &Client) -> Result<(), LoadError> {
    let behind =
        "select coalesce(max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)), 0)::bigint from pg_stat_replication";
    let until = clock::now() + PATIENCE;
    while number(admin, behind).await? > BEHIND_MAX_BYTES {
        if clock::now() >= until {
            return Err(LoadError::Target("a standby does not catch up".to_owned()));
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

fn statements(range: &str, first: i64, first_event: i64, unsent: bool) -> String {
    let events = format!(
        "select n, s.status, now(), {first_event} + (n - {first}) * {EVENTS_AN_ORDER} + s.step from {range},
            (values (0, 'new'::order_status), (1, 'awaiting payment'), (2, 'cancelled')) s (step, status)"
    );
    let mut all = format!(
        "insert into orders (id, user_id, status, placed_at, settled_at)
            select n, 1 + n % 10000, 'cancelled', now(), now() from {range};
         insert into order_items (order_id, sku, count)
            select n, 1 + (n * 7919 + k * 3331) % {SKUS}, 1 from {range}, generate_series(0, 2) k;
         insert into order_events (order_id, status, moment, event_id) {events};"
    );
    if unsent {
        all.push_str(&format!(
            "insert into outbox (order_id, status, moment, event_id) {events};"
        ));
    }
    all
}

async fn number(admin: &Client, query: &str) -> Result<i64, LoadError> {
    let row = admin.query_one(query, &[]).await;
    row.map(|row| row.get(0))
        .map_err(|error| super::server::refused(&error))
}
