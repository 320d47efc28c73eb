//! Random batches over the ledger: the answers, stock, orders, histories and events are those
//! of the naive model, and do not depend on where one batch ends and the next begins.

use std::time::Duration;

use adapters::memory::ledger::{LedgerLimits, MemoryLedger, StockRecord};
use domain::clock::Moment;
use domain::order::batch::{Action, Answer, Command};
use domain::order::model::{Draft, Order};
use domain::order::place::PlaceRefusal;
use domain::order::ports::{OrderQueries, Outbox};
use domain::order::settle::{SettleCommand, SettleRefusal, Settled};
use domain::stock::model::Stock;
use domain::stock::ports::StockQueries;
use domain::testing::build::{key, lines, order_id, sku, user};
use domain::testing::ledger_contract::{now, run_at, stock};
use futures::executor::block_on;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::cases;
use crate::naive_ledger::{NaiveLedger, Wish};

const SKUS: i64 = 5;
/// No stock record has this sku.
const UNKNOWN_SKU: i64 = SKUS + 1;
const NO_ORDER: i64 = 1_000_000;

/// A wish before it is known which orders there are: orders are chosen among those that were
/// there before the batch, because nobody can name an order that was not answered yet.
#[derive(Debug, Clone)]
enum Seed {
    Place {
        user: i64,
        lines: Vec<(i64, u32)>,
        key: Option<u8>,
    },
    Settle {
        how: u8,
        order: usize,
        minutes_ago: i64,
    },
}

fn seed() -> impl Strategy<Value = Seed> {
    let lines = vec((1..=UNKNOWN_SKU, 1..=6_u32), 1..=4);
    let common = vec((1..=SKUS, 1..=3_u32), 1..=3);
    let lines = prop_oneof![1 => lines, 3 => common];
    prop_oneof![
        (1..=2_i64, lines, option::of(0..4_u8)).prop_map(|(user, lines, key)| Seed::Place { user, lines, key }),
        (0..3_u8, any::<usize>(), 0..4_i64).prop_map(|(how, order, minutes_ago)| Seed::Settle {
            how,
            order,
            minutes_ago
        }),
    ]
}

/// Units by sku: (total, reserved by nobody we know).
fn first_stock() -> impl Strategy<Value = Vec<(u32, u32)>> {
    vec((3..40_u32, 0..3_u32), usize::try_from(SKUS).unwrap())
}

fn wish(seed: &Seed, orders: usize, at: Moment) -> Wish {
    match seed {
        Seed::Place { user, lines, key } => Wish::Place {
            user: *user,
            lines: lines.clone(),
            key: key.map(|n| format!("key-{n}")),
        },
        Seed::Settle {
            how,
            order,
            minutes_ago,
        } => {
            // One in so many is of no order.
            let chosen = i64::try_from(order % (orders + 1)).unwrap();
            let order = if chosen == 0 { NO_ORDER } else { chosen };
            match how {
                0 => Wish::Pay(order),
                1 => Wish::Cancel(order),
                _ => Wish::Expire {
                    order,
                    placed_before: at.unix_millis() - minutes_ago * 60_000,
                },
            }
        }
    }
}

fn command(wish: &Wish) -> Command {
    let action = match wish {
        Wish::Place {
            user: who,
            lines: wanted,
            key: under,
        } => Action::Place(Draft {
            user: user(*who),
            lines: lines(wanted),
            key: under.as_deref().map(key),
        }),
        Wish::Pay(order) => Action::Settle(SettleCommand::Pay(order_id(*order))),
        Wish::Cancel(order) => Action::Settle(SettleCommand::Cancel(order_id(*order))),
        Wish::Expire { order, placed_before } => {
            let before = Moment::from_unix_millis(*placed_before);
            Action::Settle(SettleCommand::Expire(order_id(*order), before))
        }
    };
    Command { action, trace: None }
}

/// An answer in the words of the naive model.
fn words(answer: &Answer) -> String {
    match answer {
        Answer::Placed(Ok(order)) => format!("order {order}"),
        Answer::Placed(Err(PlaceRefusal::NotEnoughStock { order, shortage })) => {
            let free = shortage.free.map_or("none".to_owned(), |free| free.to_string());
            format!("order {order} short of {}: {} of {free}", shortage.sku, shortage.wanted)
        }
        Answer::Placed(Err(PlaceRefusal::KeyReused)) => "other body".to_owned(),
        Answer::Settled(Ok(Settled::Now)) => "now".to_owned(),
        Answer::Settled(Ok(Settled::Already)) => "already".to_owned(),
        Answer::Settled(Ok(Settled::NotDue)) => "not due".to_owned(),
        Answer::Settled(Err(SettleRefusal::NotFound(order))) => format!("no order {order}"),
        Answer::Settled(Err(SettleRefusal::Illegal { order, illegal })) => {
            format!("order {order}: {} to {}", illegal.from, illegal.to)
        }
        other => panic!("our bug: {other:?}"),
    }
}

fn new_ledger(first: &[(u32, u32)]) -> MemoryLedger {
    let limits = LedgerLimits {
        orders_max: 10_000,
        outbox_max: 10_000,
        keys_kept: Duration::from_secs(24 * 3600),
    };
    let records = (1..).zip(first).map(|(n, (total, reserved))| StockRecord {
        sku: sku(n),
        stock: Stock::new(*total, *reserved).unwrap(),
    });
    MemoryLedger::new(limits, records, now())
}

/// All that can be read of a ledger must be what the model says.
fn agree(ledger: &MemoryLedger, naive: &NaiveLedger) -> Result<(), TestCaseError> {
    for n in 1..=UNKNOWN_SKU {
        prop_assert_eq!(block_on(stock(ledger, n)), naive.stock.get(&n).copied(), "sku {}", n);
    }
    for (n, expected) in (1..).zip(&naive.orders) {
        let read: Order = block_on(ledger.order(order_id(n))).unwrap().unwrap();
        let lines: Vec<_> = read
            .lines
            .iter()
            .map(|line| (line.sku.get(), line.quantity.get()))
            .collect();
        prop_assert_eq!(
            (read.user.get(), lines),
            (expected.user, expected.lines.clone().into_iter().collect())
        );
        prop_assert_eq!(
            (read.status.as_str(), read.placed_at.unix_millis()),
            (expected.status(), expected.placed_at)
        );
        let history = block_on(ledger.history(order_id(n))).unwrap();
        let history: Vec<_> = history
            .iter()
            .map(|(status, at)| (status.as_str(), at.unix_millis()))
            .collect();
        prop_assert_eq!(history, expected.history.clone());
    }
    prop_assert_eq!(
        block_on(ledger.order(order_id(naive.orders.len() as i64 + 1))).unwrap(),
        None
    );
    let unsent = block_on(ledger.unsent(usize::MAX)).unwrap();
    prop_assert!(unsent.is_sorted_by(|a, b| a.id < b.id));
    let events: Vec<_> = unsent
        .iter()
        .map(|e| {
            (
                e.change.order.get(),
                e.change.status.as_str(),
                e.change.moment.unix_millis(),
            )
        })
        .collect();
    prop_assert_eq!(events, naive.events.clone());
    Ok(())
}

/// What must hold whatever happened, from what can be read alone.
fn invariants(ledger: &MemoryLedger, first: &[(u32, u32)], orders: usize) -> Result<(), TestCaseError> {
    let orders: Vec<Order> = (1..=orders)
        .map(|n| block_on(ledger.order(order_id(n as i64))).unwrap().unwrap())
        .collect();
    let units = |n: i64, status: &str| -> u32 {
        let of_status = orders.iter().filter(|order| order.status.as_str() == status);
        of_status
            .flat_map(|order| order.lines.iter())
            .filter(|line| line.sku == sku(n))
            .map(|line| line.quantity.get())
            .sum()
    };
    for (n, (_, not_ours)) in (1..).zip(first) {
        let (total, reserved) = block_on(stock(ledger, n)).unwrap();
        prop_assert!(reserved <= total);
        prop_assert_eq!(reserved, not_ours + units(n, "awaiting payment"));
        let movements = block_on(ledger.movements(sku(n), 100)).unwrap();
        let moved: i64 = movements.iter().map(|movement| movement.units).sum();
        prop_assert_eq!(i64::from(total), moved - i64::from(units(n, "payed")));
    }
    let unpaid = block_on(ledger.unpaid(now().plus(Duration::from_secs(1 << 30)), usize::MAX)).unwrap();
    let awaiting = orders
        .iter()
        .filter(|order| order.status.as_str() == "awaiting payment")
        .map(|order| order.id);
    prop_assert_eq!(unpaid, awaiting.collect::<Vec<_>>());
    Ok(())
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn batches_answer_and_leave_what_one_command_at_a_time_does(
        first in first_stock(),
        batches in vec((vec(seed(), 1..12), 0..3_u64), 1..8),
    ) {
        let (batched, single) = (new_ledger(&first), new_ledger(&first));
        let mut naive = NaiveLedger::with((1..).zip(first.clone()));
        let mut at = now();
        for (seeds, minutes) in batches {
            at = at.plus(Duration::from_secs(minutes * 60));
            let known = naive.orders.len();
            let wishes: Vec<Wish> = seeds.iter().map(|seed| wish(seed, known, at)).collect();
            let commands: Vec<Command> = wishes.iter().map(command).collect();
            let expected: Vec<String> = wishes.iter().map(|wish| naive.run(wish, at.unix_millis())).collect();
            let answers = block_on(run_at(&batched, &commands, at)).unwrap();
            prop_assert_eq!(answers.iter().map(words).collect::<Vec<_>>(), expected);
            for (command, answer) in commands.iter().zip(answers) {
                let alone = block_on(run_at(&single, std::slice::from_ref(command), at)).unwrap();
                prop_assert_eq!(alone, [answer]);
            }
            agree(&batched, &naive)?;
            invariants(&batched, &first, naive.orders.len())?;
        }
        agree(&single, &naive)?;
        let events = |ledger: &MemoryLedger| block_on(Outbox::unsent(ledger, usize::MAX)).unwrap();
        prop_assert_eq!(events(&batched), events(&single), "the numbers of events agree too");
    }
}
