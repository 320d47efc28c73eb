//! The unit of work, statement by statement.

use sql::queries::unit;
use sql::types::OrderStatus;

use super::{at, with_orders};
use crate::support::number;

#[tokio::test]
async fn next_order_ids_gives_blocks_that_do_not_overlap() {
    let (_database, client) = with_orders().await;
    let first = unit::next_order_ids().bind(&client, &2).all().await.unwrap();
    let next = unit::next_order_ids().bind(&client, &1).all().await.unwrap();
    assert_eq!((first, next), (vec![1, 1001], vec![2001]));
}

#[tokio::test]
async fn lock_orders_gives_them_ascending_and_holds_them() {
    let (database, client) = with_orders().await;
    client.batch_execute("begin").await.unwrap();
    let rows = unit::lock_orders().bind(&client, &vec![3, 77, 1]).all().await.unwrap();
    let heads: Vec<_> = rows.iter().map(|row| (row.id, row.user_id, row.status)).collect();
    assert_eq!(
        heads,
        [(1, 7, OrderStatus::awaiting_payment), (3, 8, OrderStatus::failed)]
    );
    assert_eq!((rows[0].placed_at, rows[0].short_sku), (at(0), None));
    assert_eq!(
        (rows[1].short_sku, rows[1].short_wanted, rows[1].short_free),
        (Some(99), Some(5), None)
    );
    let other = database.admin().await;
    let held = unit::held_orders()
        .bind(&other, &vec![1, 2, 3, 77])
        .all()
        .await
        .unwrap();
    assert_eq!(sorted(held), [1, 3]);
}

fn sorted(mut ids: Vec<i64>) -> Vec<i64> {
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn items_of_orders_come_in_the_order_of_orders_and_skus() {
    let (_database, client) = with_orders().await;
    let items = unit::items_of_orders().bind(&client, &vec![2, 1]).all().await.unwrap();
    let items: Vec<_> = items.iter().map(|item| (item.order_id, item.sku, item.count)).collect();
    assert_eq!(items, [(1, 10, 1), (1, 11, 2), (2, 12, 3)]);
}

#[tokio::test]
async fn lock_stock_takes_that_of_drafts_and_of_orders_ascending() {
    let (database, client) = with_orders().await;
    client.batch_execute("begin").await.unwrap();
    let rows = unit::lock_stock()
        .bind(&client, &vec![12, 55], &vec![1])
        .all()
        .await
        .unwrap();
    let rows: Vec<_> = rows
        .iter()
        .map(|row| (row.sku, row.total_count, row.reserved))
        .collect();
    assert_eq!(rows, [(10, 100, 5), (11, 100, 2), (12, 100, 0)]);
    client.batch_execute("rollback; begin").await.unwrap();
    unit::lock_stock()
        .bind(&client, &vec![12], &Vec::new())
        .all()
        .await
        .unwrap();
    let other = database.admin().await;
    let held = unit::held_stock()
        .bind(&other, &vec![10, 11, 12, 55])
        .all()
        .await
        .unwrap();
    assert_eq!(held, [12]);
    client.batch_execute("rollback").await.unwrap();
    assert!(
        unit::held_stock()
            .bind(&other, &vec![12])
            .all()
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        unit::held_orders()
            .bind(&other, &vec![1])
            .all()
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn recorded_orders_are_found_by_user_and_key() {
    let (_database, client) = with_orders().await;
    let (users, keys) = (vec![8, 7, 7], vec!["a", "b", "a"]);
    let rows = unit::recorded_orders()
        .bind(&client, &users, &keys)
        .all()
        .await
        .unwrap();
    let rows: Vec<_> = rows
        .iter()
        .map(|row| (row.user_id, row.key.as_str(), row.id, row.sku, row.count))
        .collect();
    assert_eq!(rows, [(7, "a", 1, 10, 1), (7, "a", 1, 11, 2)]);
}

#[tokio::test]
async fn insert_orders_and_insert_items_write_all_rows() {
    let (_database, client) = with_orders().await;
    let (users, statuses) = (vec![7, 7], vec![OrderStatus::awaiting_payment, OrderStatus::failed]);
    let (skus, wanted, free) = (vec![None, Some(10)], vec![None, Some(9)], vec![None, Some(8)]);
    let (ids, placed_at) = (vec![21, 22], vec![at(0), at(1)]);
    let insert = unit::insert_orders();
    let inserted = insert.bind(&client, &ids, &users, &statuses, &placed_at, &skus, &wanted, &free);
    assert_eq!(inserted.one().await.unwrap(), 2);
    let short = "select count(*) from orders where id = 22 and status = 'failed' and user_id = 7
        and (short_sku, short_wanted, short_free) = (10, 9, 8) and settled_at is null";
    assert_eq!(number(&client, short).await, 1);
    let (orders, skus, counts) = (vec![21, 21, 22], vec![10, 11, 10], vec![1, 2, 9]);
    let items = unit::insert_items();
    assert_eq!(items.bind(&client, &orders, &skus, &counts).one().await.unwrap(), 3);
    let units = number(
        &client,
        "select sum(sku * count)::bigint from order_items where order_id > 20",
    )
    .await;
    assert_eq!(units, 10 + 22 + 90);
}

#[tokio::test]
async fn settle_orders_settles_all_or_divides_by_zero() {
    let (_database, client) = with_orders().await;
    let settle = unit::settle_orders();
    let (payed, moments) = (vec![OrderStatus::payed, OrderStatus::cancelled], vec![at(9), at(9)]);
    for refused in [vec![1, 2], vec![1, 77], vec![1, 3]] {
        let error = settle
            .bind(&client, &refused, &payed, &moments)
            .one()
            .await
            .unwrap_err();
        assert_eq!(error.code().unwrap().code(), "22012", "{refused:?}");
    }
    assert_eq!(
        settle.bind(&client, &vec![1, 4], &payed, &moments).one().await.unwrap(),
        1
    );
    let settled = "select count(*) from orders where settled_at = timestamptz '2026-01-02 03:04:14Z'
        and (id, status) in ((1, 'payed'), (4, 'cancelled'))";
    assert_eq!(number(&client, settled).await, 2);
}

#[tokio::test]
async fn insert_events_numbers_them_in_the_order_of_the_batch() {
    let (_database, client) = with_orders().await;
    client.batch_execute("select setval('event_ids', 100)").await.unwrap();
    let (orders, statuses) = (vec![4, 1], vec![OrderStatus::cancelled, OrderStatus::payed]);
    let trace = "00-00000000000000000000000000000005-0000000000000006-01";
    let (moments, traces) = (vec![at(9), at(8)], vec![Some(trace), None]);
    let insert = unit::insert_events();
    assert_eq!(
        insert
            .bind(&client, &orders, &statuses, &moments, &traces)
            .one()
            .await
            .unwrap(),
        2
    );
    let both = format!(
        "select count(*) from order_events h join outbox o using (event_id, order_id, step, status, moment)
        where (event_id, order_id, step, coalesce(traceparent, '')) in ((101, 4, 2, '{trace}'), (102, 1, 2, ''))"
    );
    assert_eq!(number(&client, &both).await, 2);
}

#[tokio::test]
async fn insert_keys_refuses_one_that_was_recorded_meanwhile() {
    let (_database, client) = with_orders().await;
    let insert = unit::insert_keys();
    let (users, orders, moments) = (vec![7, 8], vec![2, 4], vec![at(1), at(1)]);
    let fresh = vec!["b", "a"];
    assert_eq!(
        insert
            .bind(&client, &users, &fresh, &orders, &moments)
            .one()
            .await
            .unwrap(),
        2
    );
    let taken = vec!["a", "c"];
    let error = insert
        .bind(&client, &users, &taken, &orders, &moments)
        .one()
        .await
        .unwrap_err();
    assert_eq!(error.as_db_error().unwrap().constraint(), Some("idempotency_keys_pkey"));
    assert_eq!(number(&client, "select count(*) from idempotency_keys").await, 3);
}

#[tokio::test]
async fn update_stock_changes_all_or_divides_by_zero() {
    let (_database, client) = with_orders().await;
    let update = unit::update_stock();
    let (totals, reserved) = (vec![99, 98], vec![4, 3]);
    let error = update
        .bind(&client, &vec![10, 55], &totals, &reserved)
        .one()
        .await
        .unwrap_err();
    assert_eq!(error.code().unwrap().code(), "22012");
    assert_eq!(
        update
            .bind(&client, &vec![10, 11], &totals, &reserved)
            .one()
            .await
            .unwrap(),
        1
    );
    let changed =
        "select count(*) from stock where (sku, total_count, reserved) in ((10, 99, 4), (11, 98, 3), (12, 100, 0))";
    assert_eq!(number(&client, changed).await, 3);
}
