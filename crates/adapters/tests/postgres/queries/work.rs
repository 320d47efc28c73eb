//! Retention of keys, turns, and what the servers say of themselves.

use adapters::postgres::testing::{Servers, admin};
use sql::queries::{keys, nodes, turns};

use super::{at, with_orders};
use crate::support::number;

#[tokio::test]
async fn forget_keys_takes_the_oldest_and_passes_over_what_is_held() {
    let (database, client) = with_orders().await;
    let more = "insert into idempotency_keys
        select 9, 'k' || n, 2, timestamptz '2026-01-02 03:04:05Z' + n * interval '1 second' from generate_series(1, 9) n";
    client.batch_execute(more).await.unwrap();
    let other = database.admin().await;
    other
        .batch_execute("begin; select from idempotency_keys where key = 'k1' for update")
        .await
        .unwrap();
    let forget = keys::forget_keys();
    // Those of seconds 0 to 4 are old enough; that of second 1 is held.
    assert_eq!(forget.bind(&client, &at(5), &2).one().await.unwrap(), 2);
    let left = "select count(*) from idempotency_keys where key in ('a', 'k2')";
    assert_eq!(number(&client, left).await, 0);
    assert_eq!(forget.bind(&client, &at(5), &10).one().await.unwrap(), 2);
    other.batch_execute("rollback").await.unwrap();
    assert_eq!(forget.bind(&client, &at(5), &10).one().await.unwrap(), 1);
    assert_eq!(number(&client, "select count(*) from idempotency_keys").await, 5);
}

#[tokio::test]
async fn try_turn_is_for_one_session_and_keep_turn_keeps_it() {
    let (database, client) = with_orders().await;
    let other = database.admin().await;
    let turn = turns::try_turn();
    assert!(turn.bind(&client, &-5, &1).one().await.unwrap());
    assert!(!turn.bind(&other, &-5, &1).one().await.unwrap());
    assert!(turn.bind(&other, &-5, &2).one().await.unwrap(), "another job");
    assert_eq!(turns::keep_turn().bind(&client).one().await.unwrap(), 1);
}

#[tokio::test]
async fn the_primary_and_its_standby_tell_which_they_are() {
    let servers = Servers::of_this_run();
    let (primary, standby) = (
        admin(&servers.primary, "postgres").await,
        admin(&servers.standby, "postgres").await,
    );
    let standing = nodes::standing().bind(&standby).one().await.unwrap();
    let name = standing.standby_name.expect("the standby follows");
    assert!(standing.standby);
    let standing = nodes::standing().bind(&primary).one().await.unwrap();
    assert_eq!((standing.standby, standing.standby_name), (false, None));
    assert_eq!(nodes::timeline().bind(&standby).one().await.unwrap(), None);
    assert!(nodes::timeline().bind(&primary).one().await.unwrap() >= Some(1));
    let writing = nodes::writing().bind(&primary).one().await.unwrap();
    assert!(writing.takes_writes && writing.written > 0);
    let waited = nodes::synchronous_standbys().bind(&primary).all().await.unwrap();
    let found = waited
        .iter()
        .find(|waited| waited.name == name)
        .expect("it is waited for");
    assert!(found.replayed.is_some_and(|replayed| replayed > 0));
    primary
        .batch_execute("set default_transaction_read_only = on")
        .await
        .unwrap();
    assert!(!nodes::writing().bind(&primary).one().await.unwrap().takes_writes);
}
