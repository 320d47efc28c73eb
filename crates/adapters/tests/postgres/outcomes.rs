//! Connections that break around a COMMIT: what was not answered is unknown or not done, never
//! claimed; and a COMMIT whose answer is overdue keeps its place in the pool until it is answered.

use std::time::Duration;

use domain::order::batch::Answer;
use domain::order::ports::LedgerError;
use domain::testing::build::{draft, place};
use domain::testing::ledger_contract::{now, run, run_at};
use tokio::time::timeout;

use crate::proxy::Trouble;
use crate::support::{contents, placed, until};
use crate::unit::Proxied;

/// Places an order with a trouble planted; what came of it, and how many orders there are.
async fn troubled(loms: &Proxied, trouble: Trouble) -> (Result<Vec<Answer>, LedgerError>, i64) {
    loms.proxy.plant(trouble);
    let outcome = run_at(&loms.ledger, &[place(draft(&[(1, 1)]))], now()).await;
    assert!(loms.proxy.happened(), "{outcome:?}");
    let orders = contents(&loms.database.admin().await).await[0];
    (outcome, orders)
}

#[tokio::test]
async fn a_connection_cut_before_anything_was_written_is_busy() {
    let loms = Proxied::new(2, &[(1, 100)]).await;
    run(&loms.ledger, &[place(draft(&[(1, 1)]))]).await;
    let (outcome, orders) = troubled(&loms, Trouble::CutBeforeBegin).await;
    assert!(matches!(outcome, Err(LedgerError::Busy(_))), "{outcome:?}");
    assert_eq!(orders, 1);
    placed(&run(&loms.ledger, &[place(draft(&[(1, 1)]))]).await[0]);
}

#[tokio::test]
async fn a_connection_cut_before_the_commit_proves_nothing() {
    let loms = Proxied::new(2, &[(1, 100)]).await;
    run(&loms.ledger, &[place(draft(&[(1, 1)]))]).await;
    let (outcome, orders) = troubled(&loms, Trouble::CutBeforeCommit).await;
    assert!(matches!(outcome, Err(LedgerError::Unknown(_))), "{outcome:?}");
    assert_eq!(orders, 1, "it was not committed, and nobody could know");
    placed(&run(&loms.ledger, &[place(draft(&[(1, 1)]))]).await[0]);
}

#[tokio::test]
async fn a_lost_answer_proves_nothing() {
    let loms = Proxied::new(2, &[(1, 100)]).await;
    run(&loms.ledger, &[place(draft(&[(1, 1)]))]).await;
    let (outcome, orders) = troubled(&loms, Trouble::CutAfterCommit).await;
    assert!(matches!(outcome, Err(LedgerError::Unknown(_))), "{outcome:?}");
    assert_eq!(orders, 2, "it was committed, and nobody could know");
    placed(&run(&loms.ledger, &[place(draft(&[(1, 1)]))]).await[0]);
    assert_eq!(loms.ledger.writes().overdue(), 0);
}

#[tokio::test]
async fn an_overdue_commit_keeps_its_place_until_it_is_answered() {
    let loms = Proxied::bounded(2, &[(1, 100)], |settings| {
        settings.commit_timeout = Duration::from_secs(3)
    })
    .await;
    let batch = [place(draft(&[(1, 1)]))];
    run(&loms.ledger, &batch).await;
    let (outcome, orders) = troubled(&loms, Trouble::Withhold).await;
    assert!(matches!(outcome, Err(LedgerError::Unknown(_))), "{outcome:?}");
    assert_eq!((loms.ledger.writes().overdue(), orders), (1, 2));
    // The other place is free.
    placed(&run(&loms.ledger, &batch).await[0]);
    let (outcome, orders) = troubled(&loms, Trouble::Withhold).await;
    assert!(matches!(outcome, Err(LedgerError::Unknown(_))), "{outcome:?}");
    assert_eq!((loms.ledger.writes().overdue(), orders), (2, 4));
    // All places wait: the next one is not kept waiting for a place (thirty seconds).
    assert!(loms.ledger.writes().is_exhausted());
    let refused = timeout(Duration::from_secs(5), run_at(&loms.ledger, &batch, now())).await;
    assert!(matches!(refused, Ok(Err(LedgerError::Busy(_)))), "{refused:?}");
    loms.proxy.release();
    until("the overdue commits are answered", async || {
        loms.ledger.writes().overdue() == 0
    })
    .await;
    placed(&run(&loms.ledger, &batch).await[0]);
}

/// Idle connections to a server that was stopped: who asks for one is answered in bounded time.
#[tokio::test]
async fn a_frozen_server_holds_nobody() {
    let loms = Proxied::bounded(2, &[(1, 100)], |settings| {
        settings.connect_timeout = Duration::from_secs(3)
    })
    .await;
    let batch = [place(draft(&[(1, 1)]))];
    let (one, other) = futures::join!(run(&loms.ledger, &batch), run(&loms.ledger, &batch));
    placed(&one[0]);
    placed(&other[0]);
    // From now on each is asked whether it lives before it is used.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    loms.proxy.freeze(true);
    let refused = timeout(Duration::from_secs(40), run_at(&loms.ledger, &batch, now())).await;
    assert!(matches!(refused, Ok(Err(LedgerError::Busy(_)))), "{refused:?}");
    loms.proxy.freeze(false);
    placed(&run(&loms.ledger, &batch).await[0]);
}
