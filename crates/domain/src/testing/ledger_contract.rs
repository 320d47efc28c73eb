//! The contract of the ledger and of the reads and the outbox beside it. Every implementation
//! passes this suite: `ledger_contract!(name, make)`, where `make` is an async function from
//! stock (pairs of sku and units) to a fresh ledger.
#![allow(clippy::missing_panics_doc, reason = "an assertion that fails is the point")]

use std::time::Duration;

use super::build::{ManualClock, cancel, draft, key, keyed, order_id, pay, place, sku, units, user};
use crate::clock::{Clock, Moment};
use crate::order::batch::{Action, Answer, Command, decide, footprint};
use crate::order::model::{Draft, Shortage};
use crate::order::place::PlaceRefusal;
use crate::order::ports::{Ledger, LedgerError, OrderQueries, Outbox};
use crate::order::settle::{SettleCommand, SettleRefusal, Settled};
use crate::order::status::{IllegalMove, OrderStatus};
use crate::stock::model::Stock;
use crate::stock::ports::StockQueries;
use crate::trace::TraceContext;
use crate::types::OrderId;

/// All ports of the ledger.
pub trait WholeLedger: Ledger + OrderQueries + StockQueries + Outbox {}
impl<T: Ledger + OrderQueries + StockQueries + Outbox> WholeLedger for T {}

/// The moment at which everything happens.
#[must_use]
pub fn now() -> Moment {
    ManualClock::default().now()
}

/// Runs a batch at [`now`].
pub async fn run(ledger: &impl Ledger, batch: &[Command]) -> Vec<Answer> {
    let ran = run_at(ledger, batch, now()).await;
    ran.expect("the ledger is there")
}

/// Runs a batch at a moment.
///
/// # Errors
/// What the ledger answers.
pub async fn run_at(ledger: &impl Ledger, batch: &[Command], at: Moment) -> Result<Vec<Answer>, LedgerError> {
    ledger
        .transact(footprint(batch), |loaded| decide(batch, at, loaded))
        .await
}

/// The stock of a sku as (total, reserved).
pub async fn stock(ledger: &impl StockQueries, n: i64) -> Option<(u32, u32)> {
    let stock = ledger.stock(sku(n)).await.expect("the ledger is there");
    stock.map(|stock| (stock.total(), stock.reserved()))
}

/// The unsent events as (order, status), oldest first.
pub async fn events(ledger: &impl Outbox) -> Vec<(i64, OrderStatus)> {
    let unsent = ledger.unsent(1_000_000).await.expect("the ledger is there");
    unsent
        .iter()
        .map(|event| (event.change.order.get(), event.change.status))
        .collect()
}

fn placed(answer: &Answer) -> OrderId {
    match answer {
        Answer::Placed(Ok(order)) => *order,
        other => panic!("not placed: {other:?}"),
    }
}

fn short(n: i64, wanted: u32, free: Option<u32>) -> Shortage {
    Shortage {
        sku: sku(n),
        wanted: units(wanted),
        free,
    }
}

/// Placing reserves, and what was placed can be read at once.
pub async fn placing_reserves_all_lines(ledger: impl WholeLedger) {
    let order = placed(&run(&ledger, &[place(draft(&[(2, 3), (1, 1), (2, 1)]))]).await[0]);
    assert_eq!(
        (stock(&ledger, 1).await, stock(&ledger, 2).await),
        (Some((10, 1)), Some((10, 4)))
    );
    let read = ledger.order(order).await.expect("there").expect("placed");
    assert_eq!((read.user, read.status), (user(1), OrderStatus::AwaitingPayment));
    assert_eq!(*read.lines, *super::build::lines(&[(1, 1), (2, 4)]));
    let both = [OrderStatus::New, OrderStatus::AwaitingPayment];
    assert_eq!(events(&ledger).await, both.map(|status| (order.get(), status)));
    assert_eq!(
        ledger.history(order).await.expect("there"),
        both.map(|status| (status, now()))
    );
}

/// One short line and nothing is reserved; the failed order is recorded with its events.
pub async fn a_short_line_reserves_nothing(ledger: impl WholeLedger) {
    let answers = run(
        &ledger,
        &[place(draft(&[(1, 1), (2, 11), (9, 1)])), place(draft(&[(9, 1)]))],
    )
    .await;
    let [
        Answer::Placed(Err(PlaceRefusal::NotEnoughStock { order, shortage })),
        second,
    ] = &answers[..]
    else {
        panic!("{answers:?}")
    };
    assert_eq!(*shortage, short(2, 11, Some(10)));
    assert!(
        matches!(second, Answer::Placed(Err(PlaceRefusal::NotEnoughStock { shortage, .. })) if *shortage == short(9, 1, None))
    );
    assert_eq!(
        (stock(&ledger, 1).await, stock(&ledger, 9).await),
        (Some((10, 0)), None)
    );
    let failed = ledger.order(*order).await.expect("there").expect("recorded");
    assert_eq!((failed.status, failed.shortage), (OrderStatus::Failed, Some(*shortage)));
    assert_eq!(
        events(&ledger).await[..2],
        [(order.get(), OrderStatus::New), (order.get(), OrderStatus::Failed)]
    );
    assert_eq!(events(&ledger).await.len(), 4);
}

/// A batch is decided in the order of arrival: the last units go to who came first.
pub async fn the_first_to_arrive_gets_the_last_units(ledger: impl WholeLedger) {
    let batch = [
        place(draft(&[(1, 6)])),
        place(draft(&[(1, 5)])),
        place(draft(&[(1, 4)])),
    ];
    let answers = run(&ledger, &batch).await;
    placed(&answers[0]);
    assert!(
        matches!(&answers[1], Answer::Placed(Err(PlaceRefusal::NotEnoughStock { shortage, .. })) if shortage.free == Some(4))
    );
    placed(&answers[2]);
    assert_eq!(stock(&ledger, 1).await, Some((10, 10)));
}

/// Paying hands units over, cancelling frees them; repeats succeed, illegal moves are refused.
pub async fn settling_follows_the_state_machine(ledger: impl WholeLedger) {
    let answers = run(
        &ledger,
        &[
            place(draft(&[(1, 2)])),
            place(draft(&[(1, 3)])),
            place(draft(&[(1, 99)])),
        ],
    )
    .await;
    let (first, second) = (placed(&answers[0]).get(), placed(&answers[1]).get());
    let Answer::Placed(Err(PlaceRefusal::NotEnoughStock { order: failed, .. })) = answers[2] else {
        panic!()
    };
    let missing = 1_000_000;
    let batch = [
        pay(first),
        cancel(second),
        pay(first),
        cancel(second),
        cancel(first),
        pay(second),
    ];
    let answers = run(&ledger, &batch).await;
    let illegal = |order, from, to| {
        Err(SettleRefusal::Illegal {
            order: order_id(order),
            illegal: IllegalMove { from, to },
        })
    };
    let expected = [
        Ok(Settled::Now),
        Ok(Settled::Now),
        Ok(Settled::Already),
        Ok(Settled::Already),
        illegal(first, OrderStatus::Payed, OrderStatus::Cancelled),
        illegal(second, OrderStatus::Cancelled, OrderStatus::Payed),
    ];
    assert_eq!(answers, expected.map(Answer::Settled));
    let answers = run(&ledger, &[pay(failed.get()), cancel(failed.get()), pay(missing)]).await;
    let expected = [
        illegal(failed.get(), OrderStatus::Failed, OrderStatus::Payed),
        illegal(failed.get(), OrderStatus::Failed, OrderStatus::Cancelled),
        Err(SettleRefusal::NotFound(order_id(missing))),
    ];
    assert_eq!(answers, expected.map(Answer::Settled));
    assert_eq!(stock(&ledger, 1).await, Some((8, 0)));
    let statuses =
        |history: Vec<(OrderStatus, Moment)>| history.into_iter().map(|(status, _)| status).collect::<Vec<_>>();
    let history = statuses(ledger.history(order_id(second)).await.expect("there"));
    assert_eq!(
        history,
        [OrderStatus::New, OrderStatus::AwaitingPayment, OrderStatus::Cancelled]
    );
    assert_eq!(events(&ledger).await.len(), 3 * 2 + 2);
}

/// The same key and body give the same answer, in a batch and later; another body is refused.
pub async fn a_key_makes_one_order(ledger: impl WholeLedger) {
    let other_user = Draft {
        user: user(2),
        ..keyed(&[(1, 1)], "a")
    };
    let batch = [
        place(keyed(&[(1, 1), (1, 1)], "a")),
        place(keyed(&[(1, 2)], "a")),
        place(keyed(&[(1, 3)], "a")),
        place(other_user),
    ];
    let answers = run(&ledger, &batch).await;
    let order = placed(&answers[0]);
    assert_eq!(placed(&answers[1]), order);
    assert_eq!(answers[2], Answer::Placed(Err(PlaceRefusal::KeyReused)));
    assert_ne!(placed(&answers[3]), order);
    let again = run(
        &ledger,
        &[
            place(keyed(&[(1, 2)], "a")),
            place(keyed(&[(2, 2)], "a")),
            pay(order.get()),
        ],
    )
    .await;
    assert_eq!(
        (placed(&again[0]), &again[1]),
        (order, &Answer::Placed(Err(PlaceRefusal::KeyReused)))
    );
    let later = run(&ledger, &[place(keyed(&[(1, 2)], "a"))]).await;
    assert_eq!(placed(&later[0]), order, "also when it was payed meanwhile");
    assert_eq!(stock(&ledger, 1).await, Some((8, 1)));
}

/// A refusal is remembered under its key too, with the same words.
pub async fn a_key_remembers_a_refusal(ledger: impl WholeLedger) {
    let first = run(&ledger, &[place(keyed(&[(1, 11)], "a"))]).await;
    run(&ledger, &[place(draft(&[(1, 4)]))]).await;
    assert_eq!(run(&ledger, &[place(keyed(&[(1, 11)], "a"))]).await, first);
    assert_eq!(events(&ledger).await.len(), 4);
}

/// Events are numbered in the order of changes, carry their trace, and leave when marked.
pub async fn the_outbox_forgets_only_what_is_marked(ledger: impl WholeLedger) {
    let trace = TraceContext::new(5, 6, 1);
    let batch = [
        Command {
            action: Action::Place(draft(&[(1, 1)])),
            trace,
        },
        place(draft(&[(1, 1)])),
    ];
    run(&ledger, &batch).await;
    let unsent = ledger.unsent(100).await.expect("there");
    assert!(unsent.is_sorted_by(|a, b| a.id < b.id));
    assert_eq!(
        unsent.iter().map(|event| event.change.trace).collect::<Vec<_>>(),
        [trace, trace, None, None]
    );
    assert_eq!(ledger.unsent(2).await.expect("there"), unsent[..2]);
    let backlog = ledger.backlog().await.expect("there");
    assert_eq!((backlog.events, backlog.oldest), (4, Some(now())));
    ledger.mark_sent(vec![unsent[0].id, unsent[2].id]).await.expect("there");
    ledger.mark_sent(vec![unsent[0].id]).await.expect("a repeat is a no-op");
    assert_eq!(ledger.unsent(100).await.expect("there"), [unsent[1], unsent[3]]);
    ledger.mark_sent(vec![unsent[1].id, unsent[3].id]).await.expect("there");
    assert_eq!(ledger.backlog().await.expect("there").oldest, None);
}

/// Only orders that are due expire, and only while they await payment.
pub async fn only_due_orders_expire(ledger: impl WholeLedger) {
    let answers = run(&ledger, &[place(draft(&[(1, 1)])), place(draft(&[(1, 2)]))]).await;
    let (due, payed) = (placed(&answers[0]), placed(&answers[1]));
    let later = now().plus(Duration::from_secs(60));
    let young = run_at(&ledger, &[place(draft(&[(1, 4)]))], later).await.expect("there");
    let young = placed(&young[0]);
    run(&ledger, &[pay(payed.get())]).await;
    assert_eq!(ledger.unpaid(later, 10).await.expect("there"), [due]);
    let expire = [due, payed, young].map(|order| Command {
        action: Action::Settle(SettleCommand::Expire(order, later)),
        trace: None,
    });
    let answers = run(&ledger, &expire).await;
    let expected = [Settled::Now, Settled::NotDue, Settled::NotDue].map(|settled| Answer::Settled(Ok(settled)));
    assert_eq!(answers, expected);
    assert_eq!(stock(&ledger, 1).await, Some((8, 4)));
    assert_eq!(
        ledger
            .unpaid(later.plus(Duration::from_secs(1)), 10)
            .await
            .expect("there"),
        [young]
    );
}

/// What is loaded at first is the first movement; unknown things read as absent.
pub async fn reads_tell_what_is_there(ledger: impl WholeLedger) {
    let movements = ledger.movements(sku(1), 10).await.expect("there");
    assert_eq!(
        movements.iter().map(|movement| movement.units).collect::<Vec<_>>(),
        [10]
    );
    assert!(ledger.movements(sku(99), 10).await.expect("there").is_empty());
    assert_eq!(ledger.order(order_id(77)).await.expect("there"), None);
    assert!(ledger.history(order_id(77)).await.expect("there").is_empty());
    assert_eq!(ledger.stock(sku(1)).await.expect("there"), Stock::new(10, 0).ok());
    assert!(key("x").as_str() == "x");
}

/// Runs the contract of the ledger over an implementation, a test a rule.
#[macro_export]
macro_rules! ledger_contract {
    ($name:ident, $make:expr) => {
        mod $name {
            use super::*;
            use $crate::testing::ledger_contract as suite;
            $crate::ledger_contract!(@each $make =>
                placing_reserves_all_lines
                a_short_line_reserves_nothing
                the_first_to_arrive_gets_the_last_units
                settling_follows_the_state_machine
                a_key_makes_one_order
                a_key_remembers_a_refusal
                the_outbox_forgets_only_what_is_marked
                only_due_orders_expire
                reads_tell_what_is_there
            );
        }
    };
    (@each $make:expr => $($rule:ident)+) => {
        $(#[tokio::test]
        async fn $rule() {
            suite::$rule($make(&[(1, 10), (2, 10)]).await).await;
        })+
    };
}
