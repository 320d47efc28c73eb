//! Adding an item to a cart.

use std::sync::Arc;

use domain::cart::add_item::{AddItem, AddItemError};
use domain::cart::model::{Added, CartFull};
use domain::cart::ports::{AddError, CartsError, MockCarts, MockLoms, MockProducts, ProductsError};
use domain::error::{ErrorKind, Kind};
use domain::testing::build::{sku, units, user};
use domain::testing::carts_contract::content;
use domain::types::Quantity;
use futures::FutureExt;
use futures::future::{pending, ready};

use crate::support::{Shop, assert_hides_its_cause, block_on, carts, carts_down, loms_down, product, products_down};

/// A catalogue of skus 1 to 999.
fn catalogue() -> MockProducts {
    let mut products = MockProducts::new();
    products
        .expect_product()
        .returning(|sku| ready(Ok((sku.get() < 1000).then(|| product(sku.get(), 5)))).boxed());
    products
}

fn free(units: u32) -> MockLoms {
    let mut loms = MockLoms::new();
    loms.expect_free_stock()
        .returning(move |_| ready(Ok(Some(units))).boxed());
    loms
}

fn failed(carts: &MockCarts, products: &MockProducts, loms: &MockLoms) -> AddItemError {
    block_on(AddItem { carts, products, loms }.run(user(1), sku(1), Quantity::ONE)).unwrap_err()
}

#[test]
fn counts_are_added_up_and_the_first_one_is_told_apart() {
    let shop = Shop::with(&[(1, 10), (2, 10)]);
    let (carts, products, loms) = (carts(9), catalogue(), shop.loms());
    let add = |n, count| {
        block_on(
            AddItem {
                carts: &*carts,
                products: &products,
                loms: &*loms,
            }
            .run(user(1), sku(n), units(count)),
        )
    };
    assert_eq!(add(1, 4).unwrap(), Added::New);
    assert_eq!(add(1, 6).unwrap(), Added::Increased);
    assert_eq!(add(2, 1).unwrap(), Added::New);
    assert_eq!(block_on(content(&*carts, 1)), [(1, 10), (2, 1)]);
}

#[test]
fn what_is_in_the_cart_counts_against_the_stock() {
    let shop = Shop::with(&[(1, 10)]);
    let (carts, products, loms) = (carts(9), catalogue(), shop.loms());
    let add = |count| {
        block_on(
            AddItem {
                carts: &*carts,
                products: &products,
                loms: &*loms,
            }
            .run(user(1), sku(1), units(count)),
        )
    };
    add(7).unwrap();
    let error = add(4).unwrap_err();
    assert!(
        matches!(
            error,
            AddItemError::Full(CartFull::NotEnoughStock {
                wanted: 11,
                free: 10,
                ..
            })
        ),
        "{error}"
    );
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(block_on(content(&*carts, 1)), [(1, 7)]);
    add(3).unwrap();
}

#[test]
fn units_reserved_for_orders_cannot_be_added() {
    let shop = Shop::with(&[(1, 10)]);
    let (carts, products, loms) = (carts(9), catalogue(), shop.loms());
    let draft = domain::testing::build::draft(&[(1, 8)]);
    block_on(domain::order::create::Create { book: &shop.book }.run(draft, None)).unwrap();
    let add = |count| {
        block_on(
            AddItem {
                carts: &*carts,
                products: &products,
                loms: &*loms,
            }
            .run(user(1), sku(1), units(count)),
        )
    };
    assert_eq!(add(3).unwrap_err().kind(), ErrorKind::Refused);
    add(2).unwrap();
}

#[test]
fn a_sku_without_a_stock_record_has_none_free() {
    let shop = Shop::with(&[]);
    let (carts, products, loms) = (carts(9), catalogue(), shop.loms());
    let error = block_on(
        AddItem {
            carts: &*carts,
            products: &products,
            loms: &*loms,
        }
        .run(user(1), sku(1), Quantity::ONE),
    )
    .unwrap_err();
    assert!(matches!(
        error,
        AddItemError::Full(CartFull::NotEnoughStock { wanted: 1, free: 0, .. })
    ));
}

#[test]
fn an_unknown_sku_is_refused_by_its_name() {
    let shop = Shop::with(&[(1000, 10)]);
    let (carts, products, loms) = (carts(9), catalogue(), shop.loms());
    let error = block_on(
        AddItem {
            carts: &*carts,
            products: &products,
            loms: &*loms,
        }
        .run(user(1), sku(1000), Quantity::ONE),
    )
    .unwrap_err();
    assert!(matches!(error, AddItemError::UnknownSku(n) if n == sku(1000)));
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::Refused, "no product has sku 1000")
    );
    assert!(block_on(content(&*carts, 1)).is_empty());
}

#[test]
fn the_bounds_of_a_cart_are_the_callers_mistake() {
    let (carts, products, loms) = (carts(9), catalogue(), free(u32::MAX));
    let add = |n, count| {
        block_on(
            AddItem {
                carts: &*carts,
                products: &products,
                loms: &loms,
            }
            .run(user(1), sku(n), units(count)),
        )
    };
    for n in 1..=500 {
        add(n, 1).unwrap();
    }
    let many = add(501, 1).unwrap_err();
    assert!(matches!(many, AddItemError::Full(CartFull::TooManyLines)));
    let overflow = add(500, u32::MAX).unwrap_err();
    assert!(matches!(overflow, AddItemError::Full(CartFull::CountOverflow(n)) if n == sku(500)));
    assert_eq!([many.kind(), overflow.kind()], [ErrorKind::Invalid; 2]);
}

#[test]
fn one_cart_too_many_is_told_to_come_again() {
    let (carts, products, loms) = (carts(1), catalogue(), free(9));
    let add = |n| {
        block_on(
            AddItem {
                carts: &*carts,
                products: &products,
                loms: &loms,
            }
            .run(user(n), sku(1), Quantity::ONE),
        )
    };
    add(1).unwrap();
    let error = add(2).unwrap_err();
    assert!(matches!(error, AddItemError::Carts(CartsError::TooManyCarts)));
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    add(1).unwrap();
}

#[test]
fn each_failure_of_products_has_its_kind_and_touches_no_cart() {
    let cases: [(fn() -> ProductsError, _); 4] = [
        (products_down, ErrorKind::Unavailable),
        (|| ProductsError::Overloaded(420), ErrorKind::Unavailable),
        (|| ProductsError::Overloaded(429), ErrorKind::Unavailable),
        (|| ProductsError::Unauthorized, ErrorKind::Internal),
    ];
    for (fail, kind) in cases {
        let mut products = MockProducts::new();
        products
            .expect_product()
            .times(1)
            .returning(move |_| ready(Err(fail())).boxed());
        // A mock without expectations: touching the cart panics.
        let error = failed(&MockCarts::new(), &products, &free(9));
        assert_eq!(error.kind(), kind, "{error:?}");
        assert_eq!(error.to_string(), "products are not available; try again later");
    }
}

#[test]
fn failures_of_stock_and_carts_are_unavailable_and_hide_their_cause() {
    let mut loms = MockLoms::new();
    loms.expect_free_stock()
        .times(1)
        .returning(|_| ready(Err(loms_down())).boxed());
    let stock = failed(&MockCarts::new(), &catalogue(), &loms);
    let mut carts = MockCarts::new();
    carts
        .expect_add()
        .times(1)
        .returning(|_, _, _, _| ready(Err(AddError::Carts(carts_down()))).boxed());
    let store = failed(&carts, &catalogue(), &free(9));
    assert!(matches!(
        (&stock, &store),
        (AddItemError::Stock(_), AddItemError::Carts(_))
    ));
    for error in [stock, store] {
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_hides_its_cause(&error);
    }
}

#[test]
fn catalogue_and_stock_are_asked_at_once_and_the_first_failure_ends_it() {
    // LOMS never answers: only asking both at once lets the failure of products through.
    let mut products = MockProducts::new();
    products
        .expect_product()
        .returning(|_| ready(Err(products_down())).boxed());
    let mut loms = MockLoms::new();
    loms.expect_free_stock().returning(|_| pending().boxed());
    assert!(matches!(
        failed(&MockCarts::new(), &products, &loms),
        AddItemError::Products(_)
    ));
    // And the other way round.
    let mut products = MockProducts::new();
    products.expect_product().returning(|_| pending().boxed());
    let mut loms = MockLoms::new();
    loms.expect_free_stock().returning(|_| ready(Err(loms_down())).boxed());
    assert!(matches!(
        failed(&MockCarts::new(), &products, &loms),
        AddItemError::Stock(_)
    ));
}

#[test]
fn what_the_stock_said_is_what_the_cart_is_held_to() {
    let mut carts = MockCarts::new();
    carts
        .expect_add()
        .withf(|user, sku, count, free| (user.get(), sku.get(), count.get(), *free) == (1, 1, 1, 77))
        .times(1)
        .returning(|_, _, _, _| ready(Ok(Added::New)).boxed());
    let (carts, products, loms) = (Arc::new(carts), catalogue(), free(77));
    block_on(
        AddItem {
            carts: &*carts,
            products: &products,
            loms: &loms,
        }
        .run(user(1), sku(1), Quantity::ONE),
    )
    .unwrap();
}
