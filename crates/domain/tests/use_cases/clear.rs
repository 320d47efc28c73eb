//! Emptying a cart.

use domain::cart::clear::Clear;
use domain::cart::ports::{Carts, Freeze, MockCarts};
use domain::error::{ErrorKind, Kind};
use domain::testing::build::{key, sku, units, user};
use domain::testing::carts_contract::content;
use futures::FutureExt;
use futures::future::ready;

use crate::support::{assert_hides_its_cause, block_on, carts, carts_down};

#[test]
fn everything_of_the_user_goes_and_an_empty_cart_is_emptied_too() {
    let carts = carts(9);
    for (n, s) in [(1, 1), (1, 2), (2, 1)] {
        block_on(carts.add(user(n), sku(s), units(5), 9)).unwrap();
    }
    for _ in 0..2 {
        block_on(Clear { carts: &*carts }.run(user(1))).unwrap();
        assert!(block_on(content(&*carts, 1)).is_empty());
    }
    assert_eq!(block_on(content(&*carts, 2)), [(1, 5)]);
    assert_eq!(carts.count(), 1);
}

#[test]
fn a_checkout_whose_outcome_is_unknown_outlives_it() {
    let carts = carts(9);
    block_on(carts.add(user(1), sku(1), units(5), 9)).unwrap();
    let Ok(Freeze::New(frozen)) = block_on(carts.freeze(user(1), None, Some(key("a")))) else {
        panic!()
    };
    block_on(Clear { carts: &*carts }.run(user(1))).unwrap();
    assert_eq!(
        block_on(carts.freeze(user(1), None, None)).unwrap(),
        Freeze::Unresolved(frozen)
    );
}

#[test]
fn a_failing_store_is_unavailable() {
    let mut carts = MockCarts::new();
    carts
        .expect_clear()
        .times(1)
        .returning(|_| ready(Err(carts_down())).boxed());
    let error = block_on(Clear { carts: &carts }.run(user(1))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_hides_its_cause(&error);
}
