//! Handling one delivery of the event stream.

use std::sync::{Arc, Mutex};

use crate::support::block_on;
use adapters::memory::stream::MemoryDeadLetters;
use domain::notify::handle::{HandleEvent, Handled};
use domain::notify::ports::{
    DeadLetters, Delivery, MockDeadLetters, MockEventSink, Position, Received, SinkError, Unreadable,
};
use domain::order::status::OrderStatus::{self, AwaitingPayment, Cancelled, New, Payed};
use domain::testing::build::order_id;
use domain::testing::faults::planted;
use domain::testing::ledger_contract::now;
use futures::FutureExt;
use futures::future::ready;

/// An event of an order; its id is unique by `offset`.
fn event(offset: i64, order: i64, status: OrderStatus) -> Delivery {
    let event_id = format!("e{offset}").into();
    let received = Received {
        event_id,
        order: order_id(order),
        status,
        moment: now(),
        trace: None,
    };
    Delivery {
        position: Position { partition: 0, offset },
        content: Ok(received),
        key: None,
        value: None,
        headers: std::collections::BTreeMap::new(),
    }
}

fn garbage(offset: i64) -> Delivery {
    Delivery {
        content: Err(Unreadable("no JSON".to_owned())),
        ..event(offset, 1, New)
    }
}

/// A sink that answers what it is told, one answer a call, and then takes everything.
fn sink(answers: Vec<Result<(), SinkError>>) -> (MockEventSink, Arc<Mutex<Vec<i64>>>) {
    let delivered = Arc::new(Mutex::new(Vec::new()));
    let (seen, answers) = (Arc::clone(&delivered), Mutex::new(answers.into_iter()));
    let mut sink = MockEventSink::new();
    sink.expect_deliver().returning(move |position, _| {
        let answer = answers.lock().unwrap().next().unwrap_or(Ok(()));
        if answer.is_ok() {
            seen.lock().unwrap().push(position.offset);
        }
        ready(answer).boxed()
    });
    (sink, delivered)
}

/// Dead letters that a test can look into after the handler took them over.
struct Letters(Arc<MemoryDeadLetters>);

impl DeadLetters for Letters {
    async fn put(&self, delivery: &Delivery, reason: &str) -> Result<(), domain::error::Cause> {
        self.0.put(delivery, reason).await
    }
}

fn letters(max: usize) -> (Letters, Arc<MemoryDeadLetters>) {
    let letters = Arc::new(MemoryDeadLetters::new(max));
    (Letters(Arc::clone(&letters)), letters)
}

const FINE: Handled = Handled::Delivered { cannot_follow: None };

#[test]
fn events_go_to_the_sink_in_order_and_repeats_are_passed_over() {
    let (sink, delivered) = sink(vec![]);
    let mut handle = HandleEvent::new(sink, MockDeadLetters::new(), 10);
    let mut run = |delivery: &Delivery| block_on(handle.run(delivery)).unwrap();
    assert_eq!(run(&event(0, 1, New)), FINE);
    assert_eq!(run(&event(1, 1, AwaitingPayment)), FINE);
    assert_eq!(run(&event(0, 1, New)), Handled::Repeat);
    assert_eq!(run(&event(1, 1, AwaitingPayment)), Handled::Repeat);
    assert_eq!(run(&event(2, 1, Payed)), FINE);
    assert_eq!(*delivered.lock().unwrap(), [0, 1, 2]);
}

#[test]
fn the_memory_of_repeats_is_bounded() {
    let (sink, delivered) = sink(vec![]);
    let mut handle = HandleEvent::new(sink, MockDeadLetters::new(), 2);
    let mut run = |offset| block_on(handle.run(&event(offset, offset + 1, New))).unwrap();
    for offset in [0, 1, 2] {
        assert_eq!(run(offset), FINE);
    }
    assert_eq!(run(1), Handled::Repeat);
    assert_eq!(run(2), Handled::Repeat);
    assert_eq!(run(0), FINE, "the oldest is forgotten");
    assert_eq!(*delivered.lock().unwrap(), [0, 1, 2, 0]);
}

#[test]
fn an_event_that_cannot_follow_is_delivered_and_told() {
    let (sink, delivered) = sink(vec![]);
    let mut handle = HandleEvent::new(sink, MockDeadLetters::new(), 10);
    let mut run = |offset, order, status| block_on(handle.run(&event(offset, order, status))).unwrap();
    assert_eq!(run(0, 1, New), FINE);
    assert_eq!(
        run(1, 1, Payed),
        Handled::Delivered {
            cannot_follow: Some(New)
        }
    );
    assert_eq!(
        run(2, 1, Cancelled),
        Handled::Delivered {
            cannot_follow: Some(Payed)
        }
    );
    assert_eq!(run(3, 2, Payed), FINE, "of an order that began before our time");
    assert_eq!(*delivered.lock().unwrap(), [0, 1, 2, 3]);
}

#[test]
fn what_is_no_event_or_is_refused_becomes_a_dead_letter_and_stops_nobody() {
    let (sink, delivered) = sink(vec![Err(SinkError::Refused("too old".to_owned()))]);
    let (store, letters) = letters(9);
    let mut handle = HandleEvent::new(sink, store, 10);
    let mut run = |delivery: &Delivery| block_on(handle.run(delivery)).unwrap();
    let unreadable = "not an order event: no JSON".to_owned();
    assert_eq!(run(&garbage(0)), Handled::DeadLettered(unreadable.clone()));
    assert_eq!(run(&event(1, 1, New)), Handled::DeadLettered("too old".to_owned()));
    assert_eq!(run(&event(2, 2, New)), FINE);
    let kept: Vec<_> = letters
        .letters()
        .into_iter()
        .map(|letter| (letter.delivery, letter.reason))
        .collect();
    assert_eq!(
        kept,
        [(garbage(0), unreadable), (event(1, 1, New), "too old".to_owned())]
    );
    assert_eq!(*delivered.lock().unwrap(), [2]);
}

#[test]
fn while_the_sink_does_not_answer_the_event_waits_and_is_no_repeat() {
    let (sink, delivered) = sink(vec![
        Err(SinkError::Unavailable(planted())),
        Err(SinkError::Unavailable(planted())),
    ]);
    let mut handle = HandleEvent::new(sink, MockDeadLetters::new(), 10);
    for _ in 0..2 {
        block_on(handle.run(&event(0, 1, New))).unwrap_err();
    }
    assert_eq!(block_on(handle.run(&event(0, 1, New))).unwrap(), FINE);
    assert_eq!(*delivered.lock().unwrap(), [0]);
}

#[test]
fn while_the_dead_letters_take_nothing_the_delivery_waits() {
    let (store, letters) = letters(1);
    let (sink, _) = sink(vec![]);
    let mut handle = HandleEvent::new(sink, store, 10);
    block_on(handle.run(&garbage(0))).unwrap();
    let waits = block_on(handle.run(&garbage(1))).unwrap_err();
    assert!(std::error::Error::source(&waits).is_some(), "the log must learn why");
    assert_eq!(letters.letters().len(), 1);
}

#[test]
fn flushing_passes_the_failure_of_the_sink_on() {
    let mut sink = MockEventSink::new();
    let mut answers = vec![Err(SinkError::Unavailable(planted())), Ok(())].into_iter();
    sink.expect_flush()
        .times(2)
        .returning(move || ready(answers.next().unwrap()).boxed());
    let handle = HandleEvent::new(sink, MockDeadLetters::new(), 10);
    block_on(handle.flush()).unwrap_err();
    block_on(handle.flush()).unwrap();
}
