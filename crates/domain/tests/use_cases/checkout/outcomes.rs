//! Each answer of LOMS, and each failure of the carts: what the shopper is told and what
//! becomes of cart and frozen checkout.

use std::future::ready;
use std::sync::Arc;

use domain::cart::checkout::{Checkout, CheckoutError};
use domain::cart::ports::{Carts, MockCarts, MockLoms};
use domain::error::{ErrorKind, Kind};
use domain::order::ports::OrderQueries;
use domain::order::status::OrderStatus;
use domain::testing::build::{CountingKeys, ParkedSpawner, lines, order_id, sku, units, user};
use domain::testing::carts_contract::content;
use domain::testing::ledger_contract::stock;
use futures::FutureExt;

use super::{Bench, FILLED, placed, refused, rejected, unavailable, unknown};
use crate::support::{Shop, assert_hides_its_cause, block_on, carts, carts_down};

#[test]
fn what_is_in_the_cart_becomes_an_order_and_leaves_it() {
    let shop = Shop::with(&[(1, 10), (2, 10)]);
    let carts = carts(9);
    for (n, count) in FILLED {
        block_on(carts.add(user(1), sku(n), units(count), 10)).unwrap();
    }
    let checkout = Checkout::new(
        Arc::clone(&carts),
        shop.loms(),
        CountingKeys::default(),
        Arc::new(ParkedSpawner::default()),
        9,
    );
    let order = block_on(checkout.run(user(1), None)).unwrap();
    let read = block_on(shop.ledger.order(order)).unwrap().unwrap();
    assert_eq!(
        (read.user, read.status, read.lines),
        (user(1), OrderStatus::AwaitingPayment, lines(&FILLED))
    );
    assert!(block_on(content(&*carts, 1)).is_empty());
    assert_eq!(carts.count(), 0);
    assert_eq!(
        block_on(checkout.run(user(1), None)).unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[test]
fn too_little_stock_leaves_the_cart_and_is_named() {
    let shop = Shop::with(&[(1, 10), (2, 2)]);
    let carts = carts(9);
    for (n, count) in FILLED {
        block_on(carts.add(user(1), sku(n), units(count), 10)).unwrap();
    }
    let checkout = Checkout::new(
        Arc::clone(&carts),
        shop.loms(),
        CountingKeys::default(),
        Arc::new(ParkedSpawner::default()),
        9,
    );
    let error = block_on(checkout.run(user(1), None)).unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::Refused, "order 1 failed: sku 2: 3 wanted, 2 free")
    );
    assert_eq!(block_on(content(&*carts, 1)), FILLED);
    assert_eq!(block_on(stock(&shop.ledger, 1)), Some((10, 0)));
    block_on(carts.remove(user(1), sku(2))).unwrap();
    assert_eq!(
        block_on(checkout.run(user(1), None)).unwrap(),
        order_id(2),
        "without it the rest can be ordered"
    );
}

#[test]
fn an_empty_cart_is_not_found_and_asks_nobody() {
    let bench = Bench::with([]);
    block_on(bench.carts.clear(user(1))).unwrap();
    let error = bench.run().unwrap_err();
    assert!(matches!(error, CheckoutError::Empty));
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(bench.checkout.in_flight(), 0);
}

#[test]
fn a_definite_refusal_drops_the_frozen_checkout_and_the_next_one_has_a_new_key() {
    let cases = [
        (refused(), ErrorKind::Refused),
        (unavailable(), ErrorKind::Unavailable),
        (rejected(), ErrorKind::Internal),
    ];
    for (answer, kind) in cases {
        let bench = Bench::with([answer, placed(5)]);
        let error = bench.run().unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
        assert_eq!((bench.content(), bench.unresolved()), (FILLED.to_vec(), vec![]));
        bench.add(1, 3, 1);
        assert_eq!(bench.run().unwrap(), order_id(5));
        let [first, second] = &bench.sent()[..] else { panic!() };
        assert_ne!(first.1, second.1, "a new key");
        assert_eq!(
            (&first.0, &second.0),
            (&lines(&FILLED), &lines(&[(1, 2), (2, 3), (3, 1)])),
            "the lines of now"
        );
        assert!(bench.content().is_empty());
    }
}

#[test]
fn an_unknown_outcome_is_told_as_such_and_keeps_everything() {
    let bench = Bench::with([unknown()]);
    let error = bench.run().unwrap_err();
    assert!(matches!(error, CheckoutError::Unknown(_)));
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    assert_eq!((bench.content(), bench.unresolved()), (FILLED.to_vec(), vec![user(1)]));
}

#[test]
fn no_answer_shows_what_is_inside() {
    for answer in [unavailable(), unknown(), rejected()] {
        assert_hides_its_cause(&Bench::with([answer]).run().unwrap_err());
    }
}

#[test]
fn carts_that_fail_before_loms_is_asked_are_unavailable() {
    let mut carts = MockCarts::new();
    carts
        .expect_freeze()
        .times(1)
        .returning(|_, _, _| ready(Err(carts_down())).boxed());
    // A mock of LOMS without expectations: asking it panics.
    let parts = (
        Arc::new(carts),
        Arc::new(MockLoms::new()),
        Arc::new(ParkedSpawner::default()),
    );
    let checkout = Checkout::new(parts.0, parts.1, CountingKeys::default(), parts.2, 9);
    let error = block_on(checkout.run(user(1), None)).unwrap_err();
    assert!(matches!(error, CheckoutError::Carts(_)));
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_hides_its_cause(&error);
    assert_eq!(checkout.in_flight(), 0);
}

#[test]
fn carts_that_fail_to_take_note_do_not_spoil_the_answer_and_the_next_one_makes_it_good() {
    let bench = Bench::with([placed(5), placed(5)]);
    *bench.carts.before_end.lock().unwrap() = Some(ready(Err(carts_down())).boxed());
    assert_eq!(bench.run().unwrap(), order_id(5));
    assert_eq!(bench.content(), FILLED, "not noted");
    assert_eq!(bench.run().unwrap(), order_id(5));
    let sent = bench.sent();
    assert_eq!(sent[0], sent[1], "the same again, so LOMS makes no second order");
    assert!(bench.content().is_empty());
}
