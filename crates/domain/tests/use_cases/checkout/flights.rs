//! One checkout is in flight a user, flights are bounded, and each runs to its end.

use std::sync::Arc;

use domain::cart::checkout::{Checkout, CheckoutError};
use domain::cart::ports::{Carts, MockKeys, MockLoms};
use domain::error::{ErrorKind, Kind};
use domain::testing::build::{ParkedSpawner, key, order_id, sku, user};
use futures::FutureExt;
use futures::future::join_all;

use super::{Bench, FILLED, TestCarts, gated, panics, placed, refused, unavailable, unknown, waits};
use crate::support::block_on;

#[test]
fn who_comes_meanwhile_gets_the_same_answer_and_loms_is_asked_once() {
    for (answer, order) in [
        (placed(5), Some(order_id(5))),
        (refused(), None),
        (unavailable(), None),
        (unknown(), None),
    ] {
        let (open, late) = gated(answer);
        let bench = Bench::with([late]);
        let answers = block_on(async {
            let mut first = bench.call(None);
            waits(&mut first).await;
            let mut others: Vec<_> = (0..7).map(|_| bench.call(None)).collect();
            for other in &mut others {
                waits(other).await;
            }
            assert_eq!(bench.checkout.in_flight(), 1);
            open.send(()).unwrap();
            join_all(others.into_iter().chain([first])).await
        });
        assert_eq!(answers.len(), 8);
        let expected = answers[7].as_ref().map_err(Kind::kind);
        assert!(
            answers
                .iter()
                .all(|answer| answer.as_ref().map_err(Kind::kind) == expected)
        );
        assert_eq!(expected.ok().copied(), order);
        assert_eq!((bench.sent().len(), bench.checkout.in_flight()), (1, 0));
    }
}

#[test]
fn users_do_not_wait_for_each_other() {
    let (open, late) = gated(placed(5));
    let bench = Bench::with([late, placed(6)]);
    bench.fill(2);
    block_on(async {
        let mut first = bench.call(None);
        waits(&mut first).await;
        assert_eq!(bench.checkout.run(user(2), None).await.unwrap(), order_id(6));
        open.send(()).unwrap();
        assert_eq!(first.await.unwrap(), order_id(5));
    });
}

#[test]
fn what_is_added_meanwhile_stays_and_what_is_removed_does_not_matter() {
    let (open, late) = gated(placed(5));
    let bench = Bench::with([late]);
    block_on(async {
        let mut call = bench.call(None);
        waits(&mut call).await;
        bench
            .carts
            .add(user(1), sku(1), domain::testing::build::units(4), 99)
            .await
            .unwrap();
        bench
            .carts
            .add(user(1), sku(8), domain::testing::build::units(1), 99)
            .await
            .unwrap();
        bench.carts.remove(user(1), sku(2)).await.unwrap();
        open.send(()).unwrap();
        call.await.unwrap();
    });
    assert_eq!(bench.content(), [(1, 4), (8, 1)]);
}

#[test]
fn it_runs_to_its_end_although_its_caller_is_gone() {
    let (open, late) = gated(placed(5));
    let bench = Bench::with([late]);
    block_on(async {
        let mut call = bench.call(None);
        waits(&mut call).await;
    });
    assert_eq!(
        (bench.content(), bench.checkout.in_flight()),
        (FILLED.to_vec(), 1),
        "the caller is gone, the flight is not"
    );
    open.send(()).unwrap();
    let flights = bench.spawner.take();
    assert_eq!(flights.len(), 1, "one flight, one task");
    block_on(join_all(flights));
    assert!(bench.content().is_empty());
    assert_eq!((bench.sent().len(), bench.checkout.in_flight()), (1, 0));
}

#[test]
fn it_runs_although_its_caller_went_away_before_anything_was_frozen() {
    let bench = Bench::with([placed(5)]);
    let open = TestCarts::hold_up(&bench.carts.before_freeze);
    assert!(bench.call(None).now_or_never().is_none());
    assert_eq!((bench.unresolved(), bench.checkout.in_flight()), (vec![], 1));
    drop(open);
    block_on(join_all(bench.spawner.take()));
    assert!(bench.content().is_empty());
}

#[test]
fn a_caller_who_went_away_while_its_key_was_looked_up_began_nothing() {
    let bench = Bench::with([]);
    let _open = TestCarts::hold_up(&bench.carts.after_answered);
    assert!(bench.call(Some("mine")).now_or_never().is_none());
    assert_eq!((bench.spawner.take().len(), bench.checkout.in_flight()), (0, 0));
}

#[test]
fn who_joins_a_flight_whose_caller_is_gone_gets_its_answer() {
    let (open, late) = gated(placed(5));
    let bench = Bench::with([late]);
    block_on(async {
        let mut call = bench.call(None);
        waits(&mut call).await;
        drop(call);
        let mut second = bench.call(None);
        waits(&mut second).await;
        open.send(()).unwrap();
        assert_eq!(second.await.unwrap(), order_id(5));
    });
    assert_eq!(bench.sent().len(), 1);
}

#[test]
fn a_panic_is_told_to_all_and_the_next_one_resolves_it() {
    let (open, late) = gated(panics());
    let bench = Bench::with([late, placed(5)]);
    let answers = block_on(async {
        let (mut first, mut second) = (bench.call(None), bench.call(None));
        waits(&mut first).await;
        waits(&mut second).await;
        open.send(()).unwrap();
        [first.await, second.await]
    });
    for answer in answers {
        let error = answer.unwrap_err();
        assert!(matches!(error, CheckoutError::Panicked));
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::Internal, "internal error")
        );
    }
    assert_eq!(
        (bench.checkout.in_flight(), bench.unresolved()),
        (0, vec![user(1)]),
        "LOMS may have it"
    );
    assert_eq!(bench.run().unwrap(), order_id(5));
    assert_eq!(bench.sent()[0], bench.sent()[1]);
    assert!(bench.content().is_empty());
}

#[test]
fn a_panic_before_anything_was_frozen_leaves_nothing_behind() {
    let bench = Bench::with([]);
    let mut keys = MockKeys::new();
    keys.expect_fresh().times(1).returning(|| panic!("no randomness"));
    keys.expect_fresh().returning(|| key("k"));
    let mut loms = MockLoms::new();
    loms.expect_create().times(1).returning(|_, _, _| placed(5));
    let checkout = Checkout::new(
        Arc::clone(&bench.carts),
        Arc::new(loms),
        keys,
        Arc::new(ParkedSpawner::default()),
        9,
    );
    assert!(matches!(
        block_on(checkout.run(user(1), None)),
        Err(CheckoutError::Panicked)
    ));
    assert!(bench.unresolved().is_empty());
    assert_eq!(block_on(checkout.run(user(1), None)).unwrap(), order_id(5));
}

#[test]
fn a_panic_of_the_carts_at_the_end_spoils_neither_the_answer_nor_the_next_one() {
    let bench = Bench::with([placed(5), placed(5)]);
    *bench.carts.before_end.lock().unwrap() = Some(async { panic!("carts panicked") }.boxed());
    assert_eq!(bench.run().unwrap(), order_id(5));
    assert_eq!(bench.checkout.in_flight(), 0);
    assert_eq!(bench.run().unwrap(), order_id(5));
    assert_eq!(bench.sent()[0], bench.sent()[1]);
    assert!(bench.content().is_empty());
}

#[test]
fn flights_are_bounded_but_joining_one_is_not_a_new_one() {
    let (open, late) = gated(placed(5));
    let bench = Bench::bounded([late, placed(6)], 1);
    bench.fill(2);
    block_on(async {
        let mut first = bench.call(None);
        waits(&mut first).await;
        let error = bench.checkout.run(user(2), None).await.unwrap_err();
        assert!(matches!(error, CheckoutError::Unavailable(None)));
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let mut joined = bench.call(None);
        waits(&mut joined).await;
        open.send(()).unwrap();
        assert_eq!([first.await.unwrap(), joined.await.unwrap()], [order_id(5); 2]);
        assert_eq!(
            bench.checkout.run(user(2), None).await.unwrap(),
            order_id(6),
            "there is room again"
        );
    });
}

/// A checkout that begins while another one is about to be dropped would send its key again,
/// and the order it makes would not leave the cart.
#[test]
fn the_cart_is_told_before_the_next_flight_can_begin() {
    let bench = Bench::with([unavailable(), placed(5)]);
    let open = TestCarts::hold_up(&bench.carts.before_end);
    block_on(async {
        let mut first = bench.call(None);
        waits(&mut first).await;
        let mut second = bench.call(None);
        waits(&mut second).await;
        open.send(()).unwrap();
        for answer in [first.await, second.await] {
            assert!(matches!(answer, Err(CheckoutError::Unavailable(_))), "{answer:?}");
        }
        assert_eq!(bench.call(None).await.unwrap(), order_id(5));
    });
    assert!(bench.content().is_empty(), "what was ordered has left the cart");
    assert_ne!(bench.sent()[0].1, bench.sent()[1].1);
}
