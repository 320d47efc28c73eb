//! Compares what clients were told with what is in the database, and looks whether the ledger is
//! whole.

use std::collections::HashMap;
use std::time::Duration;

use futures::StreamExt;
use tokio_postgres::Client as Sql;

use crate::figures::now;
use crate::harness::PATIENCE;
use crate::load::{Call, Client, Settle, Told};

/// What must find nothing, each with what it looks for. An order and its reservation are made as
/// one: that none is half there is the sum of these.
const WHOLE: [(&str, &str); 7] = [
    (
        "orders without items",
        "select count(*) from orders o where not exists (select from order_items i where i.order_id = o.id)",
    ),
    (
        "orders whose history does not lead to their status",
        "select count(*) from orders o where
            (select array_agg(status::text order by step) from order_events e where e.order_id = o.id)
            is distinct from case status
                when 'awaiting payment' then array['new', 'awaiting payment']
                when 'failed' then array['new', 'failed']
                else array['new', 'awaiting payment', status::text] end",
    ),
    (
        "histories whose event ids do not ascend",
        "select count(*) from order_events a join order_events b using (order_id)
            where a.step < b.step and a.event_id >= b.event_id",
    ),
    (
        "event ids that were given twice",
        "select count(*) from (select from order_events group by event_id having count(*) > 1) twice",
    ),
    (
        "unsent events of another content than their history",
        "select count(*) from outbox u join order_events e using (order_id, step)
            where u.event_id <> e.event_id or u.status <> e.status or u.moment <> e.moment",
    ),
    (
        "skus whose reserved units are not those of orders that await payment",
        "select count(*) from stock s where reserved <> coalesce((select sum(i.count) from order_items i
            join orders o on o.id = i.order_id where i.sku = s.sku and o.status = 'awaiting payment'), 0)",
    ),
    (
        "skus whose units are not those that came less those that were payed",
        "select count(*) from stock s where total_count <>
            coalesce((select sum(units) from stock_movements m where m.sku = s.sku), 0)
            - coalesce((select sum(i.count) from order_items i
                join orders o on o.id = i.order_id where i.sku = s.sku and o.status = 'payed'), 0)",
    ),
];

/// Fails unless the ledger is whole.
pub(crate) async fn whole(sql: &Sql) {
    for (what, query) in WHOLE {
        let found: i64 = sql.query_one(query, &[]).await.unwrap().get(0);
        assert_eq!(found, 0, "{what}");
    }
}

/// An order with a key, as it is in the database.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) order: i64,
    pub(crate) status: String,
    pub(crate) lines: Vec<(i64, u32)>,
}

/// All orders with keys, by user and key.
pub(crate) async fn found(sql: &Sql) -> HashMap<(i64, String), Found> {
    let rows = sql
        .query(
            "select k.user_id, k.key, o.id, o.status::text,
                array_agg(i.sku order by i.sku), array_agg(i.count order by i.sku)
            from idempotency_keys k join orders o on o.id = k.order_id and o.user_id = k.user_id
            left join order_items i on i.order_id = o.id group by k.user_id, k.key, o.id",
            &[],
        )
        .await
        .unwrap();
    let found = rows.iter().map(|row| {
        let (skus, counts): (Vec<i64>, Vec<i64>) = (row.get(4), row.get(5));
        let counts = counts.into_iter().map(|count| u32::try_from(count).unwrap());
        let found = Found {
            order: row.get(2),
            status: row.get(3),
            lines: skus.into_iter().zip(counts).collect(),
        };
        ((row.get(0), row.get(1)), found)
    });
    found.collect()
}

/// Fails unless one call and what is there of it agree.
fn agree(call: &Call, found: Option<&Found>) {
    for told in &call.created {
        match (told, found) {
            (Told::Done(order), Some(found)) => {
                assert_eq!((*order, &call.draft.lines), (found.order, &found.lines), "{call:?}");
                assert_ne!(found.status, "failed", "{call:?}");
            }
            (Told::Refused(_), Some(found)) => assert_eq!(found.status, "failed", "{call:?}"),
            (Told::Done(_) | Told::Refused(_), None) => panic!("answered, and not there: {call:?}"),
            (Told::NotDone | Told::Unknown | Told::Lost | Told::Unreached, _) => {}
        }
    }
    let nothing = |told: &Told<i64>| matches!(told, Told::NotDone | Told::Unreached);
    if call.created.iter().all(nothing) {
        assert!(found.is_none(), "it was not done, they said: {call:?} {found:?}");
    }
    let (Some((how, told)), Some(found)) = (&call.settled, found) else {
        return;
    };
    let wanted = match how {
        Settle::Pay => "payed",
        Settle::Cancel => "cancelled",
    };
    match told {
        Told::Done(()) => assert_eq!(found.status, wanted, "{call:?}"),
        Told::NotDone | Told::Unreached => assert_eq!(found.status, "awaiting payment", "{call:?}"),
        Told::Unknown | Told::Lost => {
            assert!(
                [wanted, "awaiting payment"].contains(&found.status.as_str()),
                "{call:?} {found:?}"
            );
        }
        Told::Refused(code) => panic!("nobody else settles this order: {code:?} {call:?}"),
    }
}

/// How many calls ended how.
#[derive(Debug, Default)]
pub(crate) struct Verified {
    pub(crate) done: usize,
    pub(crate) refused: usize,
    pub(crate) not_done: usize,
    /// The caller knows nothing, and the order is there.
    pub(crate) unknown_done: usize,
    /// The caller knows nothing, and it is not.
    pub(crate) unknown_not_done: usize,
}

/// Fails unless every call of a load that made all orders with keys agrees with the database, before
/// and after everything without an answer is repeated at this LOMS, which has to give one order and
/// the same answer twice.
pub(crate) async fn verify(sql: &Sql, calls: &[Call], loms: &str) -> Verified {
    let there = found(sql).await;
    let at = |call: &Call| there.get(&(call.draft.user, call.draft.key.clone()));
    let mut verified = Verified::default();
    for call in calls {
        agree(call, at(call));
        let unclear = |told: &Told<i64>| matches!(told, Told::Unknown | Told::Lost);
        match at(call) {
            _ if call.order().is_some() => verified.done += 1,
            _ if call.created.iter().any(|told| matches!(told, Told::Refused(_))) => verified.refused += 1,
            Some(_) => verified.unknown_done += 1,
            None if call.created.iter().any(unclear) => verified.unknown_not_done += 1,
            None => verified.not_done += 1,
        }
    }
    assert!(there.len() <= calls.len(), "more orders than calls");
    whole(sql).await;
    repeat(calls, &there, loms).await;
    let after = found(sql).await;
    for call in calls {
        agree_after(call, after.get(&(call.draft.user, call.draft.key.clone())));
    }
    let orders: i64 = sql
        .query_one(
            "select count(*) from orders where exists
        (select from idempotency_keys k where k.order_id = orders.id)",
            &[],
        )
        .await
        .unwrap()
        .get(0);
    assert_eq!(usize::try_from(orders).unwrap(), after.len(), "one order a key");
    whole(sql).await;
    verified
}

/// After the repeats every key has its order, and every order that was to be settled is.
fn agree_after(call: &Call, found: Option<&Found>) {
    let found = found.unwrap_or_else(|| panic!("repeated, and still not there: {call:?}"));
    assert_eq!(call.draft.lines, found.lines, "{call:?}");
    let wanted = match call.settled {
        Some((Settle::Pay, _)) => "payed",
        Some((Settle::Cancel, _)) => "cancelled",
        None => return,
    };
    assert_eq!(found.status, wanted, "{call:?}");
}

async fn repeat(calls: &[Call], there: &HashMap<(i64, String), Found>, loms: &str) {
    let client = Client::of(loms);
    let repeats = calls.iter().map(|call| {
        let found = there.get(&(call.draft.user, call.draft.key.clone()));
        repeat_one(call, found, client.clone())
    });
    futures::stream::iter(repeats)
        .buffer_unordered(32)
        .collect::<()>()
        .await;
}

async fn repeat_one(call: &Call, found: Option<&Found>, client: Client) {
    let last = call.created.last().copied().unwrap_or(Told::Lost);
    if !matches!(last, Told::Done(_) | Told::Refused(_)) {
        let create = async || client.clone().create(&call.draft).await;
        let answers = [insist(create).await, insist(create).await];
        assert_eq!(answers[0], answers[1], "two repeats, two answers: {call:?}");
        match (answers[0], found) {
            (Told::Done(order), Some(found)) => assert_eq!(order, found.order, "{call:?}"),
            (Told::Done(_) | Told::Refused(_), None) => {}
            (Told::Refused(_), Some(found)) => assert_eq!(found.status, "failed", "{call:?}"),
            (answer, _) => panic!("a repeat is answered {answer:?}: {call:?}"),
        }
    }
    if let Some((how, told)) = call.settled
        && told != Told::Done(())
    {
        let order = call.order().unwrap();
        let settled = insist(async || client.clone().settle(how, order).await).await;
        assert_eq!(settled, Told::Done(()), "{call:?}");
    }
}

/// Calls again, for a while, what was not done.
async fn insist<T>(call: impl AsyncFn() -> Told<T>) -> Told<T> {
    let began = now();
    loop {
        let told = call().await;
        if !matches!(told, Told::NotDone) || began.elapsed() > PATIENCE {
            return told;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
