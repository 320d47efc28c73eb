//! LOMS killed with -9 under load.

use std::time::Duration;

use adapters::postgres::testing::Database;

use crate::load::{Load, Plan};
use crate::loms::{Loms, url};
use crate::verify::verify;

#[tokio::test(flavor = "multi_thread")]
async fn smoke() {
    let database = Database::fresh().await;
    database
        .stock(&(1..=20).map(|sku| (sku, 1_000_000)).collect::<Vec<_>>())
        .await;
    let mut loms = Loms::start(&url(&database), &[]).await;
    let load = Load::start(&Plan::of(vec![loms.grpc()], 32));
    tokio::time::sleep(Duration::from_secs(1)).await;
    loms.kill();
    loms.again();
    loms.ready().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let calls = load.stop().await;
    let verified = verify(&database.admin().await, &calls, &loms.grpc()).await;
    crate::figures::figure(format!("{verified:?}"));
    loms.stop().await;
}
