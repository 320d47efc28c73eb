//! Two processes on one database race: for the last units of a sku, and to settle the same orders.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use adapters::postgres::testing::Database;
use futures::StreamExt;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio_postgres::Client as Sql;

use crate::figures::{figure, now, rounds, seed, until};
use crate::harness::PATIENCE;
use crate::load::{Client, Draft, Settle, Told};
use crate::loms::{Loms, audited};
use crate::verify::whole;

const SKU: i64 = 1;
/// Orders that are raced for at a time.
const ROUND: usize = 2_000;
/// Callers at a time.
const CALLERS: usize = 128;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_units_are_sold_to_a_hundred_buyers() {
    const UNITS: u32 = 100;
    let buyers = rounds(1_000, 10_000);
    let database = Database::fresh().await;
    database.stock(&[(SKU, UNITS), (2, 1_000)]).await;
    let sql = database.admin().await;
    let url = database.url();
    // Small batches: the units are sold by many transactions of both.
    let settings = [("loms.batch_max", "4")];
    let (one, other) = tokio::join!(Loms::start(&url, &settings), Loms::start(&url, &settings));
    let clients: Vec<_> = (0..16)
        .map(|at| Client::of(&[one.grpc(), other.grpc()][at % 2]))
        .collect();
    for client in &clients {
        // Connected, and ready to race.
        let draft = Draft {
            user: 1_000_000,
            key: String::new(),
            lines: vec![(2, 1)],
        };
        let told = again(async || client.clone().create(&draft).await).await;
        assert!(matches!(told, Told::Done(_)), "{told:?}");
    }
    let calls = (0..buyers).map(|buyer| {
        let mut client = clients[buyer % clients.len()].clone();
        let user = i64::try_from(buyer).unwrap() + 1;
        async move {
            let draft = Draft {
                user,
                key: String::new(),
                lines: vec![(SKU, 1)],
            };
            let told = again(async || client.create(&draft).await).await;
            (buyer % 2, told)
        }
    });
    let began = now();
    let told: Vec<_> = futures::stream::iter(calls).buffer_unordered(CALLERS).collect().await;
    let took = began.elapsed();
    let sold = |at: Option<usize>| {
        let sold = told
            .iter()
            .filter(|(from, told)| at.is_none_or(|at| at == *from) && matches!(told, Told::Done(_)));
        sold.count()
    };
    let refused = told
        .iter()
        .filter(|(_, told)| matches!(told, Told::Refused(tonic::Code::FailedPrecondition)));
    let refused = refused.count();
    figure(format!(
        "oversell race: {UNITS} units, {buyers} buyers, two processes: {} sold ({} and {}), {refused} refused, in {} ms",
        sold(None),
        sold(Some(0)),
        sold(Some(1)),
        took.as_millis()
    ));
    assert_eq!((sold(None), refused), (100, buyers - 100));
    assert!(sold(Some(0)) > 0 && sold(Some(1)) > 0, "it was no race");
    let query = "select reserved, (select count(*) from orders join order_items on order_id = id
        where status = 'awaiting payment' and order_items.sku = stock.sku) from stock where sku = 1";
    let row = sql.query_one(query, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (100, 100));
    whole(&sql).await;
    for loms in [one, other] {
        loms.stop().await;
    }
    audited(&url).await;
}

/// Repeats what was not done.
async fn again<T: PartialEq + Copy>(mut call: impl AsyncFnMut() -> Told<T>) -> Told<T> {
    loop {
        let told = call().await;
        if told != Told::NotDone {
            return told;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Who may settle an order first.
#[derive(Debug, Default)]
struct Winners {
    payed: usize,
    /// Somebody cancelled it, before or after it would have expired.
    cancelled_or_expired: usize,
    /// Nobody cancelled it.
    expired: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_payed_or_cancelled_or_expires_and_never_two_of_them() {
    let orders = rounds(2_000, 100_000);
    let database = Database::fresh().await;
    database.stock(&[(SKU, 4_000_000_000)]).await;
    let sql = database.admin().await;
    let url = database.url();
    let settings = [
        ("order.payment_window_seconds", "1"),
        ("order.expiry_interval_ms", "20"),
    ];
    let (one, other) = tokio::join!(Loms::start(&url, &settings), Loms::start(&url, &settings));
    let clients: Vec<_> = (0..16)
        .map(|at| Client::of(&[one.grpc(), other.grpc()][at % 2]))
        .collect();
    let clients = Arc::new(clients);
    let mut random = StdRng::seed_from_u64(seed());
    let (mut winners, began) = (Winners::default(), now());
    for _ in 0..orders.div_ceil(ROUND) {
        let ids = ids(&sql).await;
        let told = race(&sql, &ids, &clients, &mut random).await;
        let settled = settled(&sql, &ids).await;
        for id in ids {
            winners.count(&settled[&id], told[&id]);
        }
    }
    let lines = one.lines().into_iter().chain(other.lines());
    let expired = lines.filter(|line| line["msg"] == "unpaid orders cancelled");
    let expired: u64 = expired.map(|line| line["orders"].as_u64().unwrap()).sum();
    figure(format!(
        "{} orders, pay against cancel against expiry, two processes: {winners:?}, {expired} by expiry, in {} s",
        orders.div_ceil(ROUND) * ROUND,
        began.elapsed().as_secs()
    ));
    assert!(
        winners.payed > 0 && winners.cancelled_or_expired > 0 && winners.expired > 0,
        "it was no race: {winners:?}"
    );
    let twice = "select count(*) from (select from order_events where status in ('payed', 'cancelled')
        group by order_id having count(*) <> 1) twice";
    assert_eq!(sql.query_one(twice, &[]).await.unwrap().get::<_, i64>(0), 0);
    whole(&sql).await;
    for loms in [one, other] {
        loms.stop().await;
    }
    audited(&url).await;
}

impl Winners {
    /// Fails if the answers do not fit what is there.
    fn count(&mut self, status: &str, (pay, cancel): (Told<()>, Option<Told<()>>)) {
        let refused = Told::Refused(tonic::Code::FailedPrecondition);
        match (status, pay, cancel) {
            ("payed", Told::Done(()), None) => self.payed += 1,
            ("payed", Told::Done(()), Some(cancel)) if cancel == refused => self.payed += 1,
            // Nobody cancelled it: it has expired.
            ("cancelled", pay, None) if pay == refused => self.expired += 1,
            ("cancelled", pay, Some(Told::Done(()))) if pay == refused => self.cancelled_or_expired += 1,
            other => panic!("two of them, or none: {other:?}"),
        }
    }
}

/// Makes unpaid orders and, at about the moment when each expires, pays all of them and cancels two
/// thirds, at either process. What was told.
async fn race(
    sql: &Sql,
    ids: &[i64],
    clients: &Arc<Vec<Client>>,
    random: &mut StdRng,
) -> HashMap<i64, (Told<()>, Option<Told<()>>)> {
    const SPREAD: f64 = 3.0;
    let due: Vec<f64> = ids.iter().map(|_| random.random_range(0.2..SPREAD)).collect();
    make(sql, ids, &due).await;
    let began = now();
    let mut calls: Vec<(Duration, i64, Settle)> = Vec::new();
    for (id, due) in ids.iter().zip(due) {
        let mut at = || Duration::from_secs_f64(due + random.random_range(-0.1..0.1));
        calls.push((at(), *id, Settle::Pay));
        if id % 3 != 0 {
            calls.push((at(), *id, Settle::Cancel));
        }
    }
    calls.sort_unstable_by_key(|(at, ..)| *at);
    let calls = calls.into_iter().enumerate().map(|(number, (at, id, how))| {
        let mut client = clients[number % clients.len()].clone();
        async move {
            tokio::time::sleep(at.saturating_sub(began.elapsed())).await;
            (id, how, again(async || client.settle(how, id).await).await)
        }
    });
    let answers: Vec<_> = futures::stream::iter(calls).buffer_unordered(CALLERS).collect().await;
    let mut told = HashMap::new();
    for (id, how, answer) in answers {
        let entry = told.entry(id).or_insert((Told::Lost, None));
        match how {
            Settle::Pay => entry.0 = answer,
            Settle::Cancel => entry.1 = Some(answer),
        }
    }
    told
}

/// Ids for a round, in blocks as LOMS takes them.
async fn ids(sql: &Sql) -> Vec<i64> {
    let query = "select first + at from (select nextval('order_id_blocks') as first
        from generate_series(1, $1::bigint / 1000)) blocks, generate_series(0, 999) at";
    let round = i64::try_from(ROUND).unwrap();
    let ids = sql.query(query, &[&round]).await.unwrap();
    ids.iter().map(|row| row.get(0)).collect()
}

/// As LOMS makes them, but many at once, each to expire in so many seconds.
async fn make(sql: &Sql, ids: &[i64], due: &[f64]) {
    let statement = "with made as (
            insert into orders (id, user_id, status, placed_at)
            select id, 1, 'awaiting payment', now() + (due - 1) * interval '1 second'
            from unnest($1::bigint[], $2::float8[]) as o (id, due)
            returning id, placed_at),
        items as (insert into order_items (order_id, sku, count) select id, 1, 1 from made),
        history as (
            insert into order_events (order_id, status, moment, event_id)
            select id, status::order_status, placed_at, nextval('event_ids') from made,
                (values (0, 'new'), (1, 'awaiting payment')) as step (step, status) order by id, step),
        taken as (update stock set reserved = reserved + cardinality($1::bigint[]) where sku = 1)
        select count(*) from made";
    let made: i64 = sql.query_one(statement, &[&ids, &due]).await.unwrap().get(0);
    assert_eq!(usize::try_from(made).unwrap(), ids.len());
}

/// The status of each order, once all are settled.
async fn settled(sql: &Sql, ids: &[i64]) -> HashMap<i64, String> {
    let query = "select id, status::text from orders where id = any($1) and status <> 'awaiting payment'";
    let mut settled = HashMap::new();
    until("every order is settled", PATIENCE, async || {
        settled = sql
            .query(query, &[&ids])
            .await
            .unwrap()
            .iter()
            .map(|row| (row.get(0), row.get(1)))
            .collect();
        settled.len() == ids.len()
    })
    .await;
    settled
}
