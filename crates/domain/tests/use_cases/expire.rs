//! Cancelling orders that were not paid in time.

use std::time::Duration;

use domain::clock::{Clock, Moment};
use domain::order::create::Create;
use domain::order::expire::{Expire, ExpireError, Expired};
use domain::order::pay::Pay;
use domain::order::ports::{MockOrderBook, MockOrderQueries, OrderQueries};
use domain::order::settle::{SettleCommand, SettleRefusal, Settled};
use domain::order::status::OrderStatus;
use domain::testing::build::{draft, order_id};
use domain::testing::ledger_contract::{events, now, stock};
use domain::types::OrderId;
use futures::FutureExt;
use futures::future::ready;

use crate::support::{Shop, block_on, book_errors, query_failed};

const HOUR: Duration = Duration::from_secs(3600);

fn expire(shop: &Shop, before: Moment, batch_max: usize) -> Expired {
    block_on(
        Expire {
            book: &shop.book,
            orders: &*shop.ledger,
            batch_max,
        }
        .run(before),
    )
    .unwrap()
}

fn place(shop: &Shop, count: u32) -> OrderId {
    block_on(Create { book: &shop.book }.run(draft(&[(1, count)]), None)).unwrap()
}

fn status(shop: &Shop, order: OrderId) -> OrderStatus {
    block_on(shop.ledger.order(order)).unwrap().unwrap().status
}

#[test]
fn only_orders_that_are_due_and_unpaid_are_cancelled() {
    let shop = Shop::with(&[(1, 100)]);
    let (old, payed) = (place(&shop, 1), place(&shop, 2));
    block_on(Pay { book: &shop.book }.run(payed, None)).unwrap();
    shop.clock.advance(HOUR);
    let (edge, before) = (place(&shop, 4), shop.clock.now());
    assert_eq!(
        expire(&shop, before, 10),
        Expired {
            found: 1,
            cancelled: 1,
            failed: 0
        }
    );
    assert_eq!(
        [old, payed, edge].map(|order| status(&shop, order)),
        [OrderStatus::Cancelled, OrderStatus::Payed, OrderStatus::AwaitingPayment]
    );
    assert_eq!(block_on(stock(&shop.ledger, 1)), Some((98, 4)));
    assert_eq!(
        block_on(events(&shop.ledger)).last(),
        Some(&(edge.get() - 2, OrderStatus::Cancelled))
    );
    assert_eq!(expire(&shop, before, 10), Expired::default(), "nothing is left to do");
}

#[test]
fn rounds_are_bounded_and_take_the_oldest_first() {
    let shop = Shop::with(&[(1, 100)]);
    let orders: Vec<_> = (0..5).map(|_| place(&shop, 1)).collect();
    shop.clock.advance(HOUR);
    let mut rounds = Vec::new();
    for left in [3, 1, 0, 0] {
        rounds.push(expire(&shop, shop.clock.now(), 2).cancelled);
        let waiting = orders
            .iter()
            .filter(|order| status(&shop, **order) == OrderStatus::AwaitingPayment);
        assert_eq!(waiting.copied().collect::<Vec<_>>(), orders[5 - left..]);
    }
    assert_eq!(rounds, [2, 2, 1, 0]);
}

#[test]
fn orders_that_were_settled_meanwhile_are_found_but_not_counted() {
    let mut orders = MockOrderQueries::new();
    orders
        .expect_unpaid()
        .withf(|before, limit| (*before, *limit) == (now(), 7))
        .returning(|_, _| ready(Ok([1, 2, 3].map(order_id).to_vec())).boxed());
    let mut book = MockOrderBook::new();
    book.expect_settle().times(3).returning(|command, _| {
        let SettleCommand::Expire(order, before) = command else {
            panic!("{command:?} is no expiry")
        };
        assert_eq!(before, now());
        let settled = [Settled::Now, Settled::Already, Settled::NotDue][usize::try_from(order.get()).unwrap() - 1];
        ready(Ok(Ok(settled))).boxed()
    });
    let expired = block_on(
        Expire {
            book: &book,
            orders: &orders,
            batch_max: 7,
        }
        .run(now()),
    )
    .unwrap();
    assert_eq!(
        expired,
        Expired {
            found: 3,
            cancelled: 1,
            failed: 0
        }
    );
}

#[test]
fn a_round_is_one_batch() {
    // Nothing is answered: all must have been asked all the same.
    let mut orders = MockOrderQueries::new();
    orders
        .expect_unpaid()
        .returning(|_, _| ready(Ok((1..=5).map(order_id).collect())).boxed());
    let mut book = MockOrderBook::new();
    book.expect_settle()
        .times(5)
        .returning(|_, _| futures::future::pending().boxed());
    assert!(
        Expire {
            book: &book,
            orders: &orders,
            batch_max: 5
        }
        .run(now())
        .now_or_never()
        .is_none()
    );
}

#[test]
fn failures_end_the_round_and_say_which_they_are() {
    let mut orders = MockOrderQueries::new();
    orders
        .expect_unpaid()
        .returning(|_, _| ready(Err(query_failed())).boxed());
    let error = block_on(
        Expire {
            book: &MockOrderBook::new(),
            orders: &orders,
            batch_max: 9,
        }
        .run(now()),
    )
    .unwrap_err();
    assert!(matches!(error, ExpireError::Query(_)));

    let refusal = SettleRefusal::NotFound(order_id(1));
    let answers = book_errors().into_iter().map(Err).chain([Ok(Err(refusal))]);
    for answer in answers {
        let refused = answer.is_ok();
        let mut orders = MockOrderQueries::new();
        orders
            .expect_unpaid()
            .returning(|_, _| ready(Ok(vec![order_id(1)])).boxed());
        let mut book = MockOrderBook::new();
        book.expect_settle()
            .returning(move |_, _| ready(answer.clone()).boxed());
        let error = block_on(
            Expire {
                book: &book,
                orders: &orders,
                batch_max: 9,
            }
            .run(now()),
        )
        .unwrap_err();
        assert_eq!(matches!(error, ExpireError::Refused(_)), refused, "{error:?}");
        assert_eq!(matches!(error, ExpireError::Book(_)), !refused, "{error:?}");
    }
}
