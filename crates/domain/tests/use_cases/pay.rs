//! Paying an order.

use domain::error::{ErrorKind, Kind};
use domain::order::cancel::Cancel;
use domain::order::create::Create;
use domain::order::loaded::Corrupt;
use domain::order::pay::{Pay, SettleError};
use domain::order::ports::{MockOrderBook, OrderQueries, Outbox};
use domain::order::settle::{SettleCommand, SettleRefusal, Settled};
use domain::order::status::OrderStatus;
use domain::testing::build::{draft, order_id, sku};
use domain::testing::ledger_contract::{events, stock};
use domain::trace::TraceContext;
use futures::FutureExt;
use futures::future::ready;

use crate::support::{Shop, assert_hides_its_cause, block_on, book_errors};

#[test]
fn its_units_leave_the_stock_once() {
    let shop = Shop::with(&[(1, 10)]);
    let order = block_on(Create { book: &shop.book }.run(draft(&[(1, 3)]), None)).unwrap();
    let trace = TraceContext::new(7, 8, 0);
    block_on(Pay { book: &shop.book }.run(order, trace)).unwrap();
    block_on(Pay { book: &shop.book }.run(order, None)).unwrap();
    assert_eq!(block_on(stock(&shop.ledger, 1)), Some((7, 0)));
    let unsent = block_on(shop.ledger.unsent(10)).unwrap();
    assert_eq!(unsent.len(), 3, "the repeat is no event");
    assert_eq!(
        (unsent[2].change.status, unsent[2].change.trace),
        (OrderStatus::Payed, trace)
    );
}

#[test]
fn only_an_order_that_awaits_payment_can_be_payed() {
    let shop = Shop::with(&[(1, 10)]);
    let cancelled = block_on(Create { book: &shop.book }.run(draft(&[(1, 3)]), None)).unwrap();
    block_on(Cancel { book: &shop.book }.run(cancelled, None)).unwrap();
    block_on(Create { book: &shop.book }.run(draft(&[(1, 11)]), None)).unwrap_err();
    let failed = order_id(cancelled.get() + 1);
    let before = block_on(events(&shop.ledger));
    for (order, from) in [(cancelled, "cancelled"), (failed, "failed")] {
        let error = block_on(Pay { book: &shop.book }.run(order, None)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert_eq!(
            error.to_string(),
            format!("order {order}: an order that is `{from}` cannot become `payed`")
        );
    }
    let error = block_on(Pay { book: &shop.book }.run(order_id(99), None)).unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::NotFound, "order 99 does not exist")
    );
    assert_eq!(block_on(events(&shop.ledger)), before);
    assert_eq!(
        block_on(shop.ledger.order(cancelled)).unwrap().unwrap().status,
        OrderStatus::Cancelled
    );
    assert_eq!(block_on(stock(&shop.ledger, 1)), Some((10, 0)));
}

#[test]
fn the_book_is_asked_to_pay_this_order() {
    let mut book = MockOrderBook::new();
    book.expect_settle()
        .withf(|command, _| *command == SettleCommand::Pay(order_id(4)))
        .times(1)
        .returning(|_, _| ready(Ok(Ok(Settled::Already))).boxed());
    block_on(Pay { book: &book }.run(order_id(4), None)).unwrap();
}

#[test]
fn each_failure_of_the_book_has_its_kind_and_hides_its_cause() {
    let kinds = [ErrorKind::Unavailable, ErrorKind::OutcomeUnknown, ErrorKind::Internal];
    for (failure, kind) in book_errors().into_iter().zip(kinds) {
        let mut book = MockOrderBook::new();
        book.expect_settle()
            .times(1)
            .returning(move |_, _| ready(Err(failure.clone())).boxed());
        let error = block_on(Pay { book: &book }.run(order_id(1), None)).unwrap_err();
        assert!(matches!(error, SettleError::Book(_)));
        assert_eq!(error.kind(), kind);
        assert_hides_its_cause(&error);
    }
}

#[test]
fn a_reservation_that_is_not_there_is_our_bug() {
    let corrupt = SettleRefusal::Corrupt(Corrupt {
        sku: sku(1),
        source: None,
    });
    let mut book = MockOrderBook::new();
    book.expect_settle()
        .returning(move |_, _| ready(Ok(Err(corrupt))).boxed());
    let error = block_on(Pay { book: &book }.run(order_id(1), None)).unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::Internal, "internal error")
    );
}
