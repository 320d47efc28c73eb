//! The primary dies or freezes, and the standby is promoted: LOMS finds it without a restart, all
//! that was acknowledged is there, and the old primary is refused when it comes back writable.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use reqwest::StatusCode;

use crate::figures::{figure, now, rounds, until};
use crate::load::{Client, Draft, Load, Plan, Told};
use crate::loms::{Loms, audited};
use crate::stage::{SOON, Stage, created_after, is_whole, reports};
use crate::verify::{found, verify};

#[tokio::test(flavor = "multi_thread")]
async fn the_primary_dies_and_its_standby_takes_over() {
    for round in 1..=rounds(1, 10) {
        let (stage, loms, load) = begin().await;
        stage.cluster.kill(1).await;
        take_over(&stage, &load, &format!("primary dies, round {round}"), now()).await;
        // The operator did not fence it, and has it commit alone.
        stage.cluster.start(1).await;
        stage.wait_for(1, "").await;
        old_one_is_refused(&stage, loms, load).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_primary_freezes_and_its_standby_takes_over() {
    for round in 1..=rounds(1, 10) {
        let (stage, loms, load) = begin().await;
        let frozen = stage.cluster.freeze(1).await;
        take_over(&stage, &load, &format!("primary freezes, round {round}"), now()).await;
        stage.cluster.thaw(&frozen);
        stage.wait_for(1, "").await;
        old_one_is_refused(&stage, loms, load).await;
    }
}

async fn begin() -> (Stage, [Loms; 2], Load) {
    let stage = Stage::up(1).await;
    let loms = [stage.loms(&[]).await, stage.loms(&[]).await];
    stage.stock(1).await;
    let load = Load::start(&Plan::of(loms.iter().map(Loms::grpc).collect(), 32));
    created_after(&load, now()).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    (stage, loms, load)
}

async fn take_over(stage: &Stage, load: &Load, what: &str, gone: Instant) {
    stage.cluster.promote(2).await;
    let promoted = now();
    // Clients take the two instances in turn.
    let mut done = Vec::new();
    for instance in [1, 0] {
        let of =
            |call: &crate::load::Call| call.began > gone && call.draft.user % 2 == instance && call.order().is_some();
        until("orders go on at both instances", SOON, async || load.count(of) > 0).await;
        let calls = load.calls();
        done.push(
            calls
                .iter()
                .filter(|call| of(call))
                .map(|call| call.ended)
                .min()
                .unwrap(),
        );
    }
    let [first, second] = done.try_into().unwrap_or([gone; 2]);
    figure(format!(
        "{what}: both instances have orders {} ms after it was gone, {} ms after its standby was promoted",
        (first.max(second) - gone).as_millis(),
        first.max(second).saturating_duration_since(promoted).as_millis(),
    ));
}

/// The old primary on node 1 takes writes. LOMS makes none there, whatever happens to its connections.
async fn old_one_is_refused(stage: &Stage, loms: [Loms; 2], load: Load) {
    let old = stage.sql(1).await;
    let writable: String = old.query_one("show transaction_read_only", &[]).await.unwrap().get(0);
    assert_eq!(writable, "off", "the old primary would take writes");
    let back = now();
    tokio::time::sleep(Duration::from_secs(1)).await;
    // All pools are emptied, as often as they are filled again.
    for _ in 0..5 {
        stage.end_sessions(2).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    created_after(&load, now()).await;
    only_the_old_one(stage, &loms, &load).await;
    let calls = load.stop().await;
    let late: HashSet<_> = calls
        .iter()
        .filter(|call| call.began > back)
        .map(|call| &call.draft.key)
        .collect();
    assert!(!late.is_empty());
    let there = found(&old).await;
    let written: Vec<_> = there
        .keys()
        .filter(|(user, key)| late.contains(key) || *user == 1_000)
        .collect();
    assert!(written.is_empty(), "LOMS wrote to the old primary: {written:?}");
    drop(old);
    stage.cluster.kill(1).await;
    let before = now();
    stage.cluster.rejoin(1).await;
    for loms in &loms {
        is_whole(loms).await;
    }
    figure(format!(
        "the old primary is made anew as a standby, which answers reads, within {} ms",
        before.elapsed().as_millis()
    ));
    let verified = verify(&stage.sql(2).await, &calls, &loms[0].grpc()).await;
    figure(format!("the standby took over: {verified:?}"));
    let [one, two] = loms;
    one.stop().await;
    two.stop().await;
    audited(&stage.url()).await;
}

/// The new primary is gone for a while, and the old one is all there is.
async fn only_the_old_one(stage: &Stage, loms: &[Loms; 2], load: &Load) {
    stage.cluster.kill(2).await;
    for loms in loms {
        reports(loms, StatusCode::SERVICE_UNAVAILABLE, "ledger").await;
    }
    for (number, loms) in (1..).zip(loms) {
        let draft = Draft {
            user: 1_000,
            key: format!("to-the-old-one-{number}"),
            lines: vec![(1, 1)],
        };
        let told = Client::of(&loms.grpc()).create(&draft).await;
        assert_eq!(told, Told::NotDone, "there is no primary");
    }
    let before = now();
    stage.cluster.start(2).await;
    let done = created_after(load, before).await;
    figure(format!(
        "the new primary was away too: orders go on {} ms after it is started",
        (done - before).as_millis()
    ));
    for loms in loms {
        reports(loms, StatusCode::OK, "").await;
    }
}
