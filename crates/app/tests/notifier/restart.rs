//! One notifier: where it begins, how it ends, and what it repeats after a crash.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use adapters::kafka::testing::{Broker, Topics};
use domain::trace::TraceContext;

use super::figures::{self, figure, size};
use super::harness::{Notifier, PATIENCE, assert_complete, ids, publish, trade, until};
use super::tally::Tally;

#[tokio::test]
async fn begins_at_the_earliest_and_goes_on_at_the_first_event_that_was_not_handled() {
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    publish(&topics, trade(1, 40)).await;
    let notifier = Notifier::start(&topics, &[]);
    let lines = notifier.until_events(120).await;
    let line = lines.iter().find(|line| line["event_id"] == "4").unwrap();
    assert_eq!(line["order_id"], 1);
    assert_eq!(line["status"], "awaiting payment");
    assert_eq!(line["moment"], "2026-01-02T03:04:05.678Z");
    let trace = TraceContext::new(0xa, 0xb, 1).unwrap();
    assert_eq!(line["trace_id"], format!("{:032x}", trace.trace_id()));
    assert_eq!((&line["level"], &line["service"]), (&"info".into(), &"notifier".into()));
    for number in [0, 1] {
        let of = lines.iter().filter(|line| line["partition"] == number);
        let offsets: Vec<i64> = of.map(|line| line["offset"].as_i64().unwrap()).collect();
        assert_eq!(
            offsets,
            (0..offsets.len() as i64).collect::<Vec<_>>(),
            "in order, none left out"
        );
    }
    let ready = reqwest::get(format!("{}/readyz", notifier.url)).await.unwrap();
    assert_eq!(ready.text().await.unwrap(), r#"{"status":"ready"}"#);
    let metrics = async || {
        reqwest::get(format!("{}/metrics", notifier.url))
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
    };
    assert!(metrics().await.contains("notifier_handled_events_total 120"));
    until("no lag", async || {
        metrics().await.contains("notifier_lag_events{partition=\"0\"} 0\n")
    })
    .await;
    notifier.stop().await;
    publish(&topics, trade(41, 40)).await;
    let again = Notifier::start(&topics, &[]);
    let more = again.until_events(120).await;
    assert_eq!(assert_complete(&more, 41..81), 0, "no repeats after an orderly end");
    again.stop().await;
}

/// No commit ever happens by the timer: everything that was handled comes again, and nothing is lost.
#[tokio::test]
async fn killed_between_handling_and_commit_it_repeats_and_loses_nothing() {
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    publish(&topics, trade(1, 40)).await;
    let never = [("notifier.commit_interval_ms", "60000")];
    let notifier = Notifier::start(&topics, &never);
    notifier.until_events(120).await;
    let first = notifier.kill().await;
    let again = Notifier::start(&topics, &never);
    let lines = again.until_events(120).await;
    assert_eq!(ids(&lines).len(), ids(&first).len());
    assert_complete(&lines, 1..41);
    again.stop().await;
    let rested = Notifier::start(&topics, &[]);
    publish(&topics, trade(41, 1)).await;
    let rest = rested.until_events(3).await;
    assert_eq!(assert_complete(&rest, 41..42), 0, "the orderly end committed all of it");
    rested.stop().await;
}

/// Kills that land anywhere, while events come: repeats at most.
#[tokio::test]
async fn killed_again_and_again_under_load_nothing_is_lost() {
    let topics = Arc::new(Topics::fresh(&Broker::shared(), &[]).await);
    let load = tokio::spawn({
        let topics = Arc::clone(&topics);
        async move {
            for at in 0..60 {
                publish(&topics, trade(1 + at * 10, 10)).await;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    });
    let mut lines = Vec::new();
    let often = [("notifier.commit_interval_ms", "50")];
    for round in 1..4 {
        let notifier = Notifier::start(&topics, &often);
        notifier.until_events(100 * round).await;
        lines.extend(notifier.kill().await);
    }
    load.await.unwrap();
    let last = Notifier::start(&topics, &often);
    until("all events", async || {
        let seen: HashSet<String> = ids(&lines).into_iter().chain(ids(&last.events())).collect();
        seen.len() == 1_800
    })
    .await;
    lines.extend(last.stop().await);
    let repeats = assert_complete(&lines, 1..601);
    figure(format_args!(
        "notifier killed 3 times under load: 1800 events, {repeats} repeats"
    ));
}

#[tokio::test]
async fn stopped_under_load_it_ends_in_order_and_nothing_repeats() {
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    publish(&topics, trade(1, 2_000)).await;
    let never = [("notifier.commit_interval_ms", "60000")];
    let notifier = Notifier::start(&topics, &never);
    notifier.until_events(500).await;
    let mut lines = notifier.stop().await;
    let again = Notifier::start(&topics, &never);
    again.until_events(6_000 - lines.len()).await;
    lines.extend(again.stop().await);
    assert_eq!(assert_complete(&lines, 1..2_001), 0, "repeats");
}

/// However far it is behind, it holds a bounded number of events, and all of them come: it was killed,
/// and the backlog grew while it was away.
#[tokio::test(flavor = "multi_thread")]
async fn restarted_after_a_long_backlog_it_loses_nothing_in_bounded_memory() {
    /// Resident, KiB: what a million events would take many times over.
    const MEMORY_MAX: u64 = 200 * 1024;
    /// From a tenth of the backlog on, KiB: what it remembers to tell repeats is full by then.
    const GROWTH_MAX: u64 = 32 * 1024;
    const BEFORE: usize = 100;
    let orders = BEFORE + size(30_000, 333_300);
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    publish(&topics, trade(1, 100)).await;
    let tally = Arc::<Mutex<Tally>>::default();
    let seen = || tally.lock().unwrap().unique;
    // With a window that is full after a tenth, whatever the size of the backlog.
    let window = (orders * 3 / 20).min(100_000).to_string();
    let settings = [("notifier.dedupe_window", window.as_str())];
    let notifier = Notifier::counted(&topics, &settings, &tally);
    figures::until("the first events", PATIENCE, async || seen() == BEFORE * 3).await;
    notifier.kill().await;
    let began = figures::now();
    for first in (BEFORE + 1..=orders).step_by(2_000) {
        let count = 2_000.min(orders + 1 - first);
        publish(
            &topics,
            trade(i64::try_from(first).unwrap(), i64::try_from(count).unwrap()),
        )
        .await;
    }
    let published = began.elapsed();

    let notifier = Notifier::counted(&topics, &settings, &tally);
    let (mut early, mut peak) = (0, 0);
    let drained = figures::until("all events", 20 * PATIENCE, async || {
        peak = peak.max(notifier.resident_kib());
        if seen() <= orders * 3 / 10 {
            early = peak;
        }
        seen() == orders * 3
    })
    .await;
    notifier.stop().await;
    let tally = tally.lock().unwrap();
    figure(format_args!(
        "notifier after a backlog of {} events: drained in {} ms (published in {} ms), at most {} MiB, {} MiB at a tenth, \
         {} repeats",
        (orders - BEFORE) * 3,
        drained.as_millis(),
        published.as_millis(),
        peak / 1024,
        early / 1024,
        tally.repeats
    ));
    tally.assert_complete(1..orders + 1);
    assert_eq!(tally.overtaken, 0, "first occurrences are in order per order");
    assert!(tally.repeats <= BEFORE * 3, "only what was not committed comes again");
    assert!(early > 0 && peak < MEMORY_MAX, "{peak} KiB");
    assert!(
        peak < early + GROWTH_MAX,
        "{early} KiB at a tenth, {peak} KiB in the end"
    );
}

#[tokio::test]
async fn a_broker_that_is_away_makes_it_degraded_and_when_it_is_back_events_go_on() {
    let broker = Broker::own();
    let topics = Topics::fresh(&broker, &[]).await;
    publish(&topics, trade(1, 10)).await;
    let notifier = Notifier::start(&topics, &[]);
    notifier.until_events(30).await;
    let ready = async || {
        let answer = reqwest::get(format!("{}/readyz", notifier.url)).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    broker.kill();
    until("degraded", async || {
        ready().await == (200, r#"{"status":"ready","degraded":["broker"]}"#.to_owned())
    })
    .await;
    broker.start();
    publish(&topics, trade(11, 10)).await;
    until("all events", async || {
        let seen: HashSet<String> = ids(&notifier.events()).into_iter().collect();
        seen.len() == 60
    })
    .await;
    until("ready", async || {
        ready().await == (200, r#"{"status":"ready"}"#.to_owned())
    })
    .await;
    assert_complete(&notifier.stop().await, 1..21);
}

#[tokio::test]
async fn without_any_broker_it_starts_degraded_and_ends_in_order() {
    let mut topics = Topics::missing(&Broker::shared());
    topics.settings.brokers = vec!["127.0.0.1:9".to_owned()];
    let notifier = Notifier::start(&topics, &[]);
    until("degraded", async || {
        let answer = reqwest::get(format!("{}/readyz", notifier.url)).await;
        match answer {
            Ok(answer) => answer.status() == 200 && answer.text().await.unwrap().contains("broker"),
            Err(_) => false,
        }
    })
    .await;
    notifier.stop().await;
}

/// The topic may be created after the notifier has started.
#[tokio::test]
async fn a_topic_that_comes_later_is_found() {
    let topics = Topics::missing(&Broker::shared());
    let notifier = Notifier::start(&topics, &[]);
    until("it is told", async || {
        !notifier.said("events cannot be received").is_empty()
    })
    .await;
    topics.create(&topics.settings.topic, 2, &[]).await;
    publish(&topics, trade(1, 10)).await;
    assert_complete(&notifier.until_events(30).await, 1..11);
    notifier.stop().await;
}
