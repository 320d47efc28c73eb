//! Taking an item out of a cart.

use domain::cart::ports::{Carts, MockCarts};
use domain::cart::remove_item::RemoveItem;
use domain::error::{ErrorKind, Kind};
use domain::testing::build::{sku, units, user};
use domain::testing::carts_contract::content;
use futures::FutureExt;
use futures::future::ready;

use crate::support::{assert_hides_its_cause, block_on, carts, carts_down};

#[test]
fn all_units_go_and_only_those_of_the_sku_and_user() {
    let carts = carts(9);
    for (n, s) in [(1, 1), (1, 2), (2, 1)] {
        block_on(carts.add(user(n), sku(s), units(5), 9)).unwrap();
    }
    block_on(RemoveItem { carts: &*carts }.run(user(1), sku(1))).unwrap();
    assert_eq!(block_on(content(&*carts, 1)), [(2, 5)]);
    assert_eq!(block_on(content(&*carts, 2)), [(1, 5)]);
}

#[test]
fn what_is_not_there_can_be_removed_again_and_again() {
    let carts = carts(9);
    block_on(carts.add(user(1), sku(1), units(5), 9)).unwrap();
    for (n, s) in [(1, 7), (1, 1), (1, 1), (2, 1)] {
        block_on(RemoveItem { carts: &*carts }.run(user(n), sku(s))).unwrap();
    }
    assert_eq!(carts.count(), 0, "an empty cart is not kept");
}

#[test]
fn a_failing_store_is_unavailable() {
    let mut carts = MockCarts::new();
    carts
        .expect_remove()
        .times(1)
        .returning(|_, _| ready(Err(carts_down())).boxed());
    let error = block_on(RemoveItem { carts: &carts }.run(user(1), sku(1))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_hides_its_cause(&error);
}
