//! The contract of the ledger, which the memory ledger passes too.

use std::collections::HashSet;

use adapters::postgres::testing::{Database, WholeLedger};
use domain::ledger_contract;
use domain::order::batch::Answer;
use domain::testing::build::{draft, place};
use domain::testing::ledger_contract::run;
use domain::types::OrderId;

async fn ledger(stock: &[(i64, u32)]) -> WholeLedger {
    Database::fresh().await.ledger(stock).await
}

ledger_contract!(ledger_in_postgres, ledger);

/// Batches that are in flight at the same time share the blocks of ids: none runs out of them.
#[tokio::test(flavor = "multi_thread")]
async fn batches_side_by_side_never_run_out_of_ids() {
    let ledger = Database::fresh().await.ledger(&[(1, 1_000_000)]).await;
    let places: Vec<_> = (0..150).map(|_| place(draft(&[(1, 1)]))).collect();
    let rounds = (0..40).map(|_| run(&ledger, &places));
    let answers = futures::future::join_all(rounds).await.concat();
    let ids: HashSet<OrderId> = answers
        .into_iter()
        .map(|answer| match answer {
            Answer::Placed(Ok(order)) => order,
            other => panic!("not placed: {other:?}"),
        })
        .collect();
    assert_eq!(ids.len(), 40 * 150);
}
