//! Showing a cart.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use adapters::memory::carts::MemoryCarts;
use domain::cart::ports::{Carts, MockCarts, MockProducts, ProductsError};
use domain::cart::view::{CartView, View, ViewError};
use domain::error::{ErrorKind, Kind};
use domain::testing::build::{sku, units, user};
use futures::FutureExt;
use futures::future::{pending, ready};

use crate::support::{assert_hides_its_cause, block_on, carts, carts_down, product, products_down};

const CONCURRENCY: NonZeroUsize = NonZeroUsize::new(4).unwrap();

fn filled(lines: &[(i64, u32)]) -> Arc<MemoryCarts> {
    let carts = carts(9);
    for (n, count) in lines {
        block_on(carts.add(user(1), sku(*n), units(*count), u32::MAX)).unwrap();
    }
    carts
}

fn view(carts: &impl Carts, products: &MockProducts) -> Result<CartView, ViewError> {
    block_on(
        View {
            carts,
            products,
            concurrency: CONCURRENCY,
        }
        .run(user(1)),
    )
}

/// Every sku costs ten times its number.
fn catalogue() -> MockProducts {
    let mut products = MockProducts::new();
    let price = |n: i64| u32::try_from(n * 10).unwrap();
    products
        .expect_product()
        .returning(move |sku| ready(Ok(Some(product(sku.get(), price(sku.get()))))).boxed());
    products
}

#[test]
fn lines_stand_by_ascending_sku_with_their_total() {
    let seen = view(&*filled(&[(7, 2), (3, 1), (5, 10)]), &catalogue()).unwrap();
    let lines: Vec<_> = seen
        .lines
        .iter()
        .map(|l| {
            (
                l.product.sku.get(),
                l.quantity.get(),
                l.product.price.0,
                &*l.product.name,
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            (3, 1, 30, "product 3"),
            (5, 10, 50, "product 5"),
            (7, 2, 70, "product 7")
        ]
    );
    assert_eq!(seen.total.get(), 30 + 500 + 140);
}

#[test]
fn an_empty_cart_is_not_found() {
    let error = view(&*filled(&[]), &MockProducts::new()).unwrap_err();
    assert!(matches!(error, ViewError::Empty));
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn a_product_that_left_the_catalogue_is_named() {
    let mut products = MockProducts::new();
    products
        .expect_product()
        .returning(|sku| ready(Ok((sku.get() != 5).then(|| product(sku.get(), 1)))).boxed());
    let error = view(&*filled(&[(3, 1), (5, 1), (7, 1)]), &products).unwrap_err();
    assert!(matches!(error, ViewError::Gone(gone) if gone == sku(5)));
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("sku 5"), "{error}");
}

#[test]
fn a_total_over_64_bits_is_refused_and_never_wraps() {
    let mut products = MockProducts::new();
    products
        .expect_product()
        .returning(|sku| ready(Ok(Some(product(sku.get(), u32::MAX)))).boxed());
    let one = view(&*filled(&[(1, u32::MAX)]), &products).unwrap();
    assert_eq!(one.total.get(), 18_446_744_065_119_617_025);
    let error = view(&*filled(&[(1, u32::MAX), (2, u32::MAX)]), &products).unwrap_err();
    assert!(matches!(error, ViewError::TotalOverflow));
    assert_eq!(error.kind(), ErrorKind::Refused);
}

#[test]
fn the_first_failure_is_returned_and_ends_the_others() {
    // Skus 1 and 2 never answer: the failure of 3 must not wait for them.
    let mut products = MockProducts::new();
    products.expect_product().returning(|sku| match sku.get() {
        3 => ready(Err(products_down())).boxed(),
        _ => pending().boxed(),
    });
    let error = view(&*filled(&[(1, 1), (2, 1), (3, 1)]), &products).unwrap_err();
    assert!(matches!(error, ViewError::Products(ProductsError::Unavailable(_))));
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_hides_its_cause(&error);
}

#[test]
fn products_are_asked_concurrently_and_boundedly() {
    let (asked, counted) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut products = MockProducts::new();
    let counter = Arc::clone(&counted);
    products.expect_product().returning(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        pending().boxed()
    });
    let carts = filled(&(1..=20).map(|n| (n, 1)).collect::<Vec<_>>());
    let waiting = View {
        carts: &*carts,
        products: &products,
        concurrency: CONCURRENCY,
    }
    .run(user(1))
    .now_or_never();
    asked.store(counted.load(Ordering::SeqCst), Ordering::SeqCst);
    assert!(waiting.is_none());
    assert_eq!(asked.load(Ordering::SeqCst), 4);
}

#[test]
fn a_refused_key_is_our_mistake_and_overload_is_not() {
    for (fail, kind) in [
        (ProductsError::Unauthorized, ErrorKind::Internal),
        (ProductsError::Overloaded(429), ErrorKind::Unavailable),
    ] {
        let mut products = MockProducts::new();
        products
            .expect_product()
            .returning(move |_| ready(Err(fail.clone())).boxed());
        assert_eq!(view(&*filled(&[(1, 1)]), &products).unwrap_err().kind(), kind);
    }
}

#[test]
fn a_panic_in_one_is_an_internal_error_without_its_message() {
    let mut products = MockProducts::new();
    products
        .expect_product()
        .returning(|_| async { panic!("secret") }.boxed());
    let error = view(&*filled(&[(1, 1)]), &products).unwrap_err();
    assert!(matches!(&error, ViewError::Panicked(message) if message == "secret"));
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::Internal, "internal error")
    );
}

#[test]
fn a_failing_store_is_unavailable() {
    let mut carts = MockCarts::new();
    carts
        .expect_lines()
        .times(1)
        .returning(|_| ready(Err(carts_down())).boxed());
    let error = view(&carts, &MockProducts::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_hides_its_cause(&error);
}
