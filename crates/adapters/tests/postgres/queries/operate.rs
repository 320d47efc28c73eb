//! What operators see and set, and the turn of those who keep stock.

use adapters::postgres::testing::{Servers, admin};
use sql::queries::{operate, stock};

use super::{at, with_orders};

#[tokio::test]
async fn a_server_tells_its_state_and_who_follows_it() {
    let servers = Servers::of_this_run();
    let (primary, standby) = (
        admin(&servers.primary, "postgres").await,
        admin(&servers.standby, "postgres").await,
    );
    let state = operate::server_state().bind(&primary).one().await.unwrap();
    assert!(
        !state.standby && state.takes_writes && state.timeline >= Some(1),
        "{state:?}"
    );
    assert!(
        state.connections >= 1 && i64::from(state.connections_max) > state.connections,
        "{state:?}"
    );
    assert!(
        state.commits_waiting >= 0 && !state.server_version.is_empty(),
        "{state:?}"
    );
    let names = operate::waits_for().bind(&primary).one().await.unwrap();
    assert_eq!(
        (names.names.as_str(), names.source.as_str()),
        (state.waits_for.as_str(), "configuration file")
    );
    let followers = operate::standbys().bind(&primary).all().await.unwrap();
    let follower = followers
        .iter()
        .find(|found| names.names.contains(&found.name))
        .expect("it follows");
    assert_eq!(
        (follower.state.as_str(), follower.sync_state.as_str()),
        ("streaming", "sync")
    );
    assert!(follower.lag_bytes.is_some());
    let state = operate::server_state().bind(&standby).one().await.unwrap();
    assert!(
        state.standby && !state.takes_writes && state.timeline.is_none(),
        "{state:?}"
    );
    assert!(operate::standbys().bind(&standby).all().await.unwrap().is_empty());
}

#[tokio::test]
async fn settings_are_read_again_and_a_commit_can_be_tried() {
    let (_database, client) = with_orders().await;
    let before = operate::waits_for().bind(&client).one().await.unwrap();
    assert!(operate::reload_settings().bind(&client).one().await.unwrap());
    crate::support::until("the settings are read again", async || {
        operate::waits_for().bind(&client).one().await.unwrap().read_at > before.read_at
    })
    .await;
    let written = operate::try_commit().bind(&client).one().await.unwrap();
    assert!(written.contains('/'), "{written} is no place in the WAL");
    let may = operate::may_alter_system().bind(&client).one().await.unwrap();
    assert!(may.may_set && may.may_reload, "the superuser may");
    let role = "create role nobody_in_particular; set role nobody_in_particular";
    client.batch_execute("begin").await.unwrap();
    client.batch_execute(role).await.unwrap();
    let may = operate::may_alter_system().bind(&client).one().await.unwrap();
    assert!(!may.may_set && !may.may_reload);
}

#[tokio::test]
async fn one_keeps_the_stock_at_a_time_and_the_others_see_it() {
    let (database, client) = with_orders().await;
    let other = database.admin().await;
    let (keeper, at_work) = (stock::stock_keeper(), stock::stock_keeper_at_work());
    assert!(!at_work.bind(&other, &-5, &7).one().await.unwrap());
    client.batch_execute("begin").await.unwrap();
    assert_eq!(keeper.bind(&client, &-5, &7).one().await.unwrap(), 1);
    assert!(at_work.bind(&other, &-5, &7).one().await.unwrap());
    other.batch_execute("set lock_timeout = 100").await.unwrap();
    let refused = keeper.bind(&other, &-5, &7).one().await.unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "55P03");
    client.batch_execute("commit").await.unwrap();
    assert!(!at_work.bind(&other, &-5, &7).one().await.unwrap());
}

#[tokio::test]
async fn last_movements_are_the_newest_first() {
    let (_database, client) = with_orders().await;
    let more = "insert into stock_movements (sku, units, reason, moment) values
        (10, -3, 'broken', timestamptz '2026-01-02 03:04:05Z'), (11, 4, 'found', now())";
    client.batch_execute(more).await.unwrap();
    let last = async |limit: i64| -> Vec<(i64, String)> {
        let rows = stock::last_movements().bind(&client, &10, &limit).all().await.unwrap();
        rows.into_iter().map(|row| (row.units, row.reason)).collect()
    };
    assert_eq!(
        last(10).await,
        [(-3, "broken".to_owned()), (100, "initial load".to_owned())]
    );
    assert_eq!(last(1).await, [(-3, "broken".to_owned())]);
    let newest = stock::last_movements().bind(&client, &10, &1).one().await.unwrap();
    assert_eq!(newest.moment, at(0));
}
