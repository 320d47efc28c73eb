//! The event stream in memory: order per partition, redelivery of what was not committed, and
//! the bound, with a consumer and without one.

use std::collections::HashSet;
use std::time::Duration;

use adapters::events::partition_of;
use adapters::memory::stream::{MemoryDeadLetters, MemorySource, MemoryStream};
use domain::notify::ports::{Arrival, DeadLetters, Delivery, EventSource, Position};
use domain::order::event::{OrderEvent, StatusChange};
use domain::order::ports::EventPublisher;
use domain::order::status::OrderStatus;
use domain::testing::build::order_id;
use domain::testing::ledger_contract::now;
use domain::trace::TraceContext;
use domain::types::EventId;
use futures::FutureExt;
use proptest::prelude::*;

/// The stream takes and commits at once, it never waits.
fn at_once<T>(answer: impl Future<Output = T>) -> T {
    answer.now_or_never().expect("an answer at once")
}

fn event(id: i64, order: i64) -> OrderEvent {
    let trace = TraceContext::new(7, u64::try_from(id).unwrap(), 1);
    let change = StatusChange {
        order: order_id(order),
        status: OrderStatus::New,
        moment: now(),
        trace,
    };
    OrderEvent {
        id: EventId::try_from(id).unwrap(),
        change,
    }
}

fn partition(order: i64) -> i32 {
    i32::try_from(partition_of(order.to_string().as_bytes(), 2)).unwrap()
}

/// Orders of one partition, ascending.
fn orders_of(number: i32) -> impl Iterator<Item = i64> {
    (1..).filter(move |order| partition(*order) == number)
}

/// An event for each of `count` orders of a partition; event ids from `first` on.
fn events_of(number: i32, first: i64, count: usize) -> Vec<OrderEvent> {
    (first..)
        .zip(orders_of(number))
        .take(count)
        .map(|(id, order)| event(id, order))
        .collect()
}

fn ids(deliveries: &[Delivery]) -> Vec<String> {
    deliveries
        .iter()
        .map(|delivery| delivery.content.as_ref().unwrap().event_id.to_string())
        .collect()
}

fn positions(deliveries: &[Delivery]) -> Vec<Position> {
    deliveries.iter().map(|delivery| delivery.position).collect()
}

fn publish(stream: &MemoryStream, events: &[OrderEvent]) -> (usize, bool) {
    let published = at_once(stream.publish(events.to_vec()));
    let taken: Vec<_> = published.acknowledged;
    assert!(taken.is_sorted(), "in the order in which they came");
    (taken.len(), published.error.is_some())
}

/// What is there now; empty where a consumer would wait.
fn poll(source: &mut MemorySource, max: usize) -> Vec<Delivery> {
    source.next(max).now_or_never().map(deliveries).unwrap_or_default()
}

fn deliveries(next: Result<Arrival, domain::error::Cause>) -> Vec<Delivery> {
    match next.unwrap() {
        Arrival::Deliveries(deliveries) => deliveries,
        other @ (Arrival::Revoked(_) | Arrival::Closed) => panic!("{other:?}"),
    }
}

fn commit(source: &mut MemorySource, partition: i32, offset: i64) {
    at_once(source.commit(&[Position { partition, offset }])).unwrap();
}

#[test]
fn a_partition_is_delivered_in_order_with_all_that_an_event_says() {
    let stream = MemoryStream::new(100);
    let mut source = stream.subscribe();
    let sent: Vec<_> = (1..=20).map(|id| event(id, 1 + id % 5)).collect();
    assert_eq!(publish(&stream, &sent), (20, false));
    let got = poll(&mut source, 100);
    assert_eq!((got.len(), stream.lag()), (20, 20));
    for number in [0, 1] {
        let of = |delivery: &&Delivery| delivery.position.partition == number;
        let offsets: Vec<_> = got.iter().filter(of).map(|delivery| delivery.position.offset).collect();
        assert!(offsets.iter().copied().eq(0..offsets.len() as i64), "{offsets:?}");
        let expected = sent
            .iter()
            .filter(|event| partition(event.change.order.get()) == number);
        let got: Vec<_> = got.iter().filter(of).cloned().collect();
        assert_eq!(
            ids(&got),
            expected.map(|event| event.id.to_string()).collect::<Vec<_>>()
        );
    }
    for delivery in &got {
        let received = delivery.content.as_ref().unwrap();
        let sent = sent
            .iter()
            .find(|event| event.id.to_string() == *received.event_id)
            .unwrap();
        assert_eq!(
            (received.order, received.status, received.trace),
            (sent.change.order, sent.change.status, sent.change.trace)
        );
        assert_eq!(
            **delivery.key.as_ref().unwrap(),
            *received.order.to_string().into_bytes()
        );
        assert!(
            std::str::from_utf8(delivery.value.as_ref().unwrap())
                .unwrap()
                .contains(r#""status":"new""#)
        );
    }
}

#[test]
fn a_consumer_gets_no_more_than_it_asked_for_and_serves_both_partitions() {
    let stream = MemoryStream::new(100);
    let mut source = stream.subscribe();
    publish(&stream, &events_of(0, 1, 10));
    publish(&stream, &events_of(1, 11, 10));
    let got = poll(&mut source, 4);
    assert_eq!(got.len(), 4);
    assert_eq!(
        positions(&got)
            .iter()
            .map(|at| at.partition)
            .collect::<HashSet<_>>()
            .len(),
        2
    );
    assert_eq!(poll(&mut source, 1).len(), 1);
}

#[test]
fn what_was_not_committed_comes_again_to_the_next_consumer_and_the_rest_does_not() {
    let stream = MemoryStream::new(100);
    let mut source = stream.subscribe();
    publish(&stream, &events_of(0, 1, 5));
    publish(&stream, &events_of(1, 11, 5));
    assert_eq!(poll(&mut source, 100).len(), 10);
    commit(&mut source, 0, 1);
    assert!(
        poll(&mut source, 100).is_empty(),
        "to the same consumer nothing comes twice"
    );
    drop(source);
    let mut next = stream.subscribe();
    assert_eq!(
        ids(&poll(&mut next, 100)),
        ["3", "4", "5", "11", "12", "13", "14", "15"]
    );
    commit(&mut next, 0, 4);
    commit(&mut next, 1, 3);
    drop(next);
    let got = poll(&mut stream.subscribe(), 100);
    assert_eq!(
        (ids(&got), positions(&got)),
        (
            vec!["15".to_owned()],
            vec![Position {
                partition: 1,
                offset: 4
            }]
        )
    );
}

#[test]
fn a_full_partition_takes_nothing_while_a_consumer_is_attached_and_a_commit_frees_room() {
    let stream = MemoryStream::new(3);
    let mut source = stream.subscribe();
    let sent = events_of(0, 1, 6);
    assert_eq!(publish(&stream, &sent), (3, true));
    assert_eq!(
        publish(&stream, &events_of(1, 11, 2)),
        (2, false),
        "the other partition is not held up"
    );
    assert_eq!(ids(&poll(&mut source, 100)), ["1", "2", "3", "11", "12"]);
    assert_eq!(publish(&stream, &sent[3..]), (0, true), "delivered is not handled");
    commit(&mut source, 0, 1);
    assert_eq!(publish(&stream, &sent[3..]), (2, true));
    assert_eq!(ids(&poll(&mut source, 100)), ["4", "5"]);
    commit(&mut source, 0, 4);
    assert_eq!(publish(&stream, &sent[5..]), (1, false));
    assert_eq!(ids(&poll(&mut source, 100)), ["6"], "none was lost and none came twice");
}

#[test]
fn without_a_consumer_the_oldest_are_forgotten_and_the_next_one_begins_at_what_is_left() {
    let stream = MemoryStream::new(3);
    assert_eq!(
        publish(&stream, &events_of(0, 1, 10)),
        (10, false),
        "events do not stop orders"
    );
    assert_eq!(stream.lag(), 3);
    let mut source = stream.subscribe();
    let got = poll(&mut source, 100);
    assert_eq!(ids(&got), ["8", "9", "10"]);
    assert_eq!(
        positions(&got)[0],
        Position {
            partition: 0,
            offset: 7
        }
    );
    assert_eq!(
        publish(&stream, &events_of(0, 11, 1)),
        (0, true),
        "from now on nothing is forgotten"
    );
    drop(source);
    assert_eq!(publish(&stream, &events_of(0, 11, 1)), (1, false));
}

#[test]
fn a_consumer_that_fell_behind_another_goes_on_at_the_true_offsets() {
    let stream = MemoryStream::new(100);
    let (mut slow, mut fast) = (stream.subscribe(), stream.subscribe());
    publish(&stream, &events_of(0, 1, 4));
    assert_eq!(poll(&mut fast, 100).len(), 4);
    commit(&mut fast, 0, 1);
    let got = poll(&mut slow, 100);
    assert_eq!(ids(&got), ["3", "4"]);
    assert_eq!(positions(&got).iter().map(|at| at.offset).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn commits_never_go_back_and_of_what_is_not_there_they_are_nothing() {
    let stream = MemoryStream::new(100);
    let mut source = stream.subscribe();
    publish(&stream, &events_of(0, 1, 4));
    poll(&mut source, 100);
    commit(&mut source, 0, 2);
    commit(&mut source, 0, 0);
    commit(&mut source, 7, 0);
    commit(&mut source, -1, 0);
    assert_eq!(stream.lag(), 1);
    drop(source);
    assert_eq!(ids(&poll(&mut stream.subscribe(), 100)), ["4"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_consumer_that_waits_is_woken_and_misses_nothing() {
    const EVENTS: i64 = 5_000;
    let stream = MemoryStream::new(100);
    let mut source = stream.subscribe();
    let publisher = stream.clone();
    tokio::spawn(async move {
        let mut next = 1;
        while next <= EVENTS {
            // One order, so that all are of one partition and in one order.
            let acknowledged = publisher.publish(vec![event(next, 1)]).await.acknowledged.len();
            next += i64::try_from(acknowledged).unwrap();
            tokio::task::yield_now().await;
        }
    });
    let all = async {
        let mut got = Vec::new();
        while got.len() < EVENTS as usize {
            let deliveries = deliveries(source.next(10).await);
            source.commit(&positions(&deliveries)).await.unwrap();
            got.extend(ids(&deliveries));
        }
        got
    };
    let got = tokio::time::timeout(Duration::from_secs(60), all)
        .await
        .expect("no wake-up is lost");
    assert!(got.into_iter().eq((1..=EVENTS).map(|id| id.to_string())));
    assert_eq!(stream.lag(), 0);
}

#[test]
fn dead_letters_are_kept_with_their_reason_and_are_bounded() {
    let stream = MemoryStream::new(10);
    let mut source = stream.subscribe();
    publish(&stream, &events_of(0, 1, 3));
    let deliveries = poll(&mut source, 10);
    let letters = MemoryDeadLetters::new(2);
    for delivery in &deliveries[..2] {
        at_once(letters.put(delivery, "refused")).unwrap();
    }
    let error = at_once(letters.put(&deliveries[2], "refused")).unwrap_err();
    assert!(error.to_string().contains("dead letter store is full"), "{error}");
    let kept = letters.letters();
    assert!(kept.iter().map(|letter| &letter.delivery).eq(&deliveries[..2]));
    assert!(kept.iter().all(|letter| letter.reason == "refused"));
}

#[derive(Debug, Clone)]
enum Step {
    Publish(usize),
    Poll(usize),
    /// So many of those that were delivered and not committed.
    Commit(usize),
    /// The consumer goes and another comes.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1..6_usize).prop_map(Step::Publish),
        3 => (1..6_usize).prop_map(Step::Poll),
        2 => (1..8_usize).prop_map(Step::Commit),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// With a consumer attached nothing that was acknowledged is lost, whatever the order of
    /// steps: each partition is what was acknowledged, from the first that was not committed on.
    #[test]
    fn at_least_once_and_in_order(steps in proptest::collection::vec(step(), 1..80)) {
        let stream = MemoryStream::new(4);
        let keep = stream.subscribe(); // so that there always is one
        let mut source = stream.subscribe();
        let mut taken: [Vec<String>; 2] = Default::default();
        let (mut committed, mut delivered) = ([0_usize; 2], [0_usize; 2]);
        let mut next_id = 1;
        for step in steps {
            match step {
                Step::Publish(count) => {
                    let events: Vec<_> = (next_id..).take(count).map(|id| event(id, 1 + id % 7)).collect();
                    next_id += i64::try_from(count).unwrap();
                    for id in at_once(stream.publish(events.clone())).acknowledged {
                        let event = events.iter().find(|event| event.id == id).unwrap();
                        taken[partition(event.change.order.get()) as usize].push(id.to_string());
                    }
                }
                Step::Poll(max) => {
                    let deliveries = poll(&mut source, max);
                    prop_assert!(deliveries.len() <= max);
                    for delivery in deliveries {
                        let number = delivery.position.partition as usize;
                        prop_assert_eq!(delivery.position.offset as usize, delivered[number]);
                        prop_assert_eq!(&*delivery.content.unwrap().event_id, &taken[number][delivered[number]]);
                        delivered[number] += 1;
                    }
                }
                Step::Commit(count) => {
                    for number in [0, 1] {
                        let upto = (committed[number] + count).min(delivered[number]);
                        if upto > committed[number] {
                            commit(&mut source, number as i32, upto as i64 - 1);
                            committed[number] = upto;
                        }
                    }
                }
                Step::Restart => {
                    drop(source);
                    source = stream.subscribe();
                    delivered = committed;
                }
            }
            let waiting: usize = (0..2).map(|number| taken[number].len() - committed[number]).sum();
            prop_assert_eq!(stream.lag(), waiting);
            prop_assert!(waiting <= 8);
        }
        drop(keep);
    }
}
