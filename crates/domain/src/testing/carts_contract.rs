//! The contract of a store of carts: `carts_contract!(name, make)`, where `make` is an async
//! function from the largest number of carts to an empty store.
#![allow(clippy::missing_panics_doc, reason = "an assertion that fails is the point")]

use super::build::{key, order_id, sku, units, user};
use crate::cart::model::{Added, CartFull, FrozenCheckout};
use crate::cart::ports::{AddError, Carts, CartsError, Ended, Freeze};

/// What is in a cart, as pairs of sku and count.
pub async fn content(carts: &impl Carts, n: i64) -> Vec<(i64, u32)> {
    let lines = carts.lines(user(n)).await.expect("the store is there");
    lines
        .into_iter()
        .map(|(sku, quantity)| (sku.get(), quantity.get()))
        .collect()
}

async fn add(carts: &impl Carts, n: i64, s: i64, count: u32) -> Added {
    carts
        .add(user(n), sku(s), units(count), u32::MAX)
        .await
        .expect("there is room")
}

async fn freeze(carts: &impl Carts, fresh: Option<&str>) -> Freeze {
    carts
        .freeze(user(1), None, fresh.map(key))
        .await
        .expect("the store is there")
}

fn new(freeze: Freeze) -> FrozenCheckout {
    match freeze {
        Freeze::New(frozen) => frozen,
        other => panic!("not new: {other:?}"),
    }
}

/// Carts of users are apart; removing and clearing are idempotent.
pub async fn carts_are_apart(carts: impl Carts) {
    assert_eq!(add(&carts, 1, 5, 1).await, Added::New);
    assert_eq!(add(&carts, 1, 5, 2).await, Added::Increased);
    assert_eq!(add(&carts, 2, 4, 1).await, Added::New);
    assert_eq!(add(&carts, 1, 3, 1).await, Added::New);
    assert_eq!(content(&carts, 1).await, [(3, 1), (5, 3)]);
    for _ in 0..2 {
        carts.remove(user(1), sku(5)).await.expect("there");
        carts.clear(user(2)).await.expect("there");
    }
    assert_eq!(
        (content(&carts, 1).await, content(&carts, 2).await),
        (vec![(3, 1)], vec![])
    );
}

/// What is in the cart counts against the stock.
pub async fn stock_bounds_the_cart(carts: impl Carts) {
    carts.add(user(1), sku(1), units(3), 3).await.expect("enough");
    let refused = carts.add(user(1), sku(1), units(1), 3).await;
    assert!(matches!(
        refused,
        Err(AddError::Full(CartFull::NotEnoughStock { wanted: 4, free: 3, .. }))
    ));
    assert_eq!(content(&carts, 1).await, [(1, 3)]);
}

/// The number of carts is bounded; an emptied cart makes room.
pub async fn the_number_of_carts_is_bounded(carts: impl Carts) {
    for n in 1..=3 {
        add(&carts, n, 1, 1).await;
    }
    let refused = carts.add(user(4), sku(1), units(1), 9).await;
    assert!(matches!(refused, Err(AddError::Carts(CartsError::TooManyCarts))));
    assert_eq!(add(&carts, 3, 2, 1).await, Added::New, "a cart that is there can grow");
    carts.clear(user(2)).await.expect("there");
    assert_eq!(add(&carts, 4, 1, 1).await, Added::New);
}

/// A frozen checkout keeps lines and key through every change, and comes first.
pub async fn a_frozen_checkout_stays(carts: impl Carts) {
    assert_eq!(freeze(&carts, Some("a")).await, Freeze::Empty);
    add(&carts, 1, 1, 2).await;
    assert_eq!(
        freeze(&carts, None).await,
        Freeze::Empty,
        "without a fresh key nothing new begins"
    );
    let frozen = new(freeze(&carts, Some("b")).await);
    carts.clear(user(1)).await.expect("there");
    add(&carts, 1, 2, 1).await;
    assert_eq!(freeze(&carts, Some("c")).await, Freeze::Unresolved(frozen.clone()));
    assert_eq!(freeze(&carts, None).await, Freeze::Unresolved(frozen.clone()));
    assert_eq!(carts.unresolved(9).await.expect("there"), [user(1)]);
    carts
        .end(user(1), key("other"), Ended::Dropped, vec![])
        .await
        .expect("there");
    assert_eq!(freeze(&carts, None).await, Freeze::Unresolved(frozen));
    carts
        .end(user(1), key("b"), Ended::Dropped, vec![])
        .await
        .expect("there");
    assert_eq!(content(&carts, 1).await, [(2, 1)]);
    assert!(carts.unresolved(9).await.expect("there").is_empty());
    assert_eq!(new(freeze(&carts, Some("d")).await).key, key("d"));
}

/// Exactly the frozen counts leave, and callers' keys give the order again.
pub async fn a_placed_checkout_takes_its_counts(carts: impl Carts) {
    add(&carts, 1, 1, 2).await;
    let frozen = new(freeze(&carts, Some("a")).await);
    add(&carts, 1, 1, 3).await;
    let callers = vec![key("mine"), key("also-mine")];
    carts
        .end(user(1), frozen.key, Ended::Placed(order_id(7)), callers)
        .await
        .expect("there");
    assert_eq!(content(&carts, 1).await, [(1, 3)]);
    for (n, text, answered) in [
        (1, "mine", true),
        (1, "also-mine", true),
        (1, "other", false),
        (2, "mine", false),
    ] {
        let freeze = carts.freeze(user(n), Some(key(text)), None).await.expect("there");
        assert_eq!(freeze == Freeze::Answered(order_id(7)), answered, "{n} {text}");
    }
}

/// Who asked while the outcome was unknown gets the order of whoever resolves it.
pub async fn an_unknown_outcome_remembers_who_asked(carts: impl Carts) {
    add(&carts, 1, 1, 2).await;
    let frozen = new(freeze(&carts, Some("a")).await);
    carts
        .end(user(1), frozen.key.clone(), Ended::Unknown, vec![key("mine")])
        .await
        .expect("there");
    assert_eq!(freeze(&carts, None).await, Freeze::Unresolved(frozen.clone()));
    carts
        .end(user(1), frozen.key, Ended::Placed(order_id(7)), vec![key("later")])
        .await
        .expect("there");
    for text in ["mine", "later"] {
        let freeze = carts.freeze(user(1), Some(key(text)), None).await.expect("there");
        assert_eq!(freeze, Freeze::Answered(order_id(7)), "{text}");
    }
}

/// The first order of a caller's key stays its answer.
pub async fn an_answer_is_not_replaced(carts: impl Carts) {
    assert_eq!(carts.answered(user(1), key("mine")).await.expect("there"), None);
    for order in [7, 8] {
        carts
            .end(user(1), key("none"), Ended::Placed(order_id(order)), vec![key("mine")])
            .await
            .expect("there");
    }
    assert_eq!(
        carts.answered(user(1), key("mine")).await.expect("there"),
        Some(order_id(7))
    );
    assert_eq!(carts.answered(user(2), key("mine")).await.expect("there"), None);
}

/// Runs the contract of a store of carts over an implementation, a test a rule.
#[macro_export]
macro_rules! carts_contract {
    ($name:ident, $make:expr) => {
        mod $name {
            use super::*;
            use $crate::testing::carts_contract as suite;
            $crate::carts_contract!(@each $make =>
                carts_are_apart
                stock_bounds_the_cart
                the_number_of_carts_is_bounded
                a_frozen_checkout_stays
                a_placed_checkout_takes_its_counts
                an_answer_is_not_replaced
                an_unknown_outcome_remembers_who_asked
            );
        }
    };
    (@each $make:expr => $($rule:ident)+) => {
        $(#[tokio::test]
        async fn $rule() {
            suite::$rule($make(3).await).await;
        })+
    };
}
