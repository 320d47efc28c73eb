//! Telling what an order is.

use domain::error::{ErrorKind, Kind};
use domain::order::create::Create;
use domain::order::info::OrderInfo;
use domain::order::pay::Pay;
use domain::order::ports::MockOrderQueries;
use domain::order::status::OrderStatus;
use domain::testing::build::{draft, lines, order_id, user};
use futures::FutureExt;
use futures::future::ready;

use crate::support::{Shop, assert_hides_its_cause, block_on, query_failed};

#[test]
fn tells_user_status_and_lines_by_ascending_sku_of_every_order() {
    let shop = Shop::with(&[(1, 10), (2, 10)]);
    let order = block_on(Create { book: &shop.book }.run(draft(&[(2, 1), (1, 2), (2, 3)]), None)).unwrap();
    let info = |order| block_on(OrderInfo { orders: &*shop.ledger }.run(order));
    let first = info(order).unwrap();
    assert_eq!(
        (first.id, first.user, first.status),
        (order, user(1), OrderStatus::AwaitingPayment)
    );
    assert_eq!(first.lines, lines(&[(1, 2), (2, 4)]));
    block_on(Pay { book: &shop.book }.run(order, None)).unwrap();
    assert_eq!(info(order).unwrap().status, OrderStatus::Payed);
    block_on(Create { book: &shop.book }.run(draft(&[(1, 99)]), None)).unwrap_err();
    let failed = info(order_id(order.get() + 1)).unwrap();
    assert_eq!((failed.status, failed.lines), (OrderStatus::Failed, lines(&[(1, 99)])));
}

#[test]
fn an_unknown_order_is_not_found() {
    let shop = Shop::with(&[]);
    for n in [1, 2, i64::MAX] {
        let error = block_on(OrderInfo { orders: &*shop.ledger }.run(order_id(n))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(error.to_string(), format!("order {n} does not exist"));
    }
}

#[test]
fn a_ledger_that_cannot_be_read_is_unavailable() {
    let mut orders = MockOrderQueries::new();
    orders
        .expect_order()
        .times(1)
        .returning(|_| ready(Err(query_failed())).boxed());
    let error = block_on(OrderInfo { orders: &orders }.run(order_id(1))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_hides_its_cause(&error);
}
