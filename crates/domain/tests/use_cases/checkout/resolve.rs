//! Resolving an unknown outcome in the background: it ends what is there and begins nothing.

use domain::cart::checkout::CheckoutError;
use domain::cart::ports::Carts;
use domain::error::{ErrorKind, Kind};
use domain::testing::build::{order_id, user};
use futures::FutureExt;

use super::{Bench, FILLED, TestCarts, gated, placed, refused, unavailable, unknown, waits};
use crate::support::block_on;

#[test]
fn nothing_new_begins() {
    let bench = Bench::with([]);
    assert!(matches!(bench.resolve(), Err(CheckoutError::Empty)));
    assert_eq!((bench.content(), bench.unresolved()), (FILLED.to_vec(), vec![]));
    assert!(bench.sent().is_empty());
}

#[test]
fn an_unknown_outcome_is_resolved_under_its_key() {
    let bench = Bench::with([unknown(), unknown(), placed(5)]);
    bench.run().unwrap_err();
    bench.add(1, 9, 1);
    assert_eq!(bench.resolve().unwrap_err().kind(), ErrorKind::OutcomeUnknown);
    assert_eq!(bench.unresolved(), [user(1)]);
    assert_eq!(bench.resolve().unwrap(), order_id(5));
    assert!(bench.sent().iter().all(|call| *call == bench.sent()[0]));
    assert_eq!((bench.content(), bench.unresolved()), (vec![(9, 1)], vec![]));
    assert!(matches!(bench.resolve(), Err(CheckoutError::Empty)));
}

#[test]
fn a_refusal_resolves_it_and_unavailable_does_not() {
    let bench = Bench::with([unknown(), unavailable(), refused()]);
    bench.run().unwrap_err();
    assert!(matches!(bench.resolve(), Err(CheckoutError::Unknown(_))));
    assert!(matches!(bench.resolve(), Err(CheckoutError::Refused(_))));
    assert_eq!((bench.content(), bench.unresolved()), (FILLED.to_vec(), vec![]));
}

#[test]
fn a_shopper_who_joined_a_flight_with_nothing_to_resolve_still_gets_a_checkout() {
    for caller_key in [None, Some("mine")] {
        let bench = Bench::with([placed(5)]);
        let open = TestCarts::hold_up(&bench.carts.before_freeze);
        block_on(async {
            let checkout = bench.checkout.clone();
            let mut background = async move { checkout.resolve(user(1)).await }.boxed();
            waits(&mut background).await;
            let mut shopper = bench.call(caller_key);
            waits(&mut shopper).await;
            assert_eq!(bench.checkout.in_flight(), 1);
            open.send(()).unwrap();
            assert!(matches!(background.await, Err(CheckoutError::Empty)));
            assert_eq!(shopper.await.unwrap(), order_id(5));
        });
        assert!(bench.content().is_empty());
        assert_eq!(bench.run_keyed("mine").is_ok(), caller_key.is_some());
        assert_eq!(bench.sent().len(), 1);
    }
}

#[test]
fn a_shopper_who_joined_a_flight_that_resolves_gets_that_order() {
    let (open, late) = gated(placed(5));
    let bench = Bench::with([unknown(), late]);
    bench.run().unwrap_err();
    block_on(async {
        let checkout = bench.checkout.clone();
        let mut background = async move { checkout.resolve(user(1)).await }.boxed();
        waits(&mut background).await;
        let mut shopper = bench.call(Some("mine"));
        waits(&mut shopper).await;
        open.send(()).unwrap();
        assert_eq!([shopper.await.unwrap(), background.await.unwrap()], [order_id(5); 2]);
    });
    bench.fill(1);
    assert_eq!(bench.run_keyed("mine").unwrap(), order_id(5));
    assert_eq!(bench.sent().len(), 2);
}

#[test]
fn the_background_joins_a_shoppers_flight() {
    let (open, late) = gated(placed(5));
    let bench = Bench::with([late]);
    block_on(async {
        let mut shopper = bench.call(None);
        waits(&mut shopper).await;
        let checkout = bench.checkout.clone();
        let mut background = async move { checkout.resolve(user(1)).await }.boxed();
        waits(&mut background).await;
        open.send(()).unwrap();
        assert_eq!([shopper.await.unwrap(), background.await.unwrap()], [order_id(5); 2]);
    });
    assert_eq!(bench.sent().len(), 1);
    assert!(block_on(bench.carts.unresolved(9)).unwrap().is_empty());
}
