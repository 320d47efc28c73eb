//! Several notifiers: they share two partitions, one stands by, and any of them may come and go.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use adapters::kafka::testing::{Broker, Topics};
use serde_json::Value;
use tokio::task::JoinSet;

use super::figures::{self, figure, rounds};
use super::harness::{MEMORY_MAX_KIB, Notifier, PATIENCE, assert_complete, ids, publish, trade, until};
use super::tally::Tally;

fn partitions(lines: &[Value]) -> HashSet<i64> {
    let partitions = lines.iter().map(|line| line["partition"].as_i64().unwrap());
    partitions.collect()
}

#[tokio::test]
async fn of_three_two_share_the_partitions_and_the_third_takes_over_from_one_that_ends() {
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    let mut members: Vec<Notifier> = (0..3).map(|_| Notifier::start(&topics, &[])).collect();
    // Trades until every partition has its member and they are two.
    let mut traded = 1;
    let busy = |members: &[Notifier], from: usize| -> Vec<usize> {
        let since = |member: &Notifier| {
            member
                .events()
                .iter()
                .filter(|line| line["order_id"].as_u64().unwrap() as usize >= from)
                .count()
        };
        (0..members.len()).filter(|at| since(&members[*at]) > 0).collect()
    };
    let mut settled = Vec::new();
    for _ in 0..60 {
        let from = usize::try_from(traded).unwrap();
        publish(&topics, trade(traded, 20)).await;
        traded += 20;
        until("all of them", async || {
            let all: HashSet<String> = members.iter().flat_map(|member| ids(&member.events())).collect();
            all.len() == usize::try_from((traded - 1) * 3).unwrap()
        })
        .await;
        settled = busy(&members, from);
        if settled.len() == 2 {
            break;
        }
    }
    assert_eq!(settled.len(), 2, "two partitions, two members at work");
    let mut lines = members.remove(settled[0]).stop().await;
    publish(&topics, trade(traded, 20)).await;
    traded += 20;
    until("the others go on", async || {
        let all: HashSet<String> = members
            .iter()
            .flat_map(|member| ids(&member.events()))
            .chain(ids(&lines))
            .collect();
        all.len() == usize::try_from((traded - 1) * 3).unwrap()
    })
    .await;
    let recent = |line: &Value| line["order_id"].as_i64().unwrap() >= traded - 20;
    let now: Vec<Value> = members.iter().flat_map(Notifier::events).filter(recent).collect();
    assert_eq!(partitions(&now), HashSet::from([0, 1]));
    for member in members {
        lines.extend(member.stop().await);
    }
    let repeats = assert_complete(&lines, 1..traded);
    println!("three members, one left in order: {repeats} repeats");
    assert!(
        repeats < 30,
        "what was handled is committed before a partition goes: {repeats} repeats"
    );
}

/// Every second one joins, and the eldest goes: in order, or killed. Lines of several processes have no
/// common order; that the events of an order are in order is the topic's, of which each member handles a
/// partition from where the one before it committed.
#[tokio::test(flavor = "multi_thread")]
async fn members_that_come_and_go_lose_nothing() {
    let topics = Arc::new(Topics::fresh(&Broker::shared(), &[]).await);
    let tally = Arc::<Mutex<Tally>>::default();
    let stop = Arc::<AtomicBool>::default();
    let load = tokio::spawn({
        let (topics, stop) = (Arc::clone(&topics), Arc::clone(&stop));
        async move {
            let mut next = 1;
            while !stop.load(Ordering::Relaxed) {
                publish(&topics, trade(next, 10)).await;
                next += 10;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            next
        }
    });
    let seconds = rounds(6, 60);
    let start = || Notifier::counted(&topics, &[], &tally);
    let mut members = VecDeque::from([start(), start(), start()]);
    let (mut going, mut peak) = (JoinSet::new(), 0);
    for second in 0..seconds {
        let next = figures::now() + Duration::from_secs(1);
        members.push_back(start());
        let eldest = members.pop_front().unwrap();
        going.spawn(async move {
            if second % 2 == 0 {
                eldest.stop().await
            } else {
                eldest.kill().await
            }
        });
        tokio::time::sleep_until(next.into()).await;
        peak = members.iter().map(Notifier::resident_kib).fold(peak, u64::max);
    }
    going.join_all().await;
    stop.store(true, Ordering::Relaxed);
    let next = usize::try_from(load.await.unwrap()).unwrap();
    let seen = || tally.lock().unwrap().unique;
    let rest = figures::until("all events", PATIENCE, async || {
        peak = members.iter().map(Notifier::resident_kib).fold(peak, u64::max);
        seen() == (next - 1) * 3
    })
    .await;
    for member in members {
        member.stop().await;
    }
    let tally = tally.lock().unwrap();
    tally.assert_complete(1..next);
    figure(format_args!(
        "notifiers that join and leave every second for {seconds} s, every other one killed: {} events, {} repeats, \
         the last {} ms after the load, at most {} MiB each",
        tally.unique,
        tally.repeats,
        rest.as_millis(),
        peak / 1024
    ));
    assert!((1..MEMORY_MAX_KIB).contains(&peak), "{peak} KiB");
}

/// In order: others go on at once, and do not wait until it is missed.
#[tokio::test(flavor = "multi_thread")]
async fn when_one_leaves_the_next_one_goes_on_within_seconds() {
    const SESSION: Duration = Duration::from_secs(60);
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    let session = SESSION.as_millis().to_string();
    let settings = [("notifier.session_timeout_ms", session.as_str())];
    let first = Notifier::start(&topics, &settings);
    publish(&topics, trade(1, 20)).await;
    first.until_events(60).await;
    let second = Notifier::start(&topics, &settings);
    until("it shares", async || {
        !first.said("partitions go to another member").is_empty()
    })
    .await;
    let ends = figures::now();
    let mut lines = first.stop().await;
    let ended = ends.elapsed();
    publish(&topics, trade(21, 20)).await;
    let rest = 120 - lines.len();
    lines.extend(second.until_events(rest).await);
    let took = ends.elapsed();
    second.stop().await;
    assert_eq!(assert_complete(&lines, 1..41), 0, "repeats after an orderly end");
    figure(format_args!(
        "a notifier left in order: it ended after {} ms, the next one was through with both partitions after {} ms",
        ended.as_millis(),
        took.as_millis()
    ));
    assert!(took < SESSION / 3, "{took:?}");
}

/// A member that stands still longer than its session is taken for dead; awake again, it learns that its
/// partitions are gone, and neither commits nor loses anything.
#[tokio::test]
async fn a_member_that_was_frozen_does_no_harm_when_it_wakes() {
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    let never = [("notifier.commit_interval_ms", "60000")];
    let frozen = Notifier::start(&topics, &never);
    publish(&topics, trade(1, 40)).await;
    frozen.until_events(120).await;
    frozen.freeze();
    let other = Notifier::start(&topics, &[]);
    // Nothing was committed: it begins at the beginning.
    assert_complete(&other.until_events(120).await, 1..41);
    publish(&topics, trade(41, 40)).await;
    other.until_events(240).await;
    frozen.thaw();
    publish(&topics, trade(81, 40)).await;
    until("all events", async || {
        let all: HashSet<String> = ids(&frozen.events()).into_iter().chain(ids(&other.events())).collect();
        all.len() == 360
    })
    .await;
    let mut lines = frozen.stop().await;
    lines.extend(other.stop().await);
    publish(&topics, trade(121, 1)).await;
    let last = Notifier::start(&topics, &[]);
    assert_eq!(
        assert_complete(&last.until_events(3).await, 121..122),
        0,
        "no position went back"
    );
    last.stop().await;
}
