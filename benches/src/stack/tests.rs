//! Each side does what it is measured for: nothing is oversold, and what it wrote agrees. Parts run to
//! their end and write down what they measured.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use adapters::postgres::audit::PostgresAudit;
use adapters::postgres::testing::{Database, Servers, WholeLedger};
use domain::audit::LedgerAudit;
use futures::future::join_all;
use tokio_postgres::Client;

use super::drive::{Run, Until, drive};
use super::ours::{Ours, limits};
use super::raw::Raw;
use super::server::{self, Standby};
use super::usual::Usual;
use super::way::{Act, Shape, Step, Way};
use super::{Part, Plan};
use crate::client::FaultKind;
use crate::dataset::Line;

fn target(database: &Database) -> tokio_postgres::Config {
    let mut target = database.servers().primary.clone();
    target.dbname(database.name());
    target
}

async fn number(client: &Client, query: &str) -> i64 {
    client.query_one(query, &[]).await.expect("it can be asked").get(0)
}

/// Fifty at a time want one of ten; how many got one, and which.
async fn winners<W: Way>(way: &Arc<W>) -> Vec<i64> {
    let wish = [Line { sku: 1, count: 1 }];
    let all = join_all((1..=50).map(|user_id| way.place(user_id, &wish))).await;
    let refused = all.iter().filter_map(|answer| answer.as_ref().err());
    assert!(refused.clone().all(|fault| fault.kind == FaultKind::Refused), "{all:?}");
    all.into_iter().filter_map(Result::ok).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_usual_way_sells_ten_of_ten_and_keeps_its_books() {
    let database = server::usual(Servers::of_this_run(), 10).await.expect("a database");
    let usual = Usual::new(target(&database), "local", 8).expect("a pool");
    let usual = Arc::new(usual);
    let placed = winners(&usual).await;
    assert_eq!(placed.len(), 10, "stock was 10");
    let spread = [5, 6, 9].map(|sku| Line { sku, count: 2 });
    let third = usual.place(1, &spread).await.expect("there is enough");
    usual.step(Step::Pay, placed[0]).await.expect("it awaits payment");
    usual.step(Step::Pay, placed[0]).await.expect("again is no error");
    usual.step(Step::Cancel, placed[1]).await.expect("it awaits payment");
    usual.step(Step::Pay, third).await.expect("it awaits payment");
    let late = usual.step(Step::Pay, placed[1]).await;
    assert_eq!(late.map_err(|fault| fault.kind), Err(FaultKind::Refused));

    let admin = database.admin().await;
    // Placed 11, ended 3: an event each.
    assert_eq!(number(&admin, "select count(*) from outbox").await, 14);
    let differing = "select count(*) from stock s left join (
            select i.sku,
                sum(i.count) filter (where o.status = 'awaiting payment') as reserved,
                sum(i.count) filter (where o.status = 'payed') as sold
            from order_items i join orders o on o.id = i.order_id group by i.sku) t on t.sku = s.sku
        where s.reserved <> coalesce(t.reserved, 0) or s.total_count <> 10 - coalesce(t.sold, 0)";
    assert_eq!(number(&admin, differing).await, 0);
    assert_eq!(number(&admin, "select sum(reserved)::bigint from stock").await, 8);
}

async fn ledger(units: i64) -> Arc<WholeLedger> {
    let database = Database::fresh().await;
    server::stock(&database.admin().await, units, true)
        .await
        .expect("stock");
    Arc::new(WholeLedger::over(Arc::new(database)).await)
}

async fn audited(ledger: &WholeLedger) {
    let audit = PostgresAudit::new(Arc::clone(&ledger.connector), Duration::from_secs(60));
    let report = audit.audit(20).await.expect("it can be audited");
    assert!(report.violations().is_empty(), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ours_sells_ten_of_ten_and_ends_what_it_placed() {
    let ledger = ledger(10).await;
    let ours = Arc::new(Ours::new(&ledger, limits()));
    let placed = winners(&ours).await;
    assert_eq!(placed.len(), 10, "stock was 10");
    let (payed, cancelled) = placed.split_at(4);
    for (step, orders) in [(Step::Pay, payed), (Step::Cancel, cancelled)] {
        let run = Run {
            act: Act::Each(step, orders.into()),
            in_flight: 4,
            rate: None,
            until: Until::Over(Duration::ZERO),
            seed: 1,
        };
        let ended = drive(&ours, &run).await.expect("all await payment");
        assert_eq!(ended.stats.ok as usize, orders.len());
    }
    ours.end().await.expect("no batch panics");
    audited(&ledger).await;
    let sold = "select 10 - total_count from stock where sku = 1 and reserved = 0";
    assert_eq!(number(&ledger.database.admin().await, sold).await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bare_client_leaves_a_ledger_that_agrees() {
    let ledger = ledger(1_000_000).await;
    let mut written = 0;
    // The second one begins where the first one ended.
    for shape in [Shape::Spread, Shape::Hot] {
        let raw = Raw::new(target(&ledger.database), &ledger.database, "local").await;
        let mut raw = raw.expect("the server answers");
        let (count, _) = raw
            .place(shape, Duration::from_millis(1))
            .await
            .expect("its batches are taken");
        written += count;
    }
    let admin = ledger.database.admin().await;
    assert_eq!(number(&admin, "select count(*) from orders").await as u64, written);
    audited(&ledger).await;
}

/// Short, and without a change to the servers that others use too.
fn plan(out: &Path) -> Plan {
    Plan {
        rounds: 1,
        duration: Duration::from_millis(20),
        in_flight: 8,
        standby: Standby::RemoteApply,
        seed: 1,
        quick: true,
        statements: false,
        out: out.to_owned(),
        app: "app".into(),
        logs: out.to_owned(),
        dataset: out.to_owned(),
        baskets: None,
        unsent: 600,
        orders: 600,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_write_down_what_they_measured() {
    let out = std::env::temp_dir().join(format!("bench-stack-{}", std::process::id()));
    super::run(&plan(&out), &[Part::Orders, Part::Relay])
        .await
        .expect("both run to their end");
    let read = |name: &str| std::fs::read_to_string(out.join(name)).expect("it was written");
    for (part, sides) in [
        ("orders", &["usual way", "ours, in SQL", "bare SQL"][..]),
        ("relay", &["relay", "raw producer", "relay running", "relay paused"]),
    ] {
        let json: serde_json::Value = serde_json::from_str(&read(&format!("{part}.json"))).expect("it is JSON");
        let rows = json["rows"].as_array().expect("there are rows");
        for side in sides {
            let mut of_side = rows.iter().filter(|row| row["side"] == *side);
            let all_measured = of_side.all(|row| row["per_second"]["median"].as_f64() > Some(0.0));
            assert!(all_measured, "{side}: {rows:?}");
            assert!(rows.iter().any(|row| row["side"] == *side), "{side} is missing");
        }
        assert_eq!(json["conditions"]["standby"], "remote_apply");
    }
    let table = read("README.md");
    assert!(
        table.contains("## Orders in SQL") && table.contains("## From the outbox to Kafka"),
        "{table}"
    );
    std::fs::remove_dir_all(&out).expect("it is there");
}
