//! Random steps over the carts of a few users: every answer and all that can be read is that
//! of the naive model.

use std::collections::{BTreeMap, BTreeSet};

use adapters::memory::carts::{CartLimits, MemoryCarts};
use domain::cart::model::{Added, CartFull, FrozenCheckout};
use domain::cart::ports::{AddError, Carts, CartsError, Ended, Freeze};
use domain::testing::build::{key, order_id, sku, units, user};
use domain::testing::carts_contract::content;
use futures::executor::block_on;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::cases;
use crate::naive_carts::NaiveCarts;

const USERS: i64 = 4;
const CARTS_MAX: usize = 3;

#[derive(Debug, Clone)]
enum Step {
    Add {
        sku: i64,
        count: u32,
        free: u32,
    },
    Remove(i64),
    Clear,
    Freeze {
        caller: Option<u8>,
        fresh: bool,
    },
    /// Of the newest key or the one before it.
    End {
        stale: bool,
        order: Option<Option<i64>>,
        callers: Vec<u8>,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let count = prop_oneof![4 => 1..5_u32, 1 => Just(u32::MAX - 3)];
    let free = prop_oneof![4 => Just(u32::MAX), 1 => 0..8_u32];
    let order = prop_oneof![2 => Just(None), 1 => Just(Some(None)), 2 => (1..1000_i64).prop_map(|n| Some(Some(n)))];
    let caller = prop_oneof![1 => Just(None), 3 => (0..2_u8).prop_map(Some)];
    let stale = prop_oneof![5 => Just(false), 1 => Just(true)];
    prop_oneof![
        4 => (1..4_i64, count, free).prop_map(|(sku, count, free)| Step::Add { sku, count, free }),
        1 => (1..4_i64).prop_map(Step::Remove),
        1 => Just(Step::Clear),
        4 => (caller, any::<bool>()).prop_map(|(caller, fresh)| Step::Freeze { caller, fresh }),
        3 => (stale, order, vec(0..2_u8, 0..2)).prop_map(|(stale, order, callers)| Step::End { stale, order, callers }),
    ]
}

fn caller(n: u8) -> String {
    format!("caller-{n}")
}

fn add(carts: &MemoryCarts, who: i64, what: i64, count: u32, free: u32) -> String {
    match block_on(carts.add(user(who), sku(what), units(count), free)) {
        Ok(Added::New) => "new".to_owned(),
        Ok(Added::Increased) => "increased".to_owned(),
        Err(AddError::Full(CartFull::CountOverflow(sku))) => format!("too many of {sku}"),
        Err(AddError::Full(CartFull::NotEnoughStock { sku, wanted, free })) => {
            format!("{wanted} of {sku}, {free} free")
        }
        Err(AddError::Carts(CartsError::TooManyCarts)) => "too many carts".to_owned(),
        Err(other) => panic!("{other:?}"),
    }
}

fn freeze(carts: &MemoryCarts, who: i64, caller: Option<&str>, fresh: Option<&str>) -> String {
    let told = |frozen: FrozenCheckout| {
        let lines: BTreeMap<_, _> = frozen
            .lines
            .iter()
            .map(|line| (line.sku.get(), line.quantity.get()))
            .collect();
        format!("{} {lines:?}", frozen.key.as_str())
    };
    match block_on(carts.freeze(user(who), caller.map(key), fresh.map(key))).unwrap() {
        Freeze::Answered(order) => format!("order {order}"),
        Freeze::New(frozen) => format!("new {}", told(frozen)),
        Freeze::Unresolved(frozen) => format!("unresolved {}", told(frozen)),
        Freeze::Empty => "empty".to_owned(),
    }
}

fn end(carts: &MemoryCarts, who: i64, of: &str, order: Option<Option<i64>>, callers: &[String]) {
    let ended = match order {
        None => Ended::Unknown,
        Some(None) => Ended::Dropped,
        Some(Some(order)) => Ended::Placed(order_id(order)),
    };
    let callers = callers.iter().map(|text| key(text)).collect();
    block_on(carts.end(user(who), key(of), ended, callers)).unwrap();
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn steps_answer_and_leave_what_the_model_says(steps in vec((1..=USERS, step()), 1..60)) {
        let carts = MemoryCarts::new(CartLimits { carts_max: CARTS_MAX, answers_max: 64 * 1000 });
        let mut naive = NaiveCarts::bounded(CARTS_MAX);
        for (at, (who, step)) in steps.into_iter().enumerate() {
            match step {
                Step::Add { sku, count, free } => {
                    prop_assert_eq!(add(&carts, who, sku, count, free), naive.add(who, sku, count, free));
                }
                Step::Remove(n) => {
                    block_on(carts.remove(user(who), sku(n))).unwrap();
                    naive.remove(who, n);
                }
                Step::Clear => {
                    block_on(carts.clear(user(who))).unwrap();
                    naive.clear(who);
                }
                Step::Freeze { caller: n, fresh } => {
                    let (caller, fresh) = (n.map(caller), fresh.then(|| format!("fresh-{at}")));
                    let told = freeze(&carts, who, caller.as_deref(), fresh.as_deref());
                    prop_assert_eq!(told, naive.freeze(who, caller.as_deref(), fresh.as_deref()));
                }
                Step::End { stale, order, callers } => {
                    let callers: Vec<String> = callers.into_iter().map(caller).collect();
                    // The frozen key can be learned without a change.
                    let told = naive.freeze(who, None, None);
                    let frozen = told.strip_prefix("unresolved ").and_then(|told| told.split(' ').next());
                    let of = frozen.filter(|_| !stale).unwrap_or("stale").to_owned();
                    end(&carts, who, &of, order, &callers);
                    naive.end(who, &of, order, &callers);
                }
            }
            for who in 1..=USERS {
                prop_assert_eq!(block_on(content(&carts, who)), naive.lines(who));
            }
            prop_assert_eq!(carts.count(), naive.count());
            let unresolved = block_on(carts.unresolved(usize::MAX)).unwrap();
            prop_assert_eq!(unresolved.iter().map(|user| user.get()).collect::<BTreeSet<_>>(), naive.unresolved());
        }
    }
}
