//! The synchronous standby dies: reads go on, commits wait and are never cancelled, and all goes on
//! when it is back or is not waited for any more.

use std::time::Duration;

use reqwest::StatusCode;

use crate::figures::{figure, now, rounds, spread, until};
use crate::load::{Call, Client, Draft, Load, Plan, Told};
use crate::loms::{Loms, audited};
use crate::process;
use crate::stage::{BackendWatch, Readers, SOON, Stage, create_one, created_after, is_done, is_whole, reports, times};
use crate::verify::{found, verify};

/// `postgres.write_connections_max` by default.
const POOL: i64 = 4;
/// Connections that read, those that hold turns, that which looks, and a second one of each while
/// one is replaced.
const OTHERS: i64 = 8 + 2 * (2 + 1);
/// The commit timeout, and what a busy machine may add.
const TOLD_WITHIN: Duration = Duration::from_secs(12);

#[tokio::test(flavor = "multi_thread")]
async fn the_standby_dies_and_no_answer_is_false() {
    let stage = Stage::up(1).await;
    let loms = stage.loms(&[]).await;
    stage.stock(1).await;
    let (first, _) = create_one(&loms, 1_000, "first").await;
    let Told::Done(order) = first else { panic!("{first:?}") };
    is_whole(&loms).await;
    let mut plan = Plan::of(vec![loms.grpc()], 32);
    // Who is refused comes back after a while: minutes of it must be repeated and checked at the end.
    plan.pause = Duration::from_millis(200);
    plan.skus = 1..=400; // few touch the rows of a COMMIT that waits
    plan.lines = 1..=2;
    let load = Load::start(&plan);
    let (readers, backends) = (Readers::start(&loms, order), BackendWatch::start(&stage, 1).await);
    created_after(&load, now()).await;

    // Once until the operator gives it up, once until it is back by itself.
    let outage = Duration::from_secs(u64::try_from(rounds(20, 300)).unwrap());
    dies(&stage, &loms, &load, &backends, outage, Back::GivenUp).await;
    stage.cluster.start(2).await;
    reports(&loms, StatusCode::OK, "replica").await; // nobody waits for it yet
    stage.wait_for(1, "FIRST 1 (node2)").await;
    is_whole(&loms).await;
    dies(&stage, &loms, &load, &backends, Duration::from_secs(8), Back::Started).await;
    is_whole(&loms).await;

    let (reads, failed) = readers.told();
    figure(format!(
        "standby dies: {} reads were answered meanwhile, {}; {} were not",
        reads.len(),
        spread(&reads),
        failed.len()
    ));
    assert!(failed.is_empty(), "reads go on: {failed:?}");
    drop((readers, backends));
    let calls = load.stop().await;
    let sql = stage.sql(1).await;
    let log: String = sql
        .query_one(
            "select pg_read_file(current_setting('data_directory') || '/../node1.log')",
            &[],
        )
        .await
        .unwrap()
        .get(0);
    assert!(
        !log.contains("canceling wait") && !log.contains("canceling the wait"),
        "no wait of a COMMIT is cancelled: {log}"
    );
    let verified = verify(&sql, &calls, &loms.grpc()).await;
    figure(format!("standby dies: {verified:?}"));
    assert!(
        verified.unknown_done > 0,
        "commits that were overdue are there later: {verified:?}"
    );
    loms.stop().await;
    audited(&stage.url()).await;
}

/// After a crash the primary comes back alone: it shows what no standby has, and that may be lost yet.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_not_answered_before_the_standby_has_the_order() {
    let stage = Stage::up(1).await;
    let loms = stage.loms(&[]).await;
    stage.stock(1).await;
    is_whole(&loms).await;
    stage.cluster.kill(2).await;
    let draft = Draft {
        user: 1,
        key: "repeated".to_owned(),
        lines: vec![(1, 1)],
    };
    let repeat = async || Client::of(&loms.grpc()).create(&draft).await;
    assert_eq!(repeat().await, Told::Unknown);
    stage.cluster.kill(1).await;
    stage.cluster.start(1).await;
    let there = found(&stage.sql(1).await).await;
    assert_eq!(there.len(), 1, "it was committed on the primary");
    until("the repeat reaches the primary", SOON, async || {
        let told = repeat().await;
        assert!(!matches!(told, Told::Done(_)), "the standby does not have it: {told:?}");
        told == Told::Unknown
    })
    .await;
    stage.cluster.start(2).await;
    until("the repeat is answered", SOON, async || {
        matches!(repeat().await, Told::Done(_))
    })
    .await;
    assert_eq!(found(&stage.sql(1).await).await.len(), 1);
    loms.stop().await;
    audited(&stage.url()).await;
}

/// How an outage of the standby ends.
#[derive(Debug, PartialEq, Eq)]
enum Back {
    GivenUp,
    Started,
}

async fn dies(stage: &Stage, loms: &Loms, load: &Load, backends: &BackendWatch, outage: Duration, back: Back) {
    let dying = now();
    stage.cluster.kill(2).await;
    let dead = now();
    let unready = reports(loms, StatusCode::SERVICE_UNAVAILABLE, "ledger").await;
    tokio::time::sleep(outage.saturating_sub(dead.elapsed())).await;
    let most = backends.most();
    let before = now();
    match back {
        Back::GivenUp => {
            let url = format!("postgres.url={}", stage.url());
            let ended = process::run(&["db", "degrade", "--set", &url], &[]).await;
            assert_eq!(ended.code, Some(0), "{ended:?}");
        }
        Back::Started => stage.cluster.start(2).await,
    }
    let done = created_after(load, now()).await;
    figure(format!(
        "standby dies ({back:?} after {} s): not ready after {} ms, at most {} backends of {POOL} waited, {} in all; \
         orders go on {} ms after the end",
        outage.as_secs(),
        unready.as_millis(),
        most.waiting,
        most.all,
        (done - before).as_millis(),
    ));
    assert!((1..=POOL).contains(&most.waiting), "{most:?}");
    assert!(most.all <= POOL + OTHERS, "{most:?}");
    // What was in flight when the standby died had perhaps been applied by it.
    let calls = load.calls();
    let meanwhile: Vec<&Call> = calls
        .iter()
        .filter(|call| call.began > dead && call.ended < before)
        .collect();
    let falsely = meanwhile
        .iter()
        .find(|call| is_done(call) || matches!(call.created.last(), Some(Told::Refused(_))));
    assert!(falsely.is_none(), "nobody may be told so: {falsely:?}");
    let of = |told: Told<i64>| move |call: &Call| call.created == [told];
    let unknown = times(&calls, dying, before, of(Told::Unknown));
    let refused = times(&calls, dying, before, of(Told::NotDone));
    figure(format!(
        "standby dies: {} creates were told 504 after {}, {} 503 after {}",
        unknown.len(),
        spread(&unknown),
        refused.len(),
        spread(&refused),
    ));
    assert!(!unknown.is_empty(), "some are told that the outcome is unknown");
    let late = meanwhile.iter().map(|call| call.ended - call.began).max();
    assert!(late.is_none_or(|late| late < TOLD_WITHIN), "{late:?}");
}

/// Without calls nothing waits: only the replica is missed, also by a LOMS that starts now.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_standby_loms_starts_and_names_what_is_missing() {
    let stage = Stage::up(1).await;
    let loms = stage.loms(&[]).await;
    stage.stock(1).await;
    is_whole(&loms).await;
    stage.cluster.kill(2).await;
    let named = reports(&loms, StatusCode::OK, "replica").await;
    figure(format!("standby dies: /readyz names it after {} ms", named.as_millis()));
    let second = stage.loms(&[]).await;
    reports(&second, StatusCode::OK, "replica").await;

    // A primary that comes back later, without its standby, finds LOMS again.
    stage.cluster.kill(1).await;
    reports(&second, StatusCode::SERVICE_UNAVAILABLE, "ledger").await;
    stage.cluster.start(1).await;
    reports(&second, StatusCode::OK, "replica").await;
    stage.cluster.start(2).await;
    for loms in [&loms, &second] {
        let back = is_whole(loms).await;
        assert!(back < SOON);
    }
    let (told, _) = create_one(&second, 1, "after").await;
    assert!(matches!(told, Told::Done(_)), "{told:?}");
    loms.stop().await;
    second.stop().await;
    audited(&stage.url()).await;
}
