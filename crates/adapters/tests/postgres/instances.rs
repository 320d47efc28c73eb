//! Two instances of LOMS over one database: what one creates the other pays.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use adapters::postgres::connect::Connector;
use adapters::postgres::testing::{Database, WholeLedger};
use domain::order::batch::Answer;
use domain::order::ports::Outbox;
use domain::order::settle::Settled;
use domain::order::status::OrderStatus;
use domain::testing::build::{draft, pay, place};
use domain::testing::ledger_contract::{run, stock};
use domain::types::OrderId;
use futures::future::join_all;

use crate::support::{patient, placed};

const ORDERS: usize = 10_000;
const BATCH: usize = 50;
const LANES: usize = 4;

/// Creates batches on one instance and pays each on another, as soon as it is created.
async fn lane(creates: Arc<WholeLedger>, pays: Arc<WholeLedger>, sku: i64) -> Vec<OrderId> {
    let drafts: Vec<_> = (0..BATCH).map(|_| place(draft(&[(sku, 1), (9, 1)]))).collect();
    let mut orders = Vec::new();
    for _ in 0..ORDERS / LANES / BATCH {
        let created: Vec<OrderId> = run(&*creates, &drafts).await.iter().map(placed).collect();
        let payments: Vec<_> = created.iter().map(|order| pay(order.get())).collect();
        for answer in run(&*pays, &payments).await {
            assert_eq!(answer, Answer::Settled(Ok(Settled::Now)));
        }
        orders.extend(created);
    }
    orders
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_creates_and_another_pays_has_its_events_in_order() {
    let all = u32::try_from(ORDERS).unwrap();
    let records = [(1, all), (2, all), (3, all), (4, all), (9, all)];
    let database = Arc::new(Database::fresh().await);
    database.stock(&records).await;
    let instance = async || {
        let connector = Connector::new(patient(database.settings()));
        Arc::new(WholeLedger::connected(connector, Arc::clone(&database)).await)
    };
    let (one, other) = (instance().await, instance().await);
    let lanes = (0..LANES).map(|lane_of| {
        let (creates, pays) = if lane_of % 2 == 0 {
            (&one, &other)
        } else {
            (&other, &one)
        };
        tokio::spawn(lane(Arc::clone(creates), Arc::clone(pays), lane_of as i64 + 1))
    });
    let orders: Vec<OrderId> = join_all(lanes).await.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(orders.len(), ORDERS);
    assert_eq!(orders.iter().collect::<HashSet<_>>().len(), ORDERS, "each id once");

    let events = one.unsent(usize::MAX).await.unwrap();
    assert!(events.is_sorted_by(|a, b| a.id < b.id));
    let mut of_orders: HashMap<OrderId, Vec<OrderStatus>> = HashMap::new();
    for event in events {
        of_orders
            .entry(event.change.order)
            .or_default()
            .push(event.change.status);
    }
    let way = [OrderStatus::New, OrderStatus::AwaitingPayment, OrderStatus::Payed];
    for order in &orders {
        assert_eq!(of_orders.remove(order).as_deref(), Some(&way[..]), "{order}");
    }
    assert!(
        of_orders.is_empty(),
        "events of orders that nobody created: {of_orders:?}"
    );
    assert_eq!(stock(&*other, 9).await, Some((0, 0)));
}
