//! Races over carts.

use std::sync::Arc;

use adapters::memory::carts::{CartLimits, MemoryCarts};
use domain::cart::ports::{AddError, Carts, CartsError, Ended, Freeze};
use domain::testing::build::{key, order_id, sku, units, user};
use domain::testing::carts_contract::content;

use super::{at_once, exhaust, explore, threads};

fn carts(carts_max: usize) -> Arc<MemoryCarts> {
    Arc::new(MemoryCarts::new(CartLimits {
        carts_max,
        answers_max: 64 * 10,
    }))
}

fn add(carts: &MemoryCarts, n: i64, count: u32) -> bool {
    match at_once(carts.add(user(n), sku(1), units(count), u32::MAX)) {
        Ok(_) => true,
        Err(AddError::Carts(CartsError::TooManyCarts)) => false,
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn adds_to_one_cart_all_arrive() {
    explore(|| {
        let carts = carts(9);
        threads((0..3).map(|_| {
            let carts = Arc::clone(&carts);
            move || (0..3).for_each(|_| assert!(add(&carts, 1, 1)))
        }));
        assert_eq!(at_once(content(&*carts, 1)), [(1, 9)]);
        assert_eq!(carts.count(), 1);
    });
}

#[test]
fn the_last_place_for_a_cart_is_given_once_and_is_free_again_when_it_is_left() {
    // The users' shards are chosen by a random hash, so not every schedule can be tried.
    explore(|| {
        let carts = carts(2);
        assert!(add(&carts, 1, 1));
        let made = threads([2, 3].map(|n| {
            let carts = Arc::clone(&carts);
            move || add(&carts, n, 1)
        }));
        assert_eq!((made.iter().filter(|made| **made).count(), carts.count()), (1, 2));
    });
    explore(|| {
        let carts = carts(1);
        threads((1..=3).map(|n| {
            let carts = Arc::clone(&carts);
            move || {
                let made = add(&carts, n, 1);
                assert!(carts.count() <= 1, "over the bound");
                if made {
                    at_once(carts.clear(user(n))).unwrap();
                }
            }
        }));
        assert_eq!(carts.count(), 0);
        assert!(add(&carts, 4, 1), "no place was lost");
    });
}

/// One thread checks out while another adds: the frozen counts leave once, and what was added
/// is either frozen or still there.
#[test]
fn freezing_adding_and_ending_are_steps_in_one_order() {
    explore(|| {
        let carts = carts(9);
        add(&carts, 1, 2);
        let (checking, adding) = (Arc::clone(&carts), Arc::clone(&carts));
        let checkout = shuttle::thread::spawn(move || {
            let Freeze::New(frozen) = at_once(checking.freeze(user(1), None, Some(key("k")))).unwrap() else {
                panic!()
            };
            let again = at_once(checking.freeze(user(1), None, Some(key("other")))).unwrap();
            assert_eq!(again, Freeze::Unresolved(frozen.clone()), "lines and key stay");
            let placed = Ended::Placed(order_id(1));
            at_once(checking.end(user(1), frozen.key.clone(), placed, vec![key("mine")])).unwrap();
            at_once(checking.end(user(1), frozen.key, placed, vec![key("late")])).unwrap();
            frozen.lines[0].quantity.get()
        });
        let adds = shuttle::thread::spawn(move || (0..2).for_each(|_| assert!(add(&adding, 1, 3))));
        let ordered = checkout.join().unwrap();
        adds.join().unwrap();
        let left: u32 = at_once(content(&*carts, 1)).iter().map(|(_, count)| count).sum();
        assert_eq!(ordered + left, 8, "nothing twice, nothing lost");
        for text in ["mine", "late"] {
            assert_eq!(
                at_once(carts.freeze(user(1), Some(key(text)), None)).unwrap(),
                Freeze::Answered(order_id(1))
            );
        }
        assert_eq!(carts.count(), usize::from(left > 0));
    });
}

#[test]
fn of_two_who_freeze_one_begins_and_the_other_finds_it() {
    exhaust(|| {
        let carts = carts(9);
        add(&carts, 1, 2);
        let found = threads(["a", "b"].map(|text| {
            let carts = Arc::clone(&carts);
            move || at_once(carts.freeze(user(1), None, Some(key(text)))).unwrap()
        }));
        let (new, old): (Vec<_>, Vec<_>) = found.into_iter().partition(|found| matches!(found, Freeze::New(_)));
        let ([Freeze::New(first)], [Freeze::Unresolved(second)]) = (&new[..], &old[..]) else {
            panic!("{new:?} {old:?}")
        };
        assert_eq!(first, second);
    });
}
