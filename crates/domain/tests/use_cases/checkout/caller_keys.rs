//! The idempotency key of a caller: a repeat after a lost answer answers the same order.

use domain::cart::checkout::CheckoutError;
use domain::cart::ports::Carts;
use domain::testing::build::{key, order_id, user};
use futures::future::join_all;

use super::{Bench, FILLED, TestCarts, gated, placed, refused, unknown, waits};
use crate::support::block_on;

#[test]
fn a_repeat_answers_the_same_order_and_leaves_what_is_in_the_cart_now() {
    let bench = Bench::with([placed(5), placed(6)]);
    assert_eq!(bench.run_keyed("mine").unwrap(), order_id(5));
    assert_eq!(bench.run_keyed("mine").unwrap(), order_id(5), "also with an empty cart");
    bench.fill(1);
    assert_eq!(bench.run_keyed("mine").unwrap(), order_id(5));
    assert_eq!((bench.content(), bench.sent().len()), (FILLED.to_vec(), 1));
    assert_eq!(bench.run_keyed("other").unwrap(), order_id(6));
    assert_eq!(bench.run_keyed("mine").unwrap(), order_id(5));
}

#[test]
fn a_key_belongs_to_its_user() {
    let bench = Bench::with([placed(5), placed(6)]);
    bench.fill(2);
    assert_eq!(bench.run_keyed("same").unwrap(), order_id(5));
    assert_eq!(
        block_on(bench.checkout.run(user(2), Some(key("same")))).unwrap(),
        order_id(6)
    );
}

#[test]
fn keys_of_those_who_joined_answer_the_same_order_too() {
    let (open, late) = gated(placed(5));
    let bench = Bench::with([late]);
    block_on(async {
        let mut calls: Vec<_> = [None, Some("a"), Some("b"), None]
            .into_iter()
            .map(|text| bench.call(text))
            .collect();
        for call in &mut calls {
            waits(call).await;
        }
        open.send(()).unwrap();
        assert!(
            join_all(calls)
                .await
                .into_iter()
                .all(|answer| answer.unwrap() == order_id(5))
        );
    });
    bench.fill(1);
    for text in ["a", "b"] {
        assert_eq!(bench.run_keyed(text).unwrap(), order_id(5));
    }
    assert_eq!((bench.content(), bench.sent().len()), (FILLED.to_vec(), 1));
}

#[test]
fn a_key_that_joins_while_the_cart_is_told_is_remembered_too() {
    let bench = Bench::with([placed(5)]);
    let open = TestCarts::hold_up(&bench.carts.before_end);
    block_on(async {
        let mut first = bench.call(Some("first"));
        waits(&mut first).await;
        let mut late = bench.call(Some("late"));
        waits(&mut late).await;
        open.send(()).unwrap();
        assert_eq!([first.await.unwrap(), late.await.unwrap()], [order_id(5); 2]);
    });
    bench.fill(1);
    for text in ["first", "late"] {
        assert_eq!(bench.run_keyed(text).unwrap(), order_id(5));
    }
    assert_eq!(bench.sent().len(), 1);
}

#[test]
fn a_key_answers_although_the_outcome_was_resolved_behind_its_back() {
    let bench = Bench::with([unknown(), placed(5)]);
    assert!(matches!(bench.run_keyed("mine"), Err(CheckoutError::Unknown(_))));
    assert_eq!(bench.resolve().unwrap(), order_id(5));
    assert!(bench.content().is_empty());
    assert_eq!(bench.run_keyed("mine").unwrap(), order_id(5));
    assert!(matches!(bench.run_keyed("other"), Err(CheckoutError::Empty)));
}

#[test]
fn a_repeat_is_answered_although_another_checkout_is_in_flight() {
    let (open, late) = gated(placed(6));
    let bench = Bench::with([placed(5), late]);
    assert_eq!(bench.run_keyed("mine").unwrap(), order_id(5));
    bench.fill(1);
    block_on(async {
        let mut another = bench.call(Some("another"));
        waits(&mut another).await;
        assert_eq!(bench.call(Some("mine")).await.unwrap(), order_id(5));
        open.send(()).unwrap();
        assert_eq!(another.await.unwrap(), order_id(6));
    });
    assert_eq!(bench.run_keyed("mine").unwrap(), order_id(5), "and it stays its order");
    assert_eq!(bench.run_keyed("another").unwrap(), order_id(6));
}

/// The key was looked up in vain, then answered, and its caller joins what is in flight by then.
#[test]
fn a_repeat_that_overtook_its_answer_still_gets_it() {
    let (open, late) = gated(placed(6));
    let bench = Bench::with([placed(5), late]);
    block_on(async {
        let go_on = TestCarts::hold_up(&bench.carts.after_answered);
        let mut repeat = bench.call(Some("mine"));
        waits(&mut repeat).await;
        assert_eq!(bench.call(Some("mine")).await.unwrap(), order_id(5));
        bench.fill(1);
        let mut another = bench.call(None);
        waits(&mut another).await;
        go_on.send(()).unwrap();
        waits(&mut repeat).await;
        open.send(()).unwrap();
        assert_eq!(
            [another.await.unwrap(), repeat.await.unwrap()],
            [order_id(6), order_id(5)]
        );
    });
    assert_eq!(bench.run_keyed("mine").unwrap(), order_id(5));
}

#[test]
fn a_refusal_is_not_remembered() {
    let bench = Bench::with([refused(), placed(5)]);
    assert!(matches!(bench.run_keyed("mine"), Err(CheckoutError::Refused(_))));
    assert_eq!(bench.run_keyed("mine").unwrap(), order_id(5));
}

#[test]
fn different_keys_that_wait_for_one_flight_are_bounded_and_the_same_one_is_not() {
    let (open, late) = gated(placed(5));
    let bench = Bench::with([late]);
    block_on(async {
        let mut calls: Vec<_> = (0..64).map(|n| bench.call(Some(&format!("key-{n}")))).collect();
        calls.extend((0..64).map(|_| bench.call(Some("key-0"))));
        calls.push(bench.call(None));
        for call in &mut calls {
            waits(call).await;
        }
        let refused = bench.call(Some("one-too-many")).await;
        assert!(matches!(refused, Err(CheckoutError::Unavailable(None))), "{refused:?}");
        open.send(()).unwrap();
        assert!(
            join_all(calls)
                .await
                .into_iter()
                .all(|answer| answer.unwrap() == order_id(5))
        );
    });
    assert_eq!(bench.run_keyed("key-63").unwrap(), order_id(5));
    assert_eq!(bench.sent().len(), 1);
    assert_eq!(block_on(bench.carts.unresolved(9)).unwrap(), []);
}
