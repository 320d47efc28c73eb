//! Drives the notifier: takes deliveries, has each handled in order, makes them safe, and only
//! then commits their positions. What must wait is tried again with growing pauses; nothing is
//! skipped.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::notify::handle::{HandleEvent, Handled};
use domain::notify::ports::{DeadLetters, Delivery, EventSink, EventSource, Position};
use slog::{Logger, error, info, warn};
use tokio_util::sync::CancellationToken;

use super::pause::Pauses;
use crate::telemetry::chain;

/// The bounds of the notifier.
#[derive(Debug, Clone, Copy)]
pub struct ConsumerLimits {
    /// Most deliveries held.
    pub batch_max: usize,
    /// The first pause when something does not answer; it doubles.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

/// Handles deliveries until it is stopped or its source is closed.
#[derive(Debug)]
pub struct Consumer<Src, S, D> {
    /// Where deliveries come from.
    pub source: Src,
    /// What is done with each.
    pub handler: HandleEvent<S, D>,
    /// Its bounds.
    pub limits: ConsumerLimits,
    /// Where failures are told.
    pub log: Logger,
}

impl<Src: EventSource, S: EventSink, D: DeadLetters> Consumer<Src, S, D> {
    /// Runs; what is held when it is stopped is still handled, made safe and committed.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let next = match stop.run_until_cancelled(self.source.next(self.limits.batch_max)).await {
                Some(next) => next,
                None => {
                    self.source.close();
                    self.source.next(self.limits.batch_max).await
                }
            };
            match next {
                Ok(deliveries) if deliveries.is_empty() => return,
                Ok(deliveries) => {
                    if !self.handle(deliveries, &stop).await {
                        return;
                    }
                }
                Err(cause) => {
                    warn!(self.log, "events cannot be received"; "error" => chain(&cause));
                    tokio::time::sleep(self.limits.first_pause).await;
                }
            }
        }
    }

    /// `false` when it had to stop before everything was handled; the rest comes again.
    async fn handle(&mut self, deliveries: Vec<Delivery>, stop: &CancellationToken) -> bool {
        let mut handled: BTreeMap<i32, Position> = BTreeMap::new();
        let mut repeats = 0_u64;
        let mut complete = true;
        for delivery in &deliveries {
            let Some(outcome) = self.insist(delivery, stop).await else {
                complete = false;
                break;
            };
            handled.insert(delivery.position.partition, delivery.position);
            repeats += u64::from(outcome == Handled::Repeat);
            self.tell(delivery, &outcome);
        }
        if repeats > 0 {
            info!(self.log, "repeated events passed over"; "events" => repeats);
            metrics::counter!("notifier_repeated_events_total").increment(repeats);
        }
        let mut pauses = self.pauses();
        while let Err(error) = self.handler.flush().await {
            warn!(self.log, "handled events are not safe yet"; "error" => chain(&error));
            if !pauses.wait(stop).await {
                return false;
            }
        }
        let positions: Vec<Position> = handled.into_values().collect();
        if let Err(cause) = self.source.commit(&positions).await {
            warn!(self.log, "positions were not committed: events will repeat"; "error" => chain(&cause));
        }
        complete
    }

    /// Tries until it is handled; `None` when it is time to stop.
    async fn insist(&mut self, delivery: &Delivery, stop: &CancellationToken) -> Option<Handled> {
        let mut pauses = self.pauses();
        let mut failures = 0_u64;
        loop {
            match self.handler.run(delivery).await {
                Ok(outcome) => return Some(outcome),
                Err(wait) => {
                    failures += 1;
                    if failures.is_power_of_two() {
                        warn!(self.log, "an event waits"; "position" => %delivery.position, "failures" => failures, "error" => chain(&wait));
                    }
                    if !pauses.wait(stop).await {
                        return None;
                    }
                }
            }
        }
    }

    fn tell(&self, delivery: &Delivery, outcome: &Handled) {
        let position = delivery.position;
        match outcome {
            Handled::Delivered { cannot_follow: None } => {
                metrics::counter!("notifier_handled_events_total").increment(1);
            }
            Handled::Delivered {
                cannot_follow: Some(before),
            } => {
                metrics::counter!("notifier_handled_events_total").increment(1);
                warn!(self.log, "an event cannot follow the one before"; "position" => %position, "before" => %before);
            }
            Handled::Repeat => {}
            Handled::DeadLettered(reason) => {
                metrics::counter!("notifier_dead_letters_total").increment(1);
                error!(self.log, "event sent to the dead letters"; "topic" => "loms.order-events",
                    "partition" => position.partition, "offset" => position.offset, "reason" => reason);
            }
        }
    }

    const fn pauses(&self) -> Pauses {
        Pauses::new(self.limits.first_pause, self.limits.longest_pause)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

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

    /// A place for events that fails, and keeps what it was given.
    #[derive(Debug, Clone, Default)]
    struct Place {
        got: Arc<Mutex<Vec<(i64, OrderStatus)>>>,
        unavailable: Arc<Mutex<u32>>,
        refuse_order: i64,
    }

    impl EventSink for Place {
        async fn deliver(&self, _: Position, event: &Received) -> Result<(), SinkError> {
            if event.order.get() == self.refuse_order {
                return Err(SinkError::Refused("planted".to_owned()));
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

    fn consumer<Src>(source: Src, place: &Place, letters: &Arc<MemoryDeadLetters>) -> Consumer<Src, Place, Letters> {
        let limits = ConsumerLimits {
            batch_max: 4,
            first_pause: Duration::from_millis(1),
            longest_pause: Duration::from_millis(2),
        };
        let handler = HandleEvent::new(place.clone(), Letters(Arc::clone(letters)), 100);
        Consumer {
            source,
            handler,
            limits,
            log: Logger::root(slog::Discard, slog::o!()),
        }
    }

    #[derive(Debug)]
    struct Letters(Arc<MemoryDeadLetters>);
    impl DeadLetters for Letters {
        async fn put(&self, delivery: &Delivery, reason: &str) -> Result<(), Cause> {
            self.0.put(delivery, reason).await
        }
    }

    async fn run_until<Src: EventSource>(consumer: Consumer<Src, Place, Letters>, done: impl Fn() -> bool) {
        let stop = CancellationToken::new();
        let task = tokio::spawn(consumer.run(stop.clone()));
        while !done() {
            tokio::task::yield_now().await;
        }
        stop.cancel();
        task.await.unwrap();
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
        async fn next(&mut self, max: usize) -> Result<Vec<Delivery>, Cause> {
            let mut deliveries = self.0.next(max).await?;
            if !std::mem::replace(&mut self.1, true) {
                deliveries[0].content = Err(Unreadable("planted".to_owned()));
            }
            Ok(deliveries)
        }

        async fn commit(&mut self, handled: &[Position]) -> Result<(), Cause> {
            self.0.commit(handled).await
        }

        fn close(&mut self) {
            self.0.close();
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
}
