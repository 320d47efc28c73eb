//! The contract of LOMS as the cart sees it: `loms_contract!(name, make)`, where `make` is an
//! async function from stock (pairs of sku and units) to a way to a fresh LOMS.
#![allow(clippy::missing_panics_doc, reason = "an assertion that fails is the point")]

use super::build::{key, lines, sku, user};
use crate::cart::ports::{Loms, LomsError};

/// Free stock is what was not reserved; a sku without a record is unknown.
pub async fn free_stock_is_what_is_not_reserved(loms: impl Loms) {
    assert_eq!(loms.free_stock(sku(1)).await.expect("there"), Some(10));
    assert_eq!(loms.free_stock(sku(99)).await.expect("there"), None);
    loms.create(user(1), lines(&[(1, 3), (2, 1)]), key("a"))
        .await
        .expect("enough");
    assert_eq!(loms.free_stock(sku(1)).await.expect("there"), Some(7));
}

/// The same key and lines give the same answer, and other lines are a mistake of ours.
pub async fn a_key_makes_one_order(loms: impl Loms) {
    let first = loms.create(user(1), lines(&[(1, 3)]), key("a")).await.expect("enough");
    assert_eq!(
        loms.create(user(1), lines(&[(1, 3)]), key("a")).await.expect("known"),
        first
    );
    assert_ne!(
        loms.create(user(2), lines(&[(1, 3)]), key("a"))
            .await
            .expect("another user's"),
        first
    );
    let reused = loms.create(user(1), lines(&[(1, 4)]), key("a")).await;
    assert!(matches!(reused, Err(LomsError::Rejected(_))), "{reused:?}");
    assert_eq!(loms.free_stock(sku(1)).await.expect("there"), Some(4));
}

/// A refusal names order, sku, wanted and free, reserves nothing, and stays the same.
pub async fn a_refusal_says_why_and_is_remembered(loms: impl Loms) {
    let ask = || loms.create(user(1), lines(&[(1, 3), (2, 11)]), key("a"));
    let Err(LomsError::Refused(message)) = ask().await else {
        panic!("not refused")
    };
    for part in ["order ", "sku 2", "11 wanted", "10 free"] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(loms.free_stock(sku(1)).await.expect("there"), Some(10));
    let again = ask().await;
    assert!(
        matches!(&again, Err(LomsError::Refused(same)) if *same == message),
        "{again:?}"
    );
}

/// Runs the contract of LOMS over a way to it, a test a rule.
#[macro_export]
macro_rules! loms_contract {
    ($name:ident, $make:expr) => {
        mod $name {
            use super::*;
            use $crate::testing::loms_contract as suite;
            $crate::loms_contract!(@each $make =>
                free_stock_is_what_is_not_reserved
                a_key_makes_one_order
                a_refusal_says_why_and_is_remembered
            );
        }
    };
    (@each $make:expr => $($rule:ident)+) => {
        $(#[tokio::test]
        async fn $rule() {
            suite::$rule($make(&[(1, 10), (2, 10)]).await).await;
        })+
    };
}
