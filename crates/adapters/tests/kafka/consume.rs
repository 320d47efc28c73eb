//! Members of the consumer group on a real broker: where they begin, what they hold, what they leave
//! behind, and what a broker that dies does to them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use adapters::events::partition_of;
use adapters::kafka::consumer::{ConsumerSettings, KafkaSource};
use adapters::kafka::librdkafka;
use adapters::kafka::settings::KafkaSettings;
use adapters::kafka::testing::{Broker, Topics};
use domain::notify::ports::{Arrival, Delivery, EventSource, Position};
use domain::order::status::OrderStatus;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};

use super::support::{event, publisher, send_all};

/// Long enough for whatever the group does, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(60);
/// What must not come does not come for so long.
const QUIET: Duration = Duration::from_secs(2);

fn settings(kafka: &KafkaSettings) -> ConsumerSettings {
    ConsumerSettings {
        group: format!("group-of-{}", kafka.topic),
        kafka: kafka.clone(),
        session_timeout: Duration::from_secs(3),
        commit_interval: Duration::from_millis(50),
        held_max: 1_000,
        release_within: Duration::from_secs(10),
        leave_within: PATIENCE,
    }
}

pub(super) fn join(kafka: &KafkaSettings) -> KafkaSource {
    KafkaSource::join(settings(kafka)).unwrap()
}

/// The next arrival, failures passed over: the library says so while brokers are away.
async fn next(source: &mut KafkaSource) -> Arrival {
    let arrival = async {
        loop {
            if let Ok(arrival) = source.next(100).await {
                return arrival;
            }
        }
    };
    tokio::time::timeout(PATIENCE, arrival).await.expect("something comes")
}

/// Takes `count` deliveries; partitions that are revoked meanwhile are let go.
pub(super) async fn take(source: &mut KafkaSource, count: usize) -> Vec<Delivery> {
    let mut all = Vec::new();
    while all.len() < count {
        match next(source).await {
            Arrival::Deliveries(deliveries) => all.extend(deliveries),
            Arrival::Revoked(partitions) => source.release(&partitions),
            Arrival::Closed => panic!("nobody closed it"),
        }
    }
    assert_eq!(all.len(), count, "no more than there is");
    all
}

async fn take_some(source: &mut KafkaSource) -> Vec<Delivery> {
    match next(source).await {
        Arrival::Deliveries(deliveries) => deliveries,
        other @ (Arrival::Revoked(_) | Arrival::Closed) => panic!("only deliveries are due: {other:?}"),
    }
}

async fn nothing_comes(source: &mut KafkaSource) {
    let more = tokio::time::timeout(QUIET, source.next(100)).await;
    assert!(!matches!(more, Ok(Ok(Arrival::Deliveries(_)))), "{more:?}");
}

pub(super) async fn commit(source: &mut KafkaSource, deliveries: &[Delivery]) {
    let positions: Vec<Position> = deliveries.iter().map(|delivery| delivery.position).collect();
    source.commit(&positions).await.unwrap();
}

pub(super) fn ids(deliveries: &[Delivery]) -> Vec<i64> {
    let ids = deliveries.iter();
    let mut ids: Vec<i64> = ids
        .map(|delivery| delivery.content.as_ref().unwrap().event_id.parse().unwrap())
        .collect();
    ids.sort_unstable();
    ids
}

/// Publishes an event of each order, with the number of the order as its id.
pub(super) async fn publish(topics: &Topics, orders: std::ops::Range<i64>) {
    let events = orders.map(|n| event(n, n, OrderStatus::New, None)).collect();
    send_all(&publisher(&topics.settings), events).await;
}

#[tokio::test]
async fn a_new_group_begins_at_the_earliest_and_the_next_member_behind_what_was_handled() {
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    publish(&topics, 1..21).await;
    let mut first = join(&topics.settings);
    let got = take(&mut first, 20).await;
    assert_eq!(ids(&got), (1..21).collect::<Vec<_>>());
    for number in [0, 1] {
        let of = got.iter().filter(|delivery| delivery.position.partition == number);
        let offsets: Vec<i64> = of.map(|delivery| delivery.position.offset).collect();
        assert_eq!(offsets, (0..offsets.len() as i64).collect::<Vec<_>>(), "in order");
    }
    assert!(first.health().answers());
    // All but the last of each partition.
    let handled: Vec<Delivery> = (0..2)
        .flat_map(|number| {
            let of: Vec<_> = got.iter().filter(|d| d.position.partition == number).cloned().collect();
            of[..of.len() - 1].to_vec()
        })
        .collect();
    commit(&mut first, &handled).await;
    first.leave().await.unwrap();
    let mut second = join(&topics.settings);
    let rest = take(&mut second, 2).await;
    let expected: Vec<i64> = ids(&got).into_iter().filter(|id| !ids(&handled).contains(id)).collect();
    assert_eq!(ids(&rest), expected);
    commit(&mut second, &rest).await;
    second.leave().await.unwrap();
    let mut third = join(&topics.settings);
    nothing_comes(&mut third).await;
    third.leave().await.unwrap();
}

#[tokio::test]
async fn a_member_that_vanishes_leaves_repeats_and_no_gaps() {
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    publish(&topics, 1..41).await;
    let mut first = join(&topics.settings);
    let got = take(&mut first, 40).await;
    commit(&mut first, &got[..10]).await;
    tokio::time::sleep(Duration::from_millis(300)).await; // until the timer has committed
    // Handled, but the commit of it never happens.
    drop(first);
    let mut second = join(&topics.settings);
    let rest = take(&mut second, 30).await;
    assert_eq!(ids(&rest), ids(&got[10..]));
    second.leave().await.unwrap();
}

#[tokio::test]
async fn a_partition_of_which_too_much_is_out_pauses_and_the_other_goes_on() {
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    publish(&topics, 1..401).await;
    let mut source = KafkaSource::join(ConsumerSettings {
        held_max: 10,
        ..settings(&topics.settings)
    })
    .unwrap();
    // Nothing of partition 0 is handled; everything of partition 1 is.
    let others = (1..401)
        .filter(|order| partition_of(&order.to_string().into_bytes(), 2) == 1)
        .count();
    let mut of: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
    while of.get(&1).map_or(0, Vec::len) < others || of.get(&0).map_or(0, Vec::len) < 10 {
        let Arrival::Deliveries(deliveries) = next(&mut source).await else {
            panic!("only deliveries are due");
        };
        for delivery in deliveries {
            let position = delivery.position;
            of.entry(position.partition).or_default().push(position.offset);
            if position.partition == 1 {
                source.commit(&[position]).await.unwrap();
            }
        }
    }
    nothing_comes(&mut source).await;
    assert_eq!(of[&0], (0..10).collect::<Vec<_>>(), "as many as may be held");
    assert!(of[&1].iter().copied().eq(0..others as i64), "in order, none left out");
    let last = Position {
        partition: 0,
        offset: 9,
    };
    source.commit(&[last]).await.unwrap();
    let more = take(&mut source, 10).await;
    let offsets: Vec<i64> = more.iter().map(|delivery| delivery.position.offset).collect();
    assert_eq!(offsets, (10..20).collect::<Vec<_>>(), "it goes on where it paused");
    source.leave().await.unwrap();
}

/// The library remembers its pauses over assignments, whoever had the partition meanwhile.
#[tokio::test]
async fn a_partition_that_was_paused_when_it_was_taken_away_goes_on_when_it_comes_back() {
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    publish(&topics, 1..101).await;
    let mut first = KafkaSource::join(ConsumerSettings {
        held_max: 10,
        ..settings(&topics.settings)
    })
    .unwrap();
    let held = take(&mut first, 20).await;
    nothing_comes(&mut first).await;
    let mut second = join(&topics.settings);
    let Arrival::Revoked(revoked) = next(&mut first).await else {
        panic!("as much as may be held was delivered");
    };
    first.release(&revoked);
    take_some(&mut second).await;
    second.leave().await.unwrap();
    // Nothing of it was handled: it comes again.
    let again = take(&mut first, 10).await;
    assert!(again.iter().all(|delivery| delivery.position.partition == revoked[0]));
    commit(&mut first, &held).await;
    commit(&mut first, &again).await;
    let mut seen: BTreeSet<i64> = ids(&held).into_iter().chain(ids(&again)).collect();
    while seen.len() < 100 {
        let more = take_some(&mut first).await;
        commit(&mut first, &more).await;
        seen.extend(ids(&more));
    }
    first.leave().await.unwrap();
}

#[tokio::test]
async fn members_share_the_partitions_and_a_revoked_one_is_committed_before_it_goes() {
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    publish(&topics, 1..41).await;
    let mut first = join(&topics.settings);
    let got = take(&mut first, 40).await;
    let mut second = join(&topics.settings);
    let Arrival::Revoked(revoked) = next(&mut first).await else {
        panic!("everything there is was delivered");
    };
    assert_eq!(revoked.len(), 1, "the other one stays");
    // What is handled until it is released counts.
    let of: Vec<Delivery> = got
        .iter()
        .filter(|delivery| delivery.position.partition == revoked[0])
        .cloned()
        .collect();
    commit(&mut first, &of[..of.len() - 1]).await;
    first.release(&revoked);
    let handed_over = take(&mut second, 1).await;
    assert_eq!(handed_over[0].position, of[of.len() - 1].position);
    commit(&mut second, &handed_over).await;
    // The first one leaves without having handled the other partition: the second one does.
    first.leave().await.unwrap();
    let rest = take(&mut second, 40 - of.len()).await;
    assert!(rest.iter().all(|delivery| delivery.position.partition != revoked[0]));
    second.leave().await.unwrap();
}

#[tokio::test]
async fn what_is_closed_takes_nothing_more_in() {
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    publish(&topics, 1..11).await;
    let mut source = join(&topics.settings);
    let got = take(&mut source, 10).await;
    source.close();
    publish(&topics, 11..21).await;
    assert_eq!(next(&mut source).await, Arrival::Closed);
    commit(&mut source, &got).await;
    source.leave().await.unwrap();
    let mut other = join(&topics.settings);
    assert_eq!(ids(&take(&mut other, 10).await), (11..21).collect::<Vec<_>>());
    other.leave().await.unwrap();
}

fn producer(kafka: &KafkaSettings) -> FutureProducer {
    librdkafka::config(kafka)
        .set("partitioner", "murmur2_random")
        .create()
        .unwrap()
}

#[tokio::test]
async fn other_clients_choose_the_same_partition() {
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    let theirs = producer(&topics.settings);
    for order in (1..60_i64).chain([i64::MAX, 1_000_000_007]) {
        let key = order.to_string();
        let record = FutureRecord::to(&topics.settings.topic).key(&key).payload("x");
        let sent = theirs.send(record, PATIENCE).await.unwrap();
        let ours = partition_of(key.as_bytes(), 2);
        assert_eq!(u32::try_from(sent.partition).unwrap(), ours, "order {order}");
    }
}

#[tokio::test]
async fn what_is_no_event_comes_whole_with_what_is_wrong_with_it() {
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    let theirs = producer(&topics.settings);
    let good = r#"{"order_id":1,"status":"new","moment":"2026-01-02T03:04:05.678Z"}"#.as_bytes();
    let long = "x".repeat(300);
    type Case<'a> = (Option<&'a [u8]>, Option<&'a [u8]>, &'a str);
    let cases: [Case<'_>; 6] = [
        (Some(b"\xff\x00 no JSON"), Some(b"7"), "expected value"),
        (None, Some(b"7"), "no value"),
        (Some(good), None, "no event-id header"),
        (Some(good), Some(b"\xff\xfe"), "no text"),
        (Some(good), Some(long.as_bytes()), "300 bytes"),
        (Some(b"{\"order_id\":1}"), Some(b"7"), "missing field"),
    ];
    for (value, event_id, _) in cases {
        let headers = OwnedHeaders::new().insert(Header {
            key: "other",
            value: Some(b"\x01\xff"),
        });
        let headers = match event_id {
            Some(value) => headers.insert(Header {
                key: "event-id",
                value: Some(value),
            }),
            None => headers,
        };
        let record: FutureRecord<'_, [u8], [u8]> =
            FutureRecord::to(&topics.settings.topic).partition(1).headers(headers);
        let record = match value {
            Some(value) => record.payload(value),
            None => record,
        };
        theirs.send(record, PATIENCE).await.unwrap();
    }
    let mut source = join(&topics.settings);
    let got = take(&mut source, cases.len()).await;
    for (delivery, (value, event_id, wrong)) in got.iter().zip(cases) {
        let said = delivery.content.as_ref().unwrap_err().to_string();
        assert!(said.contains(wrong), "{said} should say {wrong}");
        assert_eq!((delivery.value.as_deref(), delivery.key.as_deref()), (value, None));
        assert_eq!(delivery.headers["other"], b"\x01\xff");
        assert_eq!(delivery.headers.get("event-id").map(Vec::as_slice), event_id);
    }
    source.leave().await.unwrap();
}

#[tokio::test]
async fn a_broker_that_dies_is_noticed_and_after_it_comes_back_all_goes_on() {
    let broker = Broker::own();
    let topics = Topics::fresh(&broker, &[]).await;
    publish(&topics, 1..11).await;
    let mut source = join(&topics.settings);
    let got = take(&mut source, 10).await;
    commit(&mut source, &got).await;
    let health = source.health();
    assert!(health.answers());
    broker.kill();
    let noticed = async {
        while health.answers() {
            let _ = tokio::time::timeout(Duration::from_millis(50), source.next(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, noticed).await.expect("it is noticed");
    broker.start();
    publish(&topics, 11..21).await;
    let mut seen = Vec::new();
    while !(11..21).all(|id| seen.contains(&id)) {
        match next(&mut source).await {
            Arrival::Deliveries(more) => {
                commit(&mut source, &more).await;
                seen.extend(ids(&more));
            }
            Arrival::Revoked(partitions) => source.release(&partitions),
            Arrival::Closed => panic!("nobody closed it"),
        }
    }
    assert!(health.answers());
    source.leave().await.unwrap();
}

/// The end is bounded also where nobody is there to be told of it.
#[tokio::test]
async fn leaving_is_bounded_while_the_broker_is_away() {
    let broker = Broker::own();
    let topics = Topics::fresh(&broker, &[]).await;
    publish(&topics, 1..3).await;
    let mut source = KafkaSource::join(ConsumerSettings {
        leave_within: Duration::from_secs(2),
        ..settings(&topics.settings)
    })
    .unwrap();
    let got = take(&mut source, 2).await;
    broker.freeze();
    commit(&mut source, &got).await;
    let left = tokio::time::timeout(Duration::from_secs(30), source.leave()).await;
    let error = left
        .expect("it ends")
        .expect_err("what was handled could not be committed");
    assert!(
        error.to_string().contains("commit") || error.to_string().contains("left"),
        "{error}"
    );
    broker.thaw();
}
