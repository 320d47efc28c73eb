//! The schema becomes newer while LOMS runs: what it can live with disturbs no order; what it cannot
//! is told to those that start afterwards.

use std::time::Duration;

use adapters::postgres::connect::Connector;
use adapters::postgres::migrate::migrate_with;
use adapters::postgres::settings::PostgresSettings;
use refinery::{Migration, Runner};

use crate::figures::{figure, now, spread};
use crate::load::{Call, Load, Plan};
use crate::loms::audited;
use crate::process::{Ports, run};
use crate::stage::{Stage, created_after, is_done, times};
use crate::verify::verify;

const FIRST: &str = include_str!("../../../../sql/migrations/V1__ledger.sql");
/// Old binaries can live with it.
const COMPATIBLE: &str = "alter table orders add column gift boolean not null default false;
    create index orders_by_user on orders (user_id, placed_at);
    alter table stock add column warehouse integer;";
/// They cannot with this one, it says.
const INCOMPATIBLE: &str = "update schema_compatibility set oldest_version = 9003";

/// Versions far above those that the project has.
fn migrations(number: usize) -> Runner {
    let all = [
        ("V1__ledger", FIRST),
        ("V9002__gifts", COMPATIBLE),
        ("V9003__end", INCOMPATIBLE),
    ];
    let known = all
        .iter()
        .take(number)
        .map(|(name, sql)| Migration::unapplied(name, sql).unwrap());
    Runner::new(&known.collect::<Vec<_>>())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_becomes_newer_under_load() {
    let stage = Stage::up(1).await;
    let loms = stage.loms(&[]).await;
    stage.stock(1).await;
    let load = Load::start(&Plan::of(vec![loms.grpc()], 16));
    created_after(&load, now()).await;
    let began = now();
    tokio::time::sleep(Duration::from_secs(2)).await;

    let connector = Connector::new(PostgresSettings::new(stage.url().parse().unwrap()));
    let before = now();
    let migrated = migrate_with(&connector, || migrations(2)).await.unwrap();
    assert_eq!((migrated.version, migrated.applied), (9002, 1));
    let took = before.elapsed();
    created_after(&load, now()).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let quiet = times(&load.calls(), began, before, is_done);
    let newer = times(&load.calls(), before, now(), is_done);
    figure(format!(
        "migration under load: took {} ms; creates took {} before, {} during and after",
        took.as_millis(),
        spread(&quiet),
        spread(&newer)
    ));
    // One that starts now has an older schema in mind, and may.
    let second = stage.loms(&[]).await;

    migrate_with(&connector, || migrations(3)).await.unwrap();
    let mut arguments = Ports::free().arguments("loms");
    arguments.extend(["--set".to_owned(), format!("postgres.url={}", stage.url())]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let third = run(&arguments, &[]).await;
    assert_eq!(third.code, Some(1), "{third:?}");
    let told = format!("{}{}", third.out, third.err);
    assert!(told.contains("9003") && told.contains("start a newer one"), "{told}");
    created_after(&load, now()).await;

    let calls = load.stop().await;
    let failed: Vec<&Call> = calls
        .iter()
        .filter(|call| call.created.len() > 1 || !is_done(call))
        .collect();
    assert!(failed.is_empty(), "nothing fails: {failed:?}");
    verify(&stage.sql(1).await, &calls, &second.grpc()).await;
    loms.stop().await;
    second.stop().await;
    audited(&stage.url()).await;
}
