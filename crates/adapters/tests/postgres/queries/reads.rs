//! What is read of orders and stock.

use sql::queries::reads;
use sql::types::OrderStatus;

use super::{at, with_orders};

#[tokio::test]
async fn order_by_id_gives_an_item_a_row() {
    let (_database, client) = with_orders().await;
    let rows = reads::order_by_id().bind(&client, &1).all().await.unwrap();
    let items: Vec<_> = rows
        .iter()
        .map(|row| (row.id, row.user_id, row.status, row.sku, row.count))
        .collect();
    let awaiting = OrderStatus::awaiting_payment;
    assert_eq!(items, [(1, 7, awaiting, 10, 1), (1, 7, awaiting, 11, 2)]);
    let failed = reads::order_by_id().bind(&client, &3).one().await.unwrap();
    assert_eq!(
        (failed.short_sku, failed.short_wanted, failed.short_free),
        (Some(99), Some(5), None)
    );
    assert_eq!(failed.placed_at, at(2));
    assert!(reads::order_by_id().bind(&client, &77).all().await.unwrap().is_empty());
}

#[tokio::test]
async fn history_of_order_comes_in_its_steps() {
    let (_database, client) = with_orders().await;
    let rows = reads::history_of_order().bind(&client, &2).all().await.unwrap();
    let statuses: Vec<_> = rows.iter().map(|row| row.status).collect();
    assert_eq!(
        statuses,
        [OrderStatus::new, OrderStatus::awaiting_payment, OrderStatus::payed]
    );
    assert_eq!(rows[0].moment, at(1));
}

#[tokio::test]
async fn unpaid_orders_are_the_oldest_before_a_moment() {
    let (_database, client) = with_orders().await;
    let unpaid = reads::unpaid_orders();
    for (before, limit, expected) in [
        (at(0), 10, vec![]),
        (at(1), 10, vec![1]),
        (at(60), 10, vec![1]),
        (at(61), 10, vec![1, 4]),
        (at(61), 1, vec![1]),
    ] {
        let found = unpaid.bind(&client, &before, &limit).all().await.unwrap();
        assert_eq!(found, expected, "before {before}, at most {limit}");
    }
}

#[tokio::test]
async fn stock_by_sku_is_one_record_or_none() {
    let (_database, client) = with_orders().await;
    let found = reads::stock_by_sku().bind(&client, &10).one().await.unwrap();
    assert_eq!((found.total_count, found.reserved), (100, 5));
    assert!(reads::stock_by_sku().bind(&client, &55).opt().await.unwrap().is_none());
}

#[tokio::test]
async fn movements_of_sku_come_in_their_order() {
    let (_database, client) = with_orders().await;
    let more = "insert into stock_movements (sku, units, reason, moment) values
        (10, -3, 'broken', timestamptz '2026-01-02 03:04:05Z'), (11, 4, 'found', now())";
    client.batch_execute(more).await.unwrap();
    let rows = reads::movements_of_sku().bind(&client, &10, &10).all().await.unwrap();
    let units: Vec<_> = rows.iter().map(|row| (row.units, row.reason.as_str())).collect();
    assert_eq!(units, [(100, "initial load"), (-3, "broken")]);
    assert_eq!(rows[1].moment, at(0));
    assert_eq!(
        reads::movements_of_sku()
            .bind(&client, &10, &1)
            .all()
            .await
            .unwrap()
            .len(),
        1
    );
}
