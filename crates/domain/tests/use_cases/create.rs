//! Creating an order.

use domain::error::{ErrorKind, Kind};
use domain::order::create::{Create, CreateError};
use domain::order::model::Draft;
use domain::order::place::PlaceRefusal;
use domain::order::ports::{BookError, MockOrderBook, OrderQueries, Outbox};
use domain::order::status::OrderStatus;
use domain::testing::build::{draft, keyed, user};
use domain::testing::ledger_contract::{events, stock};
use domain::trace::TraceContext;
use domain::types::OrderId;
use futures::FutureExt;
use futures::future::ready;

use crate::support::{Shop, assert_hides_its_cause, block_on, book_errors};

fn create(shop: &Shop, draft: Draft) -> Result<OrderId, CreateError> {
    block_on(Create { book: &shop.book }.run(draft, None))
}

#[test]
fn an_order_reserves_its_lines_and_awaits_payment() {
    let shop = Shop::with(&[(1, 10), (2, 5)]);
    let order = create(&shop, draft(&[(2, 2), (1, 3), (2, 1)])).unwrap();
    let read = block_on(shop.ledger.order(order)).unwrap().unwrap();
    assert_eq!(read.status, OrderStatus::AwaitingPayment);
    assert_eq!(
        read.lines
            .iter()
            .map(|l| (l.sku.get(), l.quantity.get()))
            .collect::<Vec<_>>(),
        [(1, 3), (2, 3)]
    );
    assert_eq!(block_on(stock(&shop.ledger, 1)), Some((10, 3)));
    assert_eq!(block_on(stock(&shop.ledger, 2)), Some((5, 3)));
}

#[test]
fn a_short_line_fails_the_order_with_its_numbers() {
    let shop = Shop::with(&[(1, 10), (2, 5)]);
    let error = create(&shop, draft(&[(1, 1), (2, 6)])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(error.to_string(), "order 1 failed: sku 2: 6 wanted, 5 free");
    let error = create(&shop, draft(&[(9, 1)])).unwrap_err();
    assert_eq!(error.to_string(), "order 2 failed: sku 9: 1 wanted, no stock record");
    assert_eq!(block_on(stock(&shop.ledger, 1)), Some((10, 0)), "nothing is reserved");
    let expected = [
        (1, OrderStatus::New),
        (1, OrderStatus::Failed),
        (2, OrderStatus::New),
        (2, OrderStatus::Failed),
    ];
    assert_eq!(block_on(events(&shop.ledger)), expected);
}

#[test]
fn the_events_carry_the_trace_of_the_call() {
    let shop = Shop::with(&[(1, 10)]);
    let trace = TraceContext::new(1, 2, 1);
    block_on(Create { book: &shop.book }.run(draft(&[(1, 1)]), trace)).unwrap();
    let unsent = block_on(shop.ledger.unsent(10)).unwrap();
    assert_eq!(
        unsent.iter().map(|event| event.change.trace).collect::<Vec<_>>(),
        [trace, trace]
    );
}

#[test]
fn a_key_gives_its_answer_again_and_belongs_to_its_user() {
    let shop = Shop::with(&[(1, 10)]);
    let first = create(&shop, keyed(&[(1, 1), (1, 2)], "a")).unwrap();
    assert_eq!(create(&shop, keyed(&[(1, 3)], "a")).unwrap(), first);
    let error = create(&shop, keyed(&[(1, 4)], "a")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::KeyReused);
    let other = Draft {
        user: user(2),
        ..keyed(&[(1, 4)], "a")
    };
    assert_ne!(create(&shop, other).unwrap(), first);
    assert_eq!(block_on(stock(&shop.ledger, 1)), Some((10, 7)));
}

#[test]
fn a_failed_order_is_failed_under_its_key_for_good() {
    let shop = Shop::with(&[(1, 10)]);
    let first = create(&shop, keyed(&[(1, 11)], "a")).unwrap_err().to_string();
    create(&shop, draft(&[(1, 9)])).unwrap();
    assert_eq!(
        create(&shop, keyed(&[(1, 11)], "a")).unwrap_err().to_string(),
        first,
        "with the numbers of then"
    );
}

#[test]
fn each_failure_of_the_book_has_its_kind_and_hides_its_cause() {
    let kinds = [ErrorKind::Unavailable, ErrorKind::OutcomeUnknown, ErrorKind::Internal];
    for (failure, kind) in book_errors().into_iter().zip(kinds) {
        let mut book = MockOrderBook::new();
        book.expect_place()
            .times(1)
            .returning(move |_, _| ready(Err(failure.clone())).boxed());
        let error = block_on(Create { book: &book }.run(draft(&[(1, 1)]), None)).unwrap_err();
        assert!(matches!(
            error,
            CreateError::Book(BookError::Unavailable(_) | BookError::Unknown(_) | BookError::Poisonous(_))
        ));
        assert_eq!(error.kind(), kind);
        assert_hides_its_cause(&error);
    }
}

#[test]
fn running_out_of_ids_is_our_bug() {
    let mut book = MockOrderBook::new();
    book.expect_place()
        .returning(|_, _| ready(Ok(Err(PlaceRefusal::NoId))).boxed());
    let error = block_on(Create { book: &book }.run(draft(&[(1, 1)]), None)).unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::Internal, "internal error")
    );
}
