//! A checkout whose outcome is unknown: whatever comes next sends exactly the same.

use std::sync::{Arc, Mutex};

use adapters::in_process::InProcessLoms;
use domain::cart::checkout::{Checkout, CheckoutError};
use domain::cart::ports::Carts;
use domain::error::{ErrorKind, Kind};
use domain::testing::build::{CountingKeys, ParkedSpawner, lines, order_id, sku, units, user};
use domain::testing::carts_contract::content;
use domain::testing::direct_book::DirectBook;
use domain::testing::faults::{FaultyLedger, LedgerFault};
use domain::testing::ledger_contract::{events, stock};

use super::{Bench, FILLED, placed, refused, rejected, unavailable, unknown};
use crate::support::{Shop, block_on, carts};

#[test]
fn a_repeat_with_a_changed_cart_sends_the_same_lines_under_the_same_key() {
    let bench = Bench::with([unknown(), unknown(), placed(5)]);
    bench.run().unwrap_err();
    bench.add(1, 1, 7);
    bench.add(1, 9, 1);
    bench.run().unwrap_err();
    block_on(bench.carts.remove(user(1), sku(2))).unwrap();
    assert_eq!(bench.run().unwrap(), order_id(5));
    let sent = bench.sent();
    assert_eq!((sent.len(), &sent[0].0), (3, &lines(&FILLED)));
    assert!(sent.iter().all(|call| *call == sent[0]), "{sent:?}");
    assert_eq!(bench.content(), [(1, 7), (9, 1)], "exactly the frozen counts left");
    assert!(bench.unresolved().is_empty());
}

#[test]
fn a_repeat_with_an_emptied_cart_sends_the_same_too() {
    let bench = Bench::with([unknown(), placed(5)]);
    bench.run().unwrap_err();
    block_on(bench.carts.clear(user(1))).unwrap();
    assert_eq!(bench.run().unwrap(), order_id(5));
    let sent = bench.sent();
    assert_eq!(sent[0], sent[1]);
    assert!(bench.content().is_empty());
}

#[test]
fn what_comes_after_it_is_resolved_is_a_checkout_of_its_own() {
    let bench = Bench::with([unknown(), placed(5), placed(6)]);
    bench.run().unwrap_err();
    bench.add(1, 9, 1);
    assert_eq!(bench.run().unwrap(), order_id(5));
    assert_eq!(bench.run().unwrap(), order_id(6));
    let sent = bench.sent();
    assert_eq!(sent[2].0, lines(&[(9, 1)]));
    assert_ne!(sent[2].1, sent[0].1);
}

#[test]
fn that_nothing_was_done_now_says_nothing_about_the_first_time() {
    for answer in [unavailable(), rejected()] {
        let bench = Bench::with([unknown(), answer, placed(5)]);
        bench.run().unwrap_err();
        let error = bench.run().unwrap_err();
        assert!(matches!(error, CheckoutError::Unknown(_)), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
        assert_eq!(bench.unresolved(), [user(1)]);
        assert_eq!(bench.run().unwrap(), order_id(5));
        assert_eq!(bench.sent()[2], bench.sent()[0]);
    }
}

#[test]
fn a_late_refusal_drops_it() {
    let bench = Bench::with([unknown(), refused(), placed(5)]);
    bench.run().unwrap_err();
    bench.add(1, 9, 1);
    assert_eq!(bench.run().unwrap_err().kind(), ErrorKind::Refused);
    assert!(bench.unresolved().is_empty());
    assert_eq!(bench.content(), [(1, 2), (2, 3), (9, 1)]);
    bench.run().unwrap();
    let sent = bench.sent();
    assert_ne!(sent[2].1, sent[0].1);
    assert_eq!(sent[2].0, lines(&[(1, 2), (2, 3), (9, 1)]));
}

/// Over the ledger itself: the answer of the first commit is lost, or the commit is.
#[test]
fn one_order_is_made_whether_or_not_the_first_attempt_was_committed() {
    for (fault, before) in [(LedgerFault::LoseAnswer, 2), (LedgerFault::LoseCommit, 0)] {
        let shop = Shop::with(&[(1, 10), (2, 10)]);
        let faults = Mutex::new(vec![fault].into_iter());
        let ledger = Arc::new(FaultyLedger::new(Arc::clone(&shop.ledger), move |_| {
            faults.lock().unwrap().next()
        }));
        let book = DirectBook::new(ledger, Arc::clone(&shop.clock));
        let loms = Arc::new(InProcessLoms::new(book, Arc::clone(&shop.ledger), || None));
        let carts = carts(9);
        for (n, count) in FILLED {
            block_on(carts.add(user(1), sku(n), units(count), 10)).unwrap();
        }
        let checkout = Checkout::new(
            Arc::clone(&carts),
            loms,
            CountingKeys::default(),
            Arc::new(ParkedSpawner::default()),
            9,
        );
        assert_eq!(
            block_on(checkout.run(user(1), None)).unwrap_err().kind(),
            ErrorKind::OutcomeUnknown
        );
        assert_eq!(block_on(events(&shop.ledger)).len(), before);
        block_on(carts.add(user(1), sku(1), units(1), 10)).unwrap();
        assert_eq!(block_on(checkout.run(user(1), None)).unwrap(), order_id(1));
        assert_eq!(block_on(events(&shop.ledger)).len(), 2);
        assert_eq!(block_on(stock(&shop.ledger, 1)), Some((10, 2)));
        assert_eq!(block_on(content(&*carts, 1)), [(1, 1)]);
    }
}
