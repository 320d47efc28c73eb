//! The consumer over the stream in memory, and over sources that misbehave.

mod letters;
mod scripted;

use std::sync::Arc;

use adapters::events::{Message, partition_of};
use adapters::memory::stream::{MemoryDeadLetters, MemorySource, MemoryStream};
use domain::clock::Clock;
use domain::error::Cause;
use domain::notify::ports::{Received, SinkError, Unreadable};
use domain::order::event::{OrderEvent, StatusChange};
use domain::order::ports::EventPublisher;
use domain::order::status::OrderStatus;
use domain::testing::build::{ManualClock, order_id};
use domain::testing::faults::planted;
use domain::types::EventId;
use parking_lot::Mutex;

use super::*;
use scripted::{Asked, Scripted};

/// A place for events that fails, and keeps what it was given.
#[derive(Debug, Clone, Default)]
struct Place {
    got: Arc<Mutex<Vec<(i64, OrderStatus)>>>,
    unavailable: Arc<Mutex<u32>>,
    refuse_order: i64,
    /// Never answers about this order.
    silent_about: Arc<Mutex<i64>>,
}

impl EventSink for Place {
    async fn deliver(&self, _: Position, event: &Received) -> Result<(), SinkError> {
        if event.order.get() == self.refuse_order {
            return Err(SinkError::Refused("planted".to_owned()));
        }
        if event.order.get() == *self.silent_about.lock() {
            std::future::pending::<()>().await;
        }
        let mut failures = self.unavailable.lock();
        if *failures > 0 {
            *failures -= 1;
            return Err(SinkError::Unavailable(planted()));
        }
        self.got.lock().push((event.order.get(), event.status));
        Ok(())
    }

    async fn flush(&self) -> Result<(), SinkError> {
        Ok(())
    }
}

fn event(id: i64, order: i64, status: OrderStatus) -> OrderEvent {
    let change = StatusChange {
        order: order_id(order),
        status,
        moment: ManualClock::default().now(),
        trace: None,
    };
    OrderEvent {
        id: EventId::try_from(id).unwrap(),
        change,
    }
}

type Handler = HandleEvent<Place, Arc<MemoryDeadLetters>>;

const LIMITS: ConsumerLimits = ConsumerLimits {
    batch_max: 4,
    held_max: 8,
    first_pause: Duration::from_millis(1),
    longest_pause: Duration::from_millis(2),
    tell_every: 100,
    release_within: Duration::from_millis(200),
    finish_within: Duration::from_secs(5),
};

fn consumer<Src>(
    source: Src,
    place: &Place,
    letters: &Arc<MemoryDeadLetters>,
) -> Consumer<Src, impl FnMut() -> Handler + Send + 'static> {
    let (place, letters) = (place.clone(), Arc::clone(letters));
    Consumer {
        source,
        handler: move || HandleEvent::new(place.clone(), Arc::clone(&letters), 100),
        stream: Stream {
            system: "memory",
            topic: "loms.order-events".to_owned(),
            group: "notifier".to_owned(),
        },
        limits: LIMITS,
        log: Logger::root(slog::Discard, slog::o!()),
    }
}

async fn run_until<Src: EventSource>(
    consumer: Consumer<Src, impl FnMut() -> Handler + Send + 'static>,
    done: impl Fn() -> bool,
) {
    let stop = CancellationToken::new();
    let task = tokio::spawn(consumer.run(stop.clone()));
    until(done).await;
    stop.cancel();
    task.await.unwrap();
}

async fn until(done: impl Fn() -> bool) {
    let waiting = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting)
        .await
        .expect("it comes to that");
}

fn partition(order: i64) -> i32 {
    i32::try_from(partition_of(order.to_string().as_bytes(), 2)).unwrap()
}

#[tokio::test]
async fn handles_in_order_waits_for_the_place_and_buries_what_is_refused() {
    let stream = MemoryStream::new(100);
    let mut events: Vec<_> = (1..=10).map(|n| event(n, n, OrderStatus::New)).collect();
    events.extend((1..=10).map(|n| event(n + 10, n, OrderStatus::AwaitingPayment)));
    events.push(events[19]); // a repeat
    stream.publish(events).await;
    let place = Place {
        refuse_order: 3,
        unavailable: Arc::new(Mutex::new(5)),
        ..Place::default()
    };
    let letters = Arc::new(MemoryDeadLetters::new(10));
    run_until(consumer(stream.subscribe(), &place, &letters), || stream.lag() == 0).await;
    let got = place.got.lock();
    assert_eq!(got.len(), 18);
    for order in (1..=10).filter(|order| *order != 3) {
        let statuses: Vec<_> = got
            .iter()
            .filter(|(o, _)| *o == order)
            .map(|(_, status)| *status)
            .collect();
        assert_eq!(
            statuses,
            [OrderStatus::New, OrderStatus::AwaitingPayment],
            "order {order}"
        );
    }
    assert_eq!(letters.letters().len(), 2);
    assert_eq!(letters.letters()[0].reason, "planted");
}

#[tokio::test]
async fn what_was_not_handled_when_it_stopped_comes_again() {
    let stream = MemoryStream::new(100);
    stream
        .publish((1..=8).map(|n| event(n, n, OrderStatus::New)).collect())
        .await;
    let letters = Arc::new(MemoryDeadLetters::new(10));
    let stuck = Place {
        unavailable: Arc::new(Mutex::new(u32::MAX)),
        ..Place::default()
    };
    let stuck_for = Arc::clone(&stuck.unavailable);
    run_until(consumer(stream.subscribe(), &stuck, &letters), || {
        *stuck_for.lock() < u32::MAX - 2
    })
    .await;
    assert_eq!(stream.lag(), 8);
    let place = Place::default();
    run_until(consumer(stream.subscribe(), &place, &letters), || stream.lag() == 0).await;
    assert_eq!(place.got.lock().len(), 8);
}

/// A source that delivers what is no event.
struct Poison(MemorySource, bool);
impl EventSource for Poison {
    async fn next(&mut self, max: usize) -> Result<Arrival, Cause> {
        let mut arrival = self.0.next(max).await?;
        if let Arrival::Deliveries(deliveries) = &mut arrival
            && !std::mem::replace(&mut self.1, true)
        {
            deliveries[0].content = Err(Unreadable("planted".to_owned()));
        }
        Ok(arrival)
    }

    async fn commit(&mut self, handled: &[Position]) -> Result<(), Cause> {
        self.0.commit(handled).await
    }

    fn close(&mut self) {
        self.0.close();
    }

    fn release(&mut self, partitions: &[i32]) {
        self.0.release(partitions);
    }

    async fn leave(self) -> Result<(), Cause> {
        self.0.leave().await
    }
}

#[tokio::test]
async fn poison_does_not_stop_the_others() {
    let stream = MemoryStream::new(100);
    stream
        .publish((1..=8).map(|n| event(n, n, OrderStatus::New)).collect())
        .await;
    let (place, letters) = (Place::default(), Arc::new(MemoryDeadLetters::new(10)));
    run_until(consumer(Poison(stream.subscribe(), false), &place, &letters), || {
        stream.lag() == 0
    })
    .await;
    assert_eq!((place.got.lock().len(), letters.letters().len()), (7, 1));
    assert!(letters.letters()[0].reason.contains("not an order event"));
}

fn delivery(partition: i32, offset: i64, order: i64) -> Delivery {
    let message = Message::encode(&event(offset + 1, order, OrderStatus::New));
    Delivery {
        position: Position { partition, offset },
        content: message.decode(),
        key: None,
        value: None,
        headers: std::collections::BTreeMap::new(),
    }
}

#[tokio::test]
async fn while_one_partition_waits_the_other_goes_on_and_the_waiting_one_is_held_back() {
    let stream = MemoryStream::new(1_000);
    let waiting = 1;
    let others: Vec<i64> = (2..200)
        .filter(|order| partition(*order) != partition(waiting))
        .collect();
    let mut events = vec![event(1, waiting, OrderStatus::New)];
    let behind = (200..400).filter(|order| partition(*order) == partition(waiting));
    events.extend(
        behind
            .chain(others.iter().copied())
            .map(|order| event(order, order, OrderStatus::New)),
    );
    let all = events.len();
    stream.publish(events).await;
    let (place, letters) = (Place::default(), Arc::new(MemoryDeadLetters::new(10)));
    *place.silent_about.lock() = waiting;
    let stop = CancellationToken::new();
    let source = stream.subscribe().holding(LIMITS.held_max);
    let task = tokio::spawn(consumer(source, &place, &letters).run(stop.clone()));
    until(|| place.got.lock().len() == others.len()).await;
    let rest = all - others.len();
    until(|| stream.lag() == rest).await;
    assert!(
        place.got.lock().iter().all(|(order, _)| others.contains(order)),
        "nothing of it is skipped"
    );
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
}

#[test]
fn of_two_tasks_of_a_partition_the_furthest_counts() {
    let at = |partition, offset| Position { partition, offset };
    let progress = Progress::default();
    for position in [at(0, 7), at(1, 3), at(0, 5), at(1, 4)] {
        progress.note(position);
    }
    assert_eq!(progress.take(), [at(0, 7), at(1, 4)]);
    progress.note(at(0, 6));
    assert_eq!(progress.take(), [at(0, 6)], "what was taken is forgotten");
}

#[tokio::test]
async fn what_was_handled_is_committed_before_a_revoked_partition_is_released() {
    let (tell, asked, source) = Scripted::new();
    let (place, letters) = (Place::default(), Arc::new(MemoryDeadLetters::new(10)));
    *place.silent_about.lock() = 3;
    let stop = CancellationToken::new();
    let task = tokio::spawn(consumer(source, &place, &letters).run(stop.clone()));
    tell.send(Arrival::Deliveries((0..4).map(|n| delivery(0, n, n + 1)).collect()))
        .unwrap();
    until(|| place.got.lock().len() == 2).await;
    tell.send(Arrival::Revoked(vec![0, 1])).unwrap();
    until(|| asked.lock().contains(&Asked::Release(0))).await;
    assert_eq!(
        place.got.lock().len(),
        2,
        "the third was given up, and the fourth must not overtake it"
    );
    *place.silent_about.lock() = 0;
    // It comes back: from where its next member would begin.
    tell.send(Arrival::Deliveries((2..4).map(|n| delivery(0, n, n + 1)).collect()))
        .unwrap();
    until(|| place.got.lock().len() == 4).await;
    stop.cancel();
    task.await.unwrap();
    let asked = asked.lock();
    let last = Position {
        partition: 0,
        offset: 3,
    };
    assert_eq!(asked[asked.len() - 2..], [Asked::Commit(last), Asked::Leave]);
    assert!(asked.contains(&Asked::Release(1)), "of which nothing had come yet");
}

#[tokio::test]
async fn a_partition_that_gave_up_at_the_end_takes_nothing_behind_it() {
    let (tell, asked, mut source) = Scripted::new();
    let place = Place {
        unavailable: Arc::new(Mutex::new(u32::MAX)),
        ..Place::default()
    };
    source.late = Some((
        Arrival::Deliveries(vec![delivery(0, 1, 2)]),
        Arc::clone(&place.unavailable),
    ));
    let letters = Arc::new(MemoryDeadLetters::new(10));
    let stop = CancellationToken::new();
    let task = tokio::spawn(consumer(source, &place, &letters).run(stop.clone()));
    tell.send(Arrival::Deliveries(vec![delivery(0, 0, 1)])).unwrap();
    until(|| *place.unavailable.lock() < u32::MAX - 2).await;
    stop.cancel();
    task.await.unwrap();
    assert_eq!(
        *asked.lock(),
        [Asked::Leave],
        "nothing was handled, nothing may be committed"
    );
}

#[tokio::test]
async fn the_end_does_not_wait_for_a_place_that_is_silent() {
    let (tell, asked, source) = Scripted::new();
    let (place, letters) = (Place::default(), Arc::new(MemoryDeadLetters::new(10)));
    *place.silent_about.lock() = 1;
    let stop = CancellationToken::new();
    let mut consumer = consumer(source, &place, &letters);
    consumer.limits.finish_within = Duration::from_millis(20);
    let task = tokio::spawn(consumer.run(stop.clone()));
    tell.send(Arrival::Deliveries(vec![delivery(0, 0, 1), delivery(1, 7, 2)]))
        .unwrap();
    until(|| asked.lock().len() == 1).await;
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(30), task)
        .await
        .expect("it ends")
        .unwrap();
    let other = Position {
        partition: 1,
        offset: 7,
    };
    assert_eq!(*asked.lock(), [Asked::Commit(other), Asked::Leave]);
}
