//! Cancelling an order.

use domain::error::{ErrorKind, Kind};
use domain::order::cancel::Cancel;
use domain::order::create::Create;
use domain::order::pay::Pay;
use domain::order::ports::{MockOrderBook, OrderQueries};
use domain::order::settle::{SettleCommand, Settled};
use domain::order::status::OrderStatus;
use domain::testing::build::{draft, order_id};
use domain::testing::ledger_contract::{events, stock};
use futures::FutureExt;
use futures::future::ready;

use crate::support::{Shop, assert_hides_its_cause, block_on, book_errors};

#[test]
fn its_units_become_free_once() {
    let shop = Shop::with(&[(1, 10), (2, 10)]);
    let order = block_on(Create { book: &shop.book }.run(draft(&[(1, 3), (2, 10)]), None)).unwrap();
    block_on(Create { book: &shop.book }.run(draft(&[(1, 7)]), None)).unwrap();
    for _ in 0..2 {
        block_on(Cancel { book: &shop.book }.run(order, None)).unwrap();
        assert_eq!(block_on(stock(&shop.ledger, 1)), Some((10, 7)));
        assert_eq!(block_on(stock(&shop.ledger, 2)), Some((10, 0)));
    }
    let cancellations = block_on(events(&shop.ledger))
        .into_iter()
        .filter(|(_, status)| *status == OrderStatus::Cancelled);
    assert_eq!(cancellations.count(), 1);
    block_on(Create { book: &shop.book }.run(draft(&[(2, 10)]), None)).unwrap();
}

#[test]
fn payed_and_failed_orders_cannot_be_cancelled() {
    let shop = Shop::with(&[(1, 10)]);
    let payed = block_on(Create { book: &shop.book }.run(draft(&[(1, 3)]), None)).unwrap();
    block_on(Pay { book: &shop.book }.run(payed, None)).unwrap();
    block_on(Create { book: &shop.book }.run(draft(&[(1, 11)]), None)).unwrap_err();
    let failed = order_id(payed.get() + 1);
    for (order, from) in [(payed, "payed"), (failed, "failed")] {
        let error = block_on(Cancel { book: &shop.book }.run(order, None)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert_eq!(
            error.to_string(),
            format!("order {order}: an order that is `{from}` cannot become `cancelled`")
        );
    }
    let error = block_on(Cancel { book: &shop.book }.run(order_id(99), None)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(block_on(stock(&shop.ledger, 1)), Some((7, 0)));
    assert_eq!(
        block_on(shop.ledger.order(payed)).unwrap().unwrap().status,
        OrderStatus::Payed
    );
}

#[test]
fn the_book_is_asked_to_cancel_this_order() {
    let mut book = MockOrderBook::new();
    book.expect_settle()
        .withf(|command, _| *command == SettleCommand::Cancel(order_id(4)))
        .times(1)
        .returning(|_, _| ready(Ok(Ok(Settled::Now))).boxed());
    block_on(Cancel { book: &book }.run(order_id(4), None)).unwrap();
}

#[test]
fn each_failure_of_the_book_has_its_kind_and_hides_its_cause() {
    let kinds = [ErrorKind::Unavailable, ErrorKind::OutcomeUnknown, ErrorKind::Internal];
    for (failure, kind) in book_errors().into_iter().zip(kinds) {
        let mut book = MockOrderBook::new();
        book.expect_settle()
            .times(1)
            .returning(move |_, _| ready(Err(failure.clone())).boxed());
        let error = block_on(Cancel { book: &book }.run(order_id(1), None)).unwrap_err();
        assert_eq!(error.kind(), kind);
        assert_hides_its_cause(&error);
    }
}
