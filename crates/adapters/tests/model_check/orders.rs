//! Races for stock, for one order, and for one idempotency key.

use std::sync::Arc;

use adapters::memory::ledger::MemoryLedger;
use domain::clock::Moment;
use domain::order::batch::{Action, Answer, Command};
use domain::order::place::PlaceRefusal;
use domain::order::ports::{Ledger, OrderQueries};
use domain::order::settle::{SettleCommand, Settled};
use domain::order::status::OrderStatus;
use domain::stock::ports::StockQueries;
use domain::testing::build::{cancel, draft, keyed, order_id, pay, place};
use domain::testing::ledger_contract::{events, now, stock};

use super::{at_once, exhaust, explore, ledger, run, threads};

/// Three buyers want two units of which there are `total`. Winners and stock must agree.
pub(super) fn last_units<L: Ledger + StockQueries>(ledger: &Arc<L>, total: u32) {
    let buyers = (0..3).map(|_| {
        let ledger = Arc::clone(ledger);
        move || run(&*ledger, &place(draft(&[(1, 2)]))).unwrap()
    });
    let answers = threads(buyers);
    let won = answers
        .iter()
        .filter(|answer| matches!(answer, Answer::Placed(Ok(_))))
        .count();
    let lost = answers
        .iter()
        .filter(|answer| matches!(answer, Answer::Placed(Err(PlaceRefusal::NotEnoughStock { .. }))))
        .count();
    let fit = (total / 2).min(3);
    assert_eq!((won, won + lost), (fit as usize, 3), "{total} units: {answers:?}");
    assert_eq!(at_once(stock(&**ledger, 1)), Some((total, 2 * fit)));
}

#[test]
fn the_last_units_go_to_as_many_as_there_are() {
    exhaust(|| last_units(&ledger(&[(1, 3)]), 3));
    explore(|| last_units(&ledger(&[(1, 5)]), 5));
}

fn expire(n: i64, before: Moment) -> Command {
    Command {
        action: Action::Settle(SettleCommand::Expire(order_id(n), before)),
        trace: None,
    }
}

fn one_end(ledger: &Arc<MemoryLedger>) {
    run(&**ledger, &place(draft(&[(1, 2)]))).unwrap();
    let later = now().plus(std::time::Duration::from_secs(1));
    let ways = [pay(1), cancel(1), expire(1, later)].map(|command| {
        let ledger = Arc::clone(ledger);
        move || run(&*ledger, &command).unwrap()
    });
    let answers = threads(ways);
    let won: Vec<bool> = answers
        .iter()
        .map(|answer| *answer == Answer::Settled(Ok(Settled::Now)))
        .collect();
    assert_eq!(won.iter().filter(|won| **won).count(), 1, "{answers:?}");
    let (status, left) = if won[0] {
        (OrderStatus::Payed, 3)
    } else {
        (OrderStatus::Cancelled, 5)
    };
    assert_eq!(at_once(ledger.order(order_id(1))).unwrap().unwrap().status, status);
    let expected = [OrderStatus::New, OrderStatus::AwaitingPayment, status];
    assert_eq!(at_once(events(&**ledger)), expected.map(|status| (1, status)));
    assert_eq!(at_once(stock(&**ledger, 1)), Some((left, 0)));
}

#[test]
fn of_paying_cancelling_and_expiring_one_wins() {
    exhaust(|| one_end(&ledger(&[(1, 5)])));
    explore(|| one_end(&ledger(&[(1, 5)])));
}

#[test]
fn equal_requests_with_one_key_make_one_order() {
    let race = || {
        let ledger = ledger(&[(1, 10)]);
        let same = (0..3).map(|_| {
            let ledger = Arc::clone(&ledger);
            move || run(&*ledger, &place(keyed(&[(1, 2)], "same"))).unwrap()
        });
        let answers = threads(same);
        assert!(
            answers.iter().all(|answer| *answer == Answer::Placed(Ok(order_id(1)))),
            "{answers:?}"
        );
        assert_eq!(at_once(stock(&*ledger, 1)), Some((10, 2)));
        assert_eq!(at_once(events(&*ledger)).len(), 2);
    };
    exhaust(race);
    explore(race);
}

/// A reader never sees half an order: its stock, its status and its events come together.
#[test]
fn reads_see_whole_changes() {
    let race = || {
        let ledger = ledger(&[(1, 4), (2, 4)]);
        let writer = Arc::clone(&ledger);
        let writes = shuttle::thread::spawn(move || {
            run(&*writer, &place(draft(&[(1, 2), (2, 2)]))).unwrap();
            run(&*writer, &pay(1)).unwrap();
        });
        // Read in the order opposite to the changes: what was seen first must still hold.
        let told = at_once(events(&*ledger));
        let order = at_once(ledger.order(order_id(1))).unwrap();
        let units = at_once(stock(&*ledger, 2)).unwrap();
        if let Some((_, last)) = told.last() {
            let order = order.expect("an event of an order that is there");
            assert!(order.status == *last || order.status == OrderStatus::Payed);
            assert!(
                matches!(told.len(), 2 | 3),
                "both events of the new order, or all: {told:?}"
            );
            assert!(matches!(units, (4, 2) | (2, 0)), "{units:?}");
        }
        writes.join().unwrap();
    };
    exhaust(race);
}
