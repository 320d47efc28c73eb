//! Servers that cannot write: a table that cannot grow, no room for WAL, a database that is set to
//! be read only. Nothing is half done, and all goes on when there is room.

use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use reqwest::StatusCode;

use crate::figures::{figure, now, until};
use crate::load::{Call, Load, Plan, Told};
use crate::loms::{Loms, audited};
use crate::stage::{SOON, Stage, created_after, reports};
use crate::verify::verify;

/// What a file of a server may hold while there is no room: exactly a segment of WAL.
const SEGMENT: u64 = 16 * 1024 * 1024;
/// Items of 52 bytes, 157 a page: a little less than a segment.
const ITEMS: i64 = 157 * 2_030;

/// A limit of the size of files acts like a full disk, and needs neither root nor a disk.
async fn limit(stage: &Stage, node: usize, bytes: Option<u64>) {
    let sql = stage.sql(node).await;
    let row = sql
        .query_one(
            "select pg_read_file(current_setting('data_directory') || '/postmaster.pid')",
            &[],
        )
        .await
        .unwrap();
    let file: String = row.get(0);
    let first = file.lines().next().unwrap().to_owned();
    let children = std::fs::read_to_string(format!("/proc/{first}/task/{first}/children")).unwrap();
    let bytes = bytes.map_or_else(|| "unlimited".to_owned(), |bytes| bytes.to_string());
    let mut limited = 0;
    for process in std::iter::once(first.as_str()).chain(children.split_whitespace()) {
        limited += usize::from(limit_process(process, &format!("--fsize={bytes}:")));
    }
    assert!(limited > 3, "the server's processes are limited");
}

/// The soft limit only, so that it can be raised again. As the account of the server: limits of others
/// may be forbidden even for root. Some processes end meanwhile.
fn limit_process(process: &str, limit: &str) -> bool {
    let Ok(of) = std::fs::metadata(format!("/proc/{process}")) else {
        return false;
    };
    let own = std::fs::metadata("/proc/self").unwrap().uid();
    let mut command = if of.uid() == own {
        Command::new("prlimit")
    } else {
        let mut command = Command::new("setpriv");
        let (uid, gid) = (of.uid(), of.gid());
        command.args([
            &format!("--reuid={uid}"),
            &format!("--regid={gid}"),
            "--clear-groups",
            "prlimit",
        ]);
        command
    };
    command
        .args(["--pid", process, limit])
        .stderr(Stdio::null())
        .status()
        .unwrap()
        .success()
}

async fn load(loms: &Loms) -> Load {
    let mut plan = Plan::of(vec![loms.grpc()], 16);
    plan.lines = 10..=20;
    let load = Load::start(&plan);
    created_after(&load, now()).await;
    load
}

fn refused(load: &Load) -> usize {
    load.count(|call| call.created.contains(&Told::NotDone))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_write_refuses_orders_and_nothing_is_half_done() {
    let stage = Stage::up(1).await;
    let loms = stage.loms(&[]).await;
    stage.stock(1).await;
    fill(&stage).await;
    let load = load(&loms).await;
    table_cannot_grow(&stage, &load).await;
    goes_on(&loms, &load, "a full disk").await;
    read_only(&stage, &loms, &load).await;
    no_room_for_wal(&stage, &loms, &load).await;
    goes_on(&loms, &load, "no room for WAL").await;
    let calls = load.stop().await;
    let odd = |call: &&Call| call.created.iter().any(|told| matches!(told, Told::Refused(_)));
    assert!(calls.iter().find(odd).is_none(), "{:?}", calls.iter().find(odd));
    let verified = verify(&stage.sql(1).await, &calls, &loms.grpc()).await;
    figure(format!("servers that cannot write: {verified:?}"));
    loms.stop().await;
    // The order that filled the table is none that LOMS would make.
    let items = format!("delete from order_items where order_id = {LARGE}");
    let events = format!("delete from order_events where order_id = {LARGE}");
    let order = format!("delete from orders where id = {LARGE}");
    stage.run(1, &[&items, &events, &order]).await;
    audited(&stage.url()).await;
}

async fn goes_on(loms: &Loms, load: &Load, what: &str) {
    let room = now();
    let done = created_after(load, room).await;
    reports(loms, StatusCode::OK, "ready").await;
    figure(format!(
        "{what}: orders go on {} ms after there is room",
        (done - room).as_millis()
    ));
}

/// The order that fills the table of items.
const LARGE: i64 = 9_000_000_000_000_000;

/// Makes the table of items nearly as large as a file may become.
async fn fill(stage: &Stage) {
    // An order that failed long ago, with very many lines.
    let sql = stage.sql(1).await;
    sql.batch_execute(&format!(
        "begin;
        insert into orders (id, user_id, status, placed_at, short_sku, short_wanted)
            values ({LARGE}, 999999, 'failed', now(), 1, 1);
        insert into order_events (order_id, status, moment, event_id) values
            ({LARGE}, 'new', now(), nextval('event_ids')),
            ({LARGE}, 'failed', now(), nextval('event_ids'));
        insert into order_items (order_id, sku, count) select {LARGE}, sku, 1 from generate_series(1, {ITEMS}) sku;
        commit"
    ))
    .await
    .unwrap();
    let size: i64 = sql
        .query_one("select pg_relation_size('order_items')", &[])
        .await
        .unwrap()
        .get(0);
    assert!(
        u64::try_from(size).unwrap() <= SEGMENT,
        "{size} bytes are too many to begin with"
    );
}

async fn table_cannot_grow(stage: &Stage, load: &Load) {
    limit(stage, 1, Some(SEGMENT)).await;
    let before = now();
    until("orders are refused", SOON, async || refused(load) > 20).await;
    figure(format!(
        "a full disk: the first 20 orders were refused within {} ms",
        before.elapsed().as_millis()
    ));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let unknown = load.count(|call| call.began > before && call.created.contains(&Told::Unknown));
    assert_eq!(unknown, 0, "an error before the COMMIT proves that nothing was done");
    limit(stage, 1, None).await;
}

/// The server ends itself, and goes on when there is room.
async fn no_room_for_wal(stage: &Stage, loms: &Loms, load: &Load) {
    limit(stage, 1, Some(64 * 1024)).await;
    let unready = reports(loms, StatusCode::SERVICE_UNAVAILABLE, "ledger").await;
    let before = refused(load);
    until("orders are refused", SOON, async || refused(load) > before + 20).await;
    figure(format!("no room for WAL: not ready after {} ms", unready.as_millis()));
    stage.cluster.start(1).await; // without the limit
}

async fn read_only(stage: &Stage, loms: &Loms, load: &Load) {
    // For everybody at once; then for sessions that begin afterwards.
    for (set, reset) in [
        (
            "alter system set default_transaction_read_only = on",
            "alter system reset default_transaction_read_only",
        ),
        (
            "alter database trouble set default_transaction_read_only = on",
            "alter database trouble reset default_transaction_read_only",
        ),
    ] {
        stage.run(1, &[set, "select pg_reload_conf()"]).await;
        let unready = reports(loms, StatusCode::SERVICE_UNAVAILABLE, "ledger").await;
        stage.end_sessions(1).await;
        let before = refused(load);
        until("orders are refused", SOON, async || refused(load) > before + 20).await;
        reports(loms, StatusCode::SERVICE_UNAVAILABLE, "ledger").await;
        figure(format!("read only: not ready after {} ms", unready.as_millis()));
        let writable = [
            "set default_transaction_read_only = off",
            reset,
            "select pg_reload_conf()",
        ];
        stage.run(1, &writable).await;
        created_after(load, now()).await;
        let ready = reports(loms, StatusCode::OK, "ready").await;
        figure(format!(
            "read only: ready {} ms after it is writable again",
            ready.as_millis()
        ));
    }
}
