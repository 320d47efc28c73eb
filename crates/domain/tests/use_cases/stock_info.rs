//! Telling what can be bought.

use domain::error::{ErrorKind, Kind};
use domain::order::cancel::Cancel;
use domain::order::create::Create;
use domain::order::pay::Pay;
use domain::stock::info::StockInfo;
use domain::stock::ports::MockStockQueries;
use domain::testing::build::{draft, sku};
use futures::FutureExt;
use futures::future::ready;

use crate::support::{Shop, assert_hides_its_cause, block_on, query_failed};

#[test]
fn free_units_follow_the_orders() {
    let shop = Shop::with(&[(1, 10)]);
    let free = || block_on(StockInfo { stock: &*shop.ledger }.run(sku(1))).unwrap();
    let create = |count| block_on(Create { book: &shop.book }.run(draft(&[(1, count)]), None)).unwrap();
    let (payed, cancelled) = (create(3), create(4));
    assert_eq!(free(), 3);
    block_on(Pay { book: &shop.book }.run(payed, None)).unwrap();
    assert_eq!(free(), 3, "what was reserved is gone, not free");
    block_on(Cancel { book: &shop.book }.run(cancelled, None)).unwrap();
    assert_eq!(free(), 7);
    create(7);
    assert_eq!(free(), 0, "sold out is a number, not an error");
}

#[test]
fn a_sku_without_a_record_is_not_found() {
    let shop = Shop::with(&[(1, 10)]);
    let error = block_on(StockInfo { stock: &*shop.ledger }.run(sku(2))).unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::NotFound, "sku 2 has no stock record")
    );
}

#[test]
fn a_ledger_that_cannot_be_read_is_unavailable() {
    let mut stock = MockStockQueries::new();
    stock
        .expect_stock()
        .times(1)
        .returning(|_| ready(Err(query_failed())).boxed());
    let error = block_on(StockInfo { stock: &stock }.run(sku(1))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_hides_its_cause(&error);
}
