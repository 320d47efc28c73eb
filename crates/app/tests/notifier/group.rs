//! Several notifiers: they share two partitions, one stands by, and any of them may come and go.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use adapters::kafka::testing::{Broker, Topics};
use serde_json::Value;

use super::harness::{Notifier, assert_complete, ids, publish, trade, until};

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

/// Lines of several processes have no common order, but each event has all its lines in one partition:
/// by its offset it is told whether anything is missing.
#[tokio::test]
async fn members_that_come_and_go_lose_nothing() {
    let topics = Arc::new(Topics::fresh(&Broker::shared(), &[]).await);
    let load = tokio::spawn({
        let topics = Arc::clone(&topics);
        async move {
            for at in 0..100 {
                publish(&topics, trade(1 + at * 10, 10)).await;
                tokio::time::sleep(Duration::from_millis(80)).await;
            }
        }
    });
    let mut lines = Vec::new();
    let steady = Notifier::start(&topics, &[]);
    for round in 0..6 {
        let guest = Notifier::start(&topics, &[]);
        tokio::time::sleep(Duration::from_millis(1_000 + round * 200)).await;
        lines.extend(if round % 2 == 0 {
            guest.stop().await
        } else {
            guest.kill().await
        });
    }
    load.await.unwrap();
    until("all events", async || {
        let seen: HashSet<String> = ids(&lines).into_iter().chain(ids(&steady.events())).collect();
        seen.len() == 3_000
    })
    .await;
    lines.extend(steady.stop().await);
    let all: HashSet<String> = ids(&lines).into_iter().collect();
    let expected: HashSet<String> = trade(1, 1_000).iter().map(|event| event.id.to_string()).collect();
    assert_eq!(all, expected);
    println!(
        "6 members came and went, 3 of them killed: {} repeats",
        lines.len() - all.len()
    );
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
