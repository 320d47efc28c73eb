//! The contract of the catalogue: `products_contract!(name, make)`, where `make` is an async
//! function from products (sku, name, price) to a way to a catalogue of them.
#![allow(clippy::missing_panics_doc, reason = "an assertion that fails is the point")]

use super::build::sku;
use crate::cart::ports::Products;
use crate::types::Price;

/// The products of the catalogue.
pub const CATALOGUE: &[(i64, &str, u32)] = &[
    (1, "Apple", 50),
    (7, "Crème brûlée \"maison\"", u32::MAX),
    (i64::MAX, "Last", 0),
];

/// A product is told as it is, whoever asks how often.
pub async fn products_are_told_as_they_are(products: impl Products) {
    for _ in 0..2 {
        for (number, name, price) in CATALOGUE {
            let product = products
                .product(sku(*number))
                .await
                .expect("there")
                .expect("in the catalogue");
            assert_eq!(
                (product.sku, &*product.name, product.price),
                (sku(*number), *name, Price(*price))
            );
        }
    }
}

/// An unknown sku is no error.
pub async fn an_unknown_sku_is_none(products: impl Products) {
    for _ in 0..2 {
        assert_eq!(products.product(sku(2)).await.expect("there"), None);
    }
}

/// Runs the contract of the catalogue over a way to it, a test a rule.
#[macro_export]
macro_rules! products_contract {
    ($name:ident, $make:expr) => {
        mod $name {
            use super::*;
            use $crate::testing::products_contract as suite;
            $crate::products_contract!(@each $make => products_are_told_as_they_are an_unknown_sku_is_none);
        }
    };
    (@each $make:expr => $($rule:ident)+) => {
        $(#[tokio::test]
        async fn $rule() {
            suite::$rule($make(suite::CATALOGUE).await).await;
        })+
    };
}
