//! The contract of the ledger, which the memory ledger passes too.

use adapters::postgres::testing::{Database, WholeLedger};
use domain::ledger_contract;

async fn ledger(stock: &[(i64, u32)]) -> WholeLedger {
    Database::fresh().await.ledger(stock).await
}

ledger_contract!(ledger_in_postgres, ledger);
