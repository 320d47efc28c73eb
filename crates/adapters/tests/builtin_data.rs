//! The built-in catalogue and the built-in stock belong together.
#![cfg(all(feature = "loms", feature = "products"))]

use adapters::memory::stock_file;
use adapters::products::catalogue::Catalogue;

#[test]
fn every_product_has_stock_and_little_of_it_is_scarce() {
    let catalogue = Catalogue::builtin().unwrap();
    let stock = stock_file::builtin().unwrap();
    let products: Vec<_> = catalogue
        .list(0, usize::MAX)
        .iter()
        .map(|product| product.sku)
        .collect();
    let stocked: Vec<_> = stock.iter().map(|record| record.sku).collect();
    assert_eq!(stocked, products);
    let free: Vec<u32> = stock.iter().map(|record| record.stock.free()).collect();
    assert_eq!(free.iter().filter(|free| **free == 0).count(), 1, "one is sold out");
    let scarce = free.iter().filter(|free| (1..20).contains(*free)).count();
    assert!((3..=20).contains(&scarce), "{scarce} are scarce");
    assert!(
        free[..2].iter().all(|free| *free >= 200),
        "examples in the documents buy the first two"
    );
}
