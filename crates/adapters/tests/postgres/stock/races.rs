//! Imports and adjustments beside each other, beside orders, beside whoever holds rows.

use std::sync::Arc;
use std::time::Duration;

use adapters::postgres::connect::Connector;
use adapters::postgres::testing::Database;
use domain::order::batch::Answer;
use domain::order::ports::LedgerError;
use domain::stock::adjust::AdjustError;
use domain::stock::import::{ImportError, Imported};
use domain::stock::ports::KeepingError;
use domain::testing::build::{cancel, draft, pay, place, sku};
use domain::testing::ledger_contract::{now, run_at};

use super::support::{
    PATIENCE, adjust, build_gate, close_gate, csv, import, keeper, movements, open_gate, order, patient, records, shop,
    wrong,
};

#[tokio::test]
async fn what_is_reserved_between_the_look_and_the_change_is_refused_too() {
    let (ledger, keeper, admin) = shop(&[(1, 10), (2, 20)]).await;
    // Another keeper is at work: the import has looked and waits for its turn.
    admin
        .batch_execute("begin; select pg_advisory_xact_lock(1819241843, 3)")
        .await
        .unwrap();
    assert!(keeper.record(sku(1), 1).await.unwrap().keeper_at_work);
    let importing = tokio::spawn({
        let keeper = keeper.clone();
        async move { import(&keeper, "sku,total_count\n1,15\n2,6\n").await }
    });
    let other = ledger.database.admin().await;
    let waits = "select count(*) from pg_locks where locktype = 'advisory' and not granted and database =
        (select oid from pg_database where datname = current_database())";
    let waiting = tokio::time::timeout(PATIENCE, async {
        while other.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    waiting.await.expect("the import waits for its turn");
    order(&ledger, &[(2, 7)]).await;
    admin.batch_execute("commit").await.unwrap();
    let error = importing.await.unwrap().unwrap_err();
    assert!(
        matches!(&error, ImportError::Refused(problems) if problems.count() == 1),
        "{error}"
    );
    assert!(error.to_string().contains("line 3: sku 2: less than"), "{error}");
    assert_eq!(records(&admin).await, [(1, 10, 0), (2, 20, 7)]);
}

#[tokio::test]
async fn what_is_sold_between_the_comparison_and_the_change_comes_off_what_was_counted() {
    let database = Database::fresh().await;
    database.stock(&[(1, 10)]).await;
    let (admin, seller) = (database.admin().await, database.admin().await);
    let mut settings = database.settings();
    settings.lock_timeout = PATIENCE;
    let keeper = keeper(Connector::new(settings));
    // A sale of three units that is not committed yet.
    let sale = "begin; update stock set total_count = total_count - 3 where sku = 1";
    seller.batch_execute(sale).await.unwrap();
    let importing = tokio::spawn(async move { import(&keeper, "sku,total_count\n1,15\n").await });
    let waits = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    let waiting = tokio::time::timeout(PATIENCE, async {
        while admin.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    waiting.await.expect("the import waits for the row");
    seller.batch_execute("commit").await.unwrap();
    let imported = importing.await.unwrap().unwrap();
    assert!(matches!(imported, Imported::Now { added: 5, .. }), "{imported:?}");
    assert_eq!(
        records(&admin).await,
        [(1, 12, 0)],
        "15 were counted when there were 10, and 3 were sold"
    );
}

#[tokio::test]
async fn one_of_two_imports_of_the_same_file_at_once_changes_the_stock() {
    let database = Database::fresh().await;
    let admin = database.admin().await;
    let file = csv((1..=500).map(|sku| (sku, 3)));
    let keepers: Vec<_> = (0..4).map(|_| keeper(patient(&database))).collect();
    let imports = futures::future::join_all(keepers.iter().map(|keeper| import(keeper, &file))).await;
    let now = imports
        .iter()
        .filter(|done| matches!(done, Ok(Imported::Now { created: 500, .. })));
    assert_eq!(now.count(), 1, "{imports:?}");
    let before = imports.iter().filter(|done| matches!(done, Ok(Imported::Before(_))));
    assert_eq!(before.count(), 3, "{imports:?}");
    assert_eq!((movements(&admin).await.len(), wrong(&admin).await), (500, 0));
}

#[tokio::test]
async fn rows_that_others_hold_are_waited_for_a_while_and_nothing_is_changed() {
    let (ledger, keeper, admin) = shop(&[(1, 10), (2, 20)]).await;
    let holder = ledger.database.admin().await;
    holder
        .batch_execute("begin; select * from stock where sku = 2 for update")
        .await
        .unwrap();
    let held = tokio::time::timeout(PATIENCE, import(&keeper, "sku,total_count\n1,11\n2,22\n")).await;
    let held = held.expect("the wait is bounded");
    assert!(
        matches!(held, Err(ImportError::Keeping(KeepingError::Held(_)))),
        "{held:?}"
    );
    let held = tokio::time::timeout(PATIENCE, adjust(&keeper, 2, 1))
        .await
        .expect("the wait is bounded");
    assert!(
        matches!(held, Err(AdjustError::Keeping(KeepingError::Held(_)))),
        "{held:?}"
    );
    // What does not differ is not touched.
    assert!(matches!(
        import(&keeper, "sku,total_count\n1,11\n2,20\n").await,
        Ok(Imported::Now { changed: 1, .. })
    ));
    holder.batch_execute("rollback").await.unwrap();
    assert!(matches!(
        import(&keeper, "sku,total_count\n1,11\n2,22\n").await,
        Ok(Imported::Now { changed: 1, .. })
    ));
    assert_eq!(records(&admin).await, [(1, 11, 0), (2, 22, 0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn imports_and_orders_side_by_side_lose_nothing_and_never_deadlock() {
    let records: Vec<(i64, u32)> = (1..=40).map(|sku| (sku, 1_000_000)).collect();
    let (ledger, keeper, admin) = shop(&records).await;
    let ledger = Arc::new(ledger);
    let buyers = (0..4_i64).map(|buyer| {
        let ledger = Arc::clone(&ledger);
        tokio::spawn(async move {
            let mut placed = 0;
            for round in 0..60_i64 {
                let lines: Vec<_> = (0..10)
                    .map(|n| (1 + (buyer * 7 + round * 11 + n * 13) % 40, 2))
                    .collect();
                let order = match run_at(&*ledger, &[place(draft(&lines))], now()).await {
                    Ok(answers) => match answers.as_slice() {
                        [Answer::Placed(Ok(order))] => order.get(),
                        other => panic!("not placed: {other:?}"),
                    },
                    // An import holds the rows: nothing was done.
                    Err(LedgerError::Contended(_)) => continue,
                    Err(error) => panic!("{error:?}"),
                };
                placed += 1;
                let settle = if round % 3 == 0 { cancel(order) } else { pay(order) };
                match run_at(&*ledger, &[settle], now()).await {
                    Ok(_) | Err(LedgerError::Contended(_)) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
            placed
        })
    });
    let buyers: Vec<_> = buyers.collect();
    for round in 0..15_u32 {
        let file = csv((1..=40).rev().map(|sku| (sku, 1_000_000 + (round + 1) * 100)));
        let imported = import(&keeper, &file).await;
        assert!(
            matches!(imported, Ok(Imported::Now { changed: 1.., .. })),
            "{imported:?}"
        );
        adjust(&keeper, 1 + i64::from(round % 40), 1).await.unwrap();
    }
    let placed: i32 = futures::future::join_all(buyers)
        .await
        .into_iter()
        .map(Result::unwrap)
        .sum();
    assert!(placed > 40, "{placed} orders were placed");
    assert_eq!(wrong(&admin).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_of_other_skus_go_on_while_an_import_holds_what_it_changes() {
    let (ledger, keeper, admin) = shop(&[(1, 10), (2, 10), (3, 10)]).await;
    build_gate(&admin).await;
    close_gate(&admin).await;
    let importing = tokio::spawn(async move { import(&keeper, "sku,total_count\n1,23\n2,10\n").await });
    let commits = "select count(*) from pg_stat_activity where datname = current_database() and query = 'commit'
        and wait_event_type = 'Lock'";
    let waiting = tokio::time::timeout(PATIENCE, async {
        while admin.query_one(commits, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    waiting.await.expect("the import commits");
    // Of a sku that does not change, and of one that is not in the file.
    order(&ledger, &[(2, 1), (3, 1)]).await;
    let held = tokio::time::timeout(PATIENCE, run_at(&ledger, &[place(draft(&[(1, 1)]))], now())).await;
    let held = held.expect("the wait is bounded");
    assert!(matches!(held, Err(LedgerError::Contended(_))), "{held:?}");
    assert!(!importing.is_finished());
    open_gate(&admin).await;
    assert!(matches!(importing.await.unwrap(), Ok(Imported::Now { changed: 1, .. })));
    order(&ledger, &[(1, 23)]).await;
    assert_eq!(records(&admin).await, [(1, 23, 23), (2, 10, 1), (3, 10, 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_import_takes_over_every_record() {
    const MANY: i64 = 100_000;
    let (ledger, keeper, admin) = shop(&[(MANY + 1, 1_000_000)]).await;
    let ledger = Arc::new(ledger);
    for total in [5, 6] {
        let importing = tokio::spawn({
            let (keeper, file) = (keeper.clone(), csv((1..=MANY).map(|sku| (sku, total))));
            async move { import(&keeper, &file).await }
        });
        while !importing.is_finished() {
            order(&ledger, &[(MANY + 1, 1)]).await;
        }
        let imported = importing.await.unwrap().unwrap();
        assert!(
            matches!(imported, Imported::Now { records: 100_000, .. }),
            "{imported:?}"
        );
    }
    let moved = admin.query_one(
        "select count(*), sum(units)::bigint from stock_movements where sku <= $1",
        &[&MANY],
    );
    let moved = moved.await.unwrap();
    assert_eq!((moved.get::<_, i64>(0), moved.get::<_, i64>(1)), (2 * MANY, 6 * MANY));
    assert_eq!(wrong(&admin).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_take_the_last_units_as_many_succeed_as_there_are() {
    let database = Database::fresh().await;
    database.stock(&[(1, 10)]).await;
    let admin = database.admin().await;
    let keeper = keeper(patient(&database));
    let taken = futures::future::join_all((0..25).map(|_| adjust(&keeper, 1, -1))).await;
    let won = taken.iter().filter(|taken| taken.is_ok()).count();
    assert_eq!(won, 10, "there were 10 units");
    let refused = taken
        .iter()
        .filter(|taken| matches!(taken, Err(AdjustError::Refused(_))))
        .count();
    assert_eq!(refused, 15, "{taken:?}");
    assert_eq!((records(&admin).await, wrong(&admin).await), (vec![(1, 0, 0)], 0));
}
