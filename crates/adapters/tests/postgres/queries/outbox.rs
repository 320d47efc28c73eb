//! What the relay asks of the outbox.

use sql::queries::outbox;

use super::{at, with_orders};

#[tokio::test]
async fn unsent_are_the_oldest_and_forget_sent_forgets_only_those() {
    let (_database, client) = with_orders().await;
    let ids = async |limit: i64| -> Vec<i64> {
        let rows = outbox::unsent().bind(&client, &limit).all().await.unwrap();
        rows.iter().map(|row| row.event_id).collect()
    };
    assert_eq!(ids(100).await, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(ids(2).await, [1, 2]);
    let rows = outbox::unsent().bind(&client, &1).all().await.unwrap();
    assert_eq!(
        (rows[0].order_id, rows[0].moment, rows[0].traceparent.as_deref()),
        (1, at(0), None)
    );
    let sent = vec![2, 9, 77];
    assert_eq!(outbox::forget_sent().bind(&client, &sent).one().await.unwrap(), 2);
    assert_eq!(outbox::forget_sent().bind(&client, &sent).one().await.unwrap(), 0);
    assert_eq!(ids(100).await, [1, 3, 4, 5, 6, 7, 8]);
}

#[tokio::test]
async fn backlog_counts_up_to_a_limit_and_knows_the_ends() {
    let (_database, client) = with_orders().await;
    let told = async |limit: i64| {
        let row = outbox::backlog().bind(&client, &limit).one().await.unwrap();
        (row.counted, row.oldest, row.newest, row.oldest_moment)
    };
    assert_eq!(told(100).await, (9, Some(1), Some(9), Some(at(0))));
    assert_eq!(told(4).await, (4, Some(1), Some(9), Some(at(0))));
    client.batch_execute("delete from outbox").await.unwrap();
    assert_eq!(told(4).await, (0, None, None, None));
}
