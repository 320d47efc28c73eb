//! Rows that are wanted by many, or held by somebody: no deadlock, and every wait is bounded.

use std::time::Duration;

use adapters::postgres::testing::Database;
use tokio::task::JoinSet;

use crate::figures::{figure, now, rounds, spread, until};
use crate::harness::PATIENCE;
use crate::load::{Call, Client, Draft, Load, Plan, Told};
use crate::loms::{Loms, audited};
use crate::verify::{found, verify, whole};

/// No call may take longer, on a machine however busy: every wait behind it has a bound.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

fn waits(calls: &[Call]) -> Vec<Duration> {
    calls.iter().map(|call| call.ended - call.began).collect()
}

/// Fails if a call was not answered in time.
fn all_answered(calls: &[Call]) -> Vec<Duration> {
    for call in calls {
        assert!(!call.created.contains(&Told::Lost), "no answer: {call:?}");
    }
    let waits = waits(calls);
    let longest = waits.iter().max().expect("there were calls");
    assert!(*longest < ANSWERED_WITHIN, "somebody waited {longest:?}");
    waits
}

fn stock(skus: i64) -> Vec<(i64, u32)> {
    (1..=skus).map(|sku| (sku, 100_000_000)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_lines_of_the_same_skus_in_any_order_never_deadlock() {
    let database = Database::fresh().await;
    database.stock(&stock(60)).await;
    let sql = database.admin().await;
    // Else the sessions' lock_timeout would end the wait before anybody looks for a deadlock.
    let look = format!("alter database {} set deadlock_timeout = '20ms'", database.name());
    sql.batch_execute(&look).await.unwrap();
    let url = database.url();
    let (one, other) = tokio::join!(Loms::start(&url, &[]), Loms::start(&url, &[]));
    let mut plan = Plan::of(vec![one.grpc(), other.grpc()], 64);
    (plan.skus, plan.lines, plan.orders) = (1..=60, 50..=50, Some(rounds(4, 60)));
    let calls = Load::start(&plan).ended().await;
    let waits = all_answered(&calls);
    let verified = verify(&sql, &calls, &one.grpc()).await;
    for loms in [one, other] {
        loms.stop().await; // its sessions report what they counted when they end
    }
    let query = "select deadlocks from pg_stat_database where datname = current_database()";
    let deadlocks: i64 = sql.query_one(query, &[]).await.unwrap().get(0);
    figure(format!(
        "64 clients, 50 lines of 60 skus each, two processes: {deadlocks} deadlocks; {verified:?}; waits {}",
        spread(&waits)
    ));
    audited(&url).await;
    assert_eq!(deadlocks, 0);
    assert!(verified.done > calls.len() / 2, "{verified:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_serves_two_hundred_callers() {
    let database = Database::fresh().await;
    database.stock(&stock(20)).await;
    let loms = Loms::start(&database.url(), &[("postgres.write_connections_max", "1")]).await;
    let mut plan = Plan::of(vec![loms.grpc()], 200);
    (plan.orders, plan.repeats) = (Some(rounds(3, 30)), false);
    let calls = Load::start(&plan).ended().await;
    let waits = all_answered(&calls);
    let sql = database.admin().await;
    let verified = verify(&sql, &calls, &loms.grpc()).await;
    figure(format!(
        "one connection, 200 callers: {verified:?}; waits {}",
        spread(&waits)
    ));
    assert!(verified.done > calls.len() / 2, "{verified:?}");
    loms.stop().await;
    audited(&database.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_an_outsider_holds_stops_nobody_else() {
    let held_for = Duration::from_secs(rounds(6, 60) as u64);
    let database = Database::fresh().await;
    database.stock(&stock(20)).await;
    let (sql, outsider) = (database.admin().await, database.admin().await);
    let loms = Loms::start(&database.url(), &[]).await;
    let mut plan = Plan::of(vec![loms.grpc()], 24);
    plan.skus = 2..=20;
    let others = Load::start(&plan);
    until("orders are made", PATIENCE, async || {
        others.count(|call| call.order().is_some()) > 20
    })
    .await;

    outsider
        .batch_execute("begin; select from stock where sku = 1 for update")
        .await
        .unwrap();
    let began = now();
    let mut plan = Plan::of(vec![loms.grpc()], 8);
    (plan.skus, plan.lines, plan.repeats) = (1..=1, 1..=1, false);
    (plan.first_user, plan.pause) = (1_000, Duration::from_millis(100));
    let hot = Load::start(&plan);
    tokio::time::sleep(held_for).await;
    let (served, refused) = (others.calls(), hot.calls());
    outsider.batch_execute("rollback").await.unwrap();
    let free = now();
    until("the row is served again", PATIENCE, async || {
        hot.count(|call| call.order().is_some()) > 0
    })
    .await;
    let again = free.elapsed();

    let served: Vec<_> = served.into_iter().filter(|call| call.began > began).collect();
    let gaps: Vec<_> = served
        .windows(2)
        .map(|pair| pair[1].ended.saturating_duration_since(pair[0].ended))
        .collect();
    figure(format!(
        "a row held for {held_for:?}: others' waits {}",
        spread(&all_answered(&served))
    ));
    figure(format!(
        "a row held for {held_for:?}: its callers' waits {}",
        spread(&all_answered(&refused))
    ));
    figure(format!(
        "a row held for {held_for:?}: it is served again after {} ms",
        again.as_millis()
    ));
    assert!(
        refused.iter().all(|call| call.created == [Told::NotDone]),
        "who wants the row is told to come back"
    );
    // A busy machine may hold up a transaction of ours for as long as anybody waits; few of them.
    let made = served.iter().filter(|call| call.order().is_some()).count();
    figure(format!(
        "a row held for {held_for:?}: {made} of {} orders of other skus are made",
        served.len()
    ));
    assert!(
        made > 20 && made * 10 > served.len() * 8,
        "the others are not served: {made}"
    );
    assert!(
        gaps.iter().max().unwrap() < &(held_for / 2),
        "the others go on: {}",
        spread(&gaps)
    );
    let mut calls = hot.stop().await;
    calls.extend(others.stop().await);
    verify(&sql, &calls, &loms.grpc()).await;
    loms.stop().await;
    audited(&database.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_poisonous_order_fails_alone() {
    const POISONOUS: i64 = 666;
    let database = Database::fresh().await;
    database.stock(&stock(20)).await;
    let sql = database.admin().await;
    let poison = format!("alter table orders add constraint no_poison check (user_id <> {POISONOUS})");
    sql.batch_execute(&poison).await.unwrap();
    let loms = Loms::start(&database.url(), &[]).await;
    let rounds = rounds(3, 50);
    for round in 0..rounds {
        let mut callers = JoinSet::new();
        for caller in 0..64 {
            let user = if caller == 32 { POISONOUS } else { caller + 1 };
            let draft = Draft {
                user,
                key: format!("round-{round}"),
                lines: vec![(caller % 20 + 1, 1)],
            };
            let mut client = Client::of(&loms.grpc());
            callers.spawn(async move { (draft.user, client.create(&draft).await) });
        }
        while let Some(called) = callers.join_next().await {
            let (user, told) = called.unwrap();
            let done = matches!(told, Told::Done(_));
            assert_eq!(done, user != POISONOUS, "user {user} was told {told:?}");
            assert_ne!(told, Told::Lost);
        }
    }
    let there = found(&sql).await;
    assert_eq!(there.len(), rounds * 63);
    assert!(there.keys().all(|(user, _)| *user != POISONOUS));
    // A batch that failed is run one by one: more transactions than batches were gathered.
    let transactions: i64 = sql
        .query_one("select count(distinct xmin::text) from orders", &[])
        .await
        .unwrap()
        .get(0);
    let metrics = loms.metrics().await;
    let batches = metrics
        .lines()
        .find_map(|line| line.strip_prefix("loms_batch_size_calls_count "))
        .unwrap();
    figure(format!(
        "{rounds} poisonous orders among 63 others: {batches} batches, {transactions} transactions"
    ));
    assert!(
        transactions > batches.parse().unwrap(),
        "the poisonous order was never in a batch with others"
    );
    whole(&sql).await;
    loms.stop().await;
    audited(&database.url()).await;
}
