//! A guard that does not time: how often the hot paths allocate. Counts are the same on every machine
//! and under any load, so a change that makes a path allocate more fails here. Who makes a path allocate
//! less lowers its bound; who has a reason to allocate more raises it, and says why.
//!
//! Everything runs on the thread that counts: what other threads allocate is not seen.

#[path = "../benches/common/mod.rs"]
mod common;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use adapters::events::Message;
use adapters::grpc::proto::{Item, OrderCreateRequest};
use adapters::kafka::record::{Outgoing, fill};
use adapters::lines::{LineSink, TakesLines};
use adapters::memory::carts::{CartLimits, MemoryCarts};
use adapters::postgres::ledger::PostgresLedger;
use adapters::postgres::testing::Database;
use app::clock::SystemClock;
use app::engine::batcher::{BatchLimits, Batcher, order_book};
use common::{Shape, command, ledger, now, ready, run};
use domain::cart::ports::Carts;
use domain::error::Cause;
use domain::notify::handle::HandleEvent;
use domain::notify::ports::{DeadLetters, Delivery, Position};
use domain::order::batch::{Action, Answer, Command};
use domain::order::event::{OrderEvent, StatusChange};
use domain::order::ports::{Ledger, OrderBook};
use domain::order::settle::SettleCommand;
use domain::order::status::OrderStatus;
use domain::types::{EventId, OrderId, Quantity, Sku, UserId};
use prost::Message as _;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Operations that are counted together.
const COUNT: u64 = 64;

/// Allocations of each of [`COUNT`] operations that `work` does.
fn each(work: impl FnOnce()) -> f64 {
    allocation_counter::measure(work).count_total as f64 / COUNT as f64
}

/// Fails where there are more; and where there are far fewer, because then the bound guards nothing.
fn hold(what: &str, found: f64, bound: f64) {
    assert!(found <= bound, "{what}: {found} allocations each, the bound is {bound}");
    assert!(
        found >= bound * 0.6,
        "{what}: {found} allocations each, far below the bound of {bound}: lower it"
    );
}

fn commands(shape: Shape, from: u64) -> Vec<Command> {
    (from..from + COUNT).map(|at| command(shape, at)).collect()
}

fn settled(answers: Vec<Answer>, of: fn(OrderId) -> SettleCommand) -> Vec<Command> {
    let placed = answers.into_iter().filter_map(|answer| match answer {
        Answer::Placed(placed) => placed.ok(),
        Answer::Settled(_) => None,
    });
    let command = |order| Command {
        action: Action::Settle(of(order)),
        trace: None,
    };
    placed.map(command).collect()
}

fn event(number: i64) -> OrderEvent {
    OrderEvent {
        id: EventId::try_from(number).expect("positive"),
        change: StatusChange {
            order: OrderId::try_from(number).expect("positive"),
            status: OrderStatus::AwaitingPayment,
            moment: now(),
            trace: None,
        },
    }
}

fn messages() -> Vec<Message> {
    (1..=COUNT.cast_signed())
        .map(|number| Message::encode(&event(number)))
        .collect()
}

#[test]
fn the_counter_counts() {
    assert_eq!(each(|| drop(black_box(vec![Box::new(1_u64); 64]))), 65.0 / 64.0);
}

#[test]
fn a_batch_in_memory() {
    for (shape, place, settle) in [
        (Shape::Spread, 0.63, 0.96),
        (Shape::Hot, 0.54, 0.80),
        (Shape::Keyed, 0.88, 0.96),
    ] {
        let ledger = ledger(10_000);
        let batch = commands(shape, 0);
        let mut answers = Vec::new();
        let placing = each(|| answers = run(&ledger, &batch));
        let (payed, cancelled) = {
            let mut all = settled(answers, SettleCommand::Pay);
            let rest = all.split_off(32);
            let cancel = |command: Command| Command {
                action: match command.action {
                    Action::Settle(pay) => Action::Settle(SettleCommand::Cancel(pay.order())),
                    place @ Action::Place(_) => place,
                },
                ..command
            };
            (all, rest.into_iter().map(cancel).collect::<Vec<_>>())
        };
        let settling = each(|| {
            black_box(run(&ledger, &payed));
            black_box(run(&ledger, &cancelled));
        });
        hold(&format!("{shape:?}, create"), placing, place);
        hold(&format!("{shape:?}, pay or cancel"), settling, settle);
    }
}

/// A runtime on this thread.
fn runtime() -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime")
}

fn limits() -> BatchLimits {
    BatchLimits {
        batch_max: 64,
        queue_max: 4_096,
        lanes: 1,
        held_pause: Duration::from_secs(1),
    }
}

async fn all_at_once(book: &Batcher, batch: Vec<Command>) {
    let calls = batch.into_iter().map(|command| async move {
        match command.action {
            Action::Place(draft) => book.place(draft, None).await.map(|placed| placed.is_ok()),
            Action::Settle(settle) => book.settle(settle, None).await.map(|settled| settled.is_ok()),
        }
    });
    for done in futures::future::join_all(calls).await {
        assert!(done.expect("the ledger answers"), "there is enough of everything");
    }
}

/// What a batch of creates allocates, from the callers to the commit; the first one warms up.
fn through_the_book(runtime: &tokio::runtime::Runtime, ledger: impl Ledger) -> f64 {
    let stop = CancellationToken::new();
    let (book, batches) = order_book(limits(), ledger, SystemClock, Arc::new(Notify::new()));
    let running = runtime.spawn(batches.run(stop.clone()));
    let [warm, counted] = [0, COUNT].map(|from| commands(Shape::Spread, from));
    runtime.block_on(all_at_once(&book, warm));
    let found = each(|| runtime.block_on(all_at_once(&book, counted)));
    stop.cancel();
    runtime.block_on(running).expect("no batch panics");
    found
}

#[test]
fn a_create_through_the_order_book_in_memory() {
    let found = through_the_book(&runtime(), ledger(10_000));
    hold("create through the order book, in memory", found, 2.8);
}

/// The driver's share depends a little on how the server's answers come in pieces.
#[test]
fn a_create_through_the_order_book_in_postgres() {
    let runtime = runtime();
    let (ledger, database) = runtime.block_on(async {
        let database = Database::fresh().await;
        let filling = "insert into stock (sku, total_count) select n, 1000000 from generate_series(1, 10000) n";
        let filled = database.admin().await.batch_execute(filling).await;
        filled.expect("the stock is new");
        (PostgresLedger::new(database.connector()).expect("a pool"), database)
    });
    let found = through_the_book(&runtime, ledger);
    hold("create through the order book, in Postgres", found, 7.5);
    drop(runtime);
    drop(database);
}

#[test]
fn a_request_is_decoded() {
    let item = |sku| Item { sku, count: 1 };
    let request = OrderCreateRequest {
        user_id: 1,
        items: (1..=3).map(item).collect(),
    };
    let bytes = request.encode_to_vec();
    let found = each(|| {
        for _ in 0..COUNT {
            black_box(OrderCreateRequest::decode(bytes.as_slice()).expect("it was encoded"));
        }
    });
    hold("OrderCreate decoded", found, 1.0);
}

#[test]
fn an_event_on_its_way_to_the_broker() {
    let events: Vec<OrderEvent> = (1..=COUNT.cast_signed()).map(event).collect();
    let found = each(|| {
        let records = events.iter().map(|event| {
            let message = Message::encode(event);
            Outgoing {
                headers: message.headers(),
                key: Some(message.key.into_vec()),
                value: Some(message.value.into_vec()),
                sent: now(),
            }
        });
        black_box(fill("loms.order-events", records.collect(), Outgoing::bytes_max));
    });
    hold("an event encoded and framed", found, 14.3);
}

/// Nothing is put aside here.
/// Takes every line.
#[derive(Debug, Clone, Copy)]
struct Nowhere;

impl TakesLines for Nowhere {
    fn take(&self, lines: &[u8]) -> (usize, std::io::Result<()>) {
        (lines.len(), Ok(()))
    }
}

#[derive(Debug, Clone, Copy)]
struct NoLetters;

impl DeadLetters for NoLetters {
    async fn put(&self, delivery: &Delivery, reason: &str) -> Result<(), Cause> {
        panic!("{delivery:?} is put aside: {reason}")
    }
}

#[test]
fn an_event_on_its_way_to_a_line() {
    let messages = messages();
    let sink = LineSink::new(Nowhere, || now().to_string());
    let mut handler = HandleEvent::new(sink, NoLetters, 1_000);
    let found = each(|| {
        for (offset, message) in messages.iter().enumerate() {
            let position = Position {
                partition: 0,
                offset: i64::try_from(offset).expect("small"),
            };
            let delivery = Delivery {
                position,
                content: message.decode(),
                key: None,
                value: None,
                headers: BTreeMap::new(),
            };
            black_box(ready(handler.run(&delivery)).expect("the sink takes it"));
        }
    });
    hold("an event decoded, told from repeats, and written", found, 8.6);
}

#[test]
fn a_line_of_a_cart() {
    let carts = MemoryCarts::new(CartLimits {
        carts_max: 1_000,
        answers_max: 1_000,
    });
    let user = UserId::try_from(1).expect("positive");
    let add = |sku| {
        let sku = Sku::try_from(sku).expect("positive");
        ready(carts.add(user, sku, Quantity::ONE, u32::MAX)).expect("there is room");
    };
    (1..=10).for_each(add);
    // Nothing at all: the line is there already.
    let found = each(|| (0..COUNT.cast_signed()).for_each(|at| add(1 + at % 10)));
    assert_eq!(found, 0.0, "one more unit of a line");
}
