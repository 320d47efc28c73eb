//! Every session is bounded at the server, whatever it is for; and stock that is known to be held is
//! not waited for.

use std::sync::Arc;
use std::time::Duration;

use adapters::postgres::connect::{Connector, Session};
use adapters::postgres::testing::{Database, WholeLedger};
use domain::order::batch::{decide, footprint};
use domain::order::ports::{Contention, Ledger, LedgerError};
use domain::testing::build::{draft, pay, place, sku};
use domain::testing::ledger_contract::{now, run};

use crate::support::{patient, placed};

#[tokio::test]
async fn every_session_has_its_bounds() {
    let database = Database::fresh().await;
    let connector = Connector::new(patient(database.settings()));
    for session in [
        Session::Write,
        Session::Read,
        Session::Look,
        Session::Turn,
        Session::Command,
        Session::Audit,
    ] {
        let (client, _driver) = connector.primary(session).await.unwrap();
        for bound in [
            "statement_timeout",
            "lock_timeout",
            "idle_in_transaction_session_timeout",
            "tcp_keepalives_idle",
        ] {
            let set: String = client.query_one(&format!("show {bound}"), &[]).await.unwrap().get(0);
            assert!(set != "0", "{session:?} has no {bound}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_whose_stock_is_known_to_be_held_are_refused_without_waiting() {
    let database = Arc::new(Database::fresh().await);
    database.stock(&[(1, 10), (2, 10)]).await;
    let mut settings = patient(database.settings());
    // Who waits for the row fails the test: it is not free before its end.
    settings.lock_timeout = Duration::from_secs(600);
    settings.statement_timeout = Duration::from_secs(601);
    let ledger = WholeLedger::connected(Connector::new(settings), Arc::clone(&database)).await;
    let answers = run(&ledger, &[place(draft(&[(1, 1)])), place(draft(&[(2, 1)]))]).await;
    let (held, free) = (placed(&answers[0]), placed(&answers[1]));
    let outsider = database.admin().await;
    outsider
        .batch_execute("begin; select from stock where sku = 1 for update")
        .await
        .unwrap();

    let batch = [pay(held.get()), pay(free.get())];
    let asked = ledger.transact(footprint(&batch).avoiding(vec![sku(1)]), |loaded| {
        decide(&batch, now(), loaded)
    });
    let told = tokio::time::timeout(Duration::from_secs(60), asked)
        .await
        .expect("nobody waits");
    let expected = Contention {
        skus: vec![sku(1)],
        orders: vec![held],
    };
    assert!(
        matches!(&told, Err(LedgerError::Contended(found)) if *found == expected),
        "{told:?}"
    );
    let others = [pay(free.get())];
    let asked = ledger.transact(footprint(&others).avoiding(vec![sku(1)]), |loaded| {
        decide(&others, now(), loaded)
    });
    assert!(asked.await.is_ok(), "the others go on");
}
