//! Keeping stock: files are taken over whole, once, beside orders; adjustments stay within the rules;
//! all of it is recorded as movements.

mod races;
mod support;

use std::time::Duration;

use adapters::postgres::stock::PostgresStock;
use adapters::postgres::testing::Database;
use domain::stock::adjust::{AdjustError, AdjustRefusal};
use domain::stock::import::{ImportError, Imported};
use domain::stock::model::Stock;
use domain::stock::ports::KeepingError;
use domain::testing::build::{pay, sku};
use domain::testing::ledger_contract::{now, run};

use support::{
    PATIENCE, adjust, build_gate, close_gate, csv, import, keeper, movements, open_gate, order, patient, records, shop,
    wrong,
};

#[tokio::test]
async fn an_import_makes_the_stock_what_the_file_says_and_records_the_differences() {
    let (ledger, keeper, admin) = shop(&[(1, 10), (2, 20), (3, 30), (4, 40)]).await;
    order(&ledger, &[(2, 5)]).await;
    let imported = import(&keeper, "sku,total_count\n9,0\n1,15\n2,5\n3,30\n8,80\n")
        .await
        .unwrap();
    let expected = Imported::Now {
        records: 5,
        created: 2,
        changed: 2,
        added: 85,
        taken: 15,
    };
    assert_eq!(imported, expected);
    let stock = [(1, 15, 0), (2, 5, 5), (3, 30, 0), (4, 40, 0), (8, 80, 0), (9, 0, 0)];
    assert_eq!(records(&admin).await, stock);
    let moved = movements(&admin).await.split_off(4);
    let moved: Vec<_> = moved
        .iter()
        .map(|(sku, units, why)| (*sku, *units, why.as_str()))
        .collect();
    assert_eq!(
        moved,
        [
            (1, 5, "import"),
            (2, -15, "import"),
            (8, 80, "import"),
            (9, 0, "import")
        ]
    );
    assert_eq!(wrong(&admin).await, 0);
    let record = keeper.record(sku(1), 1).await.unwrap();
    assert_eq!(record.stock, Stock::new(15, 0).ok());
    assert_eq!((record.movements.len(), record.movements[0].units), (1, 5));
    assert!(!record.keeper_at_work && record.movements[0].reason.starts_with("import of sha256:"));
    assert_eq!(keeper.record(sku(77), 1).await.unwrap().stock, None);
}

#[tokio::test]
async fn the_very_same_file_again_changes_nothing_and_another_one_does() {
    let (ledger, keeper, admin) = shop(&[(1, 10)]).await;
    assert!(matches!(
        import(&keeper, "sku,total_count\n1,12\n").await,
        Ok(Imported::Now { .. })
    ));
    let bought = order(&ledger, &[(1, 4)]).await;
    run(&ledger, &[pay(bought)]).await;
    for _ in 0..2 {
        assert_eq!(
            import(&keeper, "sku,total_count\n1,12\n").await.unwrap(),
            Imported::Before(now())
        );
        assert_eq!(records(&admin).await, [(1, 8, 0)], "what was sold does not come back");
    }
    assert!(matches!(
        import(&keeper, "sku,total_count\n1,12").await,
        Ok(Imported::Now { added: 4, .. })
    ));
    assert_eq!(records(&admin).await, [(1, 12, 0)]);
    assert_eq!(wrong(&admin).await, 0);
}

#[tokio::test]
async fn a_bad_file_changes_nothing_and_all_its_problems_are_told_with_their_lines() {
    let (ledger, keeper, admin) = shop(&[(1, 10), (2, 20)]).await;
    order(&ledger, &[(2, 7)]).await;
    let file = "sku,total_count\n1,11\n2,6\nx,1\n3,3\n1,12\n1,13\n0,5\n";
    let error = import(&keeper, file).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "5 problems, nothing was imported:\n  \
         line 3: sku 2: less than what orders have reserved: 7 reserved of 6\n  \
         line 4: sku must be a positive 64-bit integer, got \"x\"\n  \
         line 6: sku 1 stands in line 2 already\n  \
         line 7: sku 1 stands in line 2 already\n  \
         line 8: sku must be a positive 64-bit integer, got 0"
    );
    let repeats = std::iter::repeat_n((5, 1), 101);
    let error = import(&keeper, &csv(repeats)).await.unwrap_err().to_string();
    assert!(
        error.starts_with("100 problems") && error.ends_with("\n  and 80 more"),
        "{error}"
    );
    assert_eq!(error.lines().count(), 22);
    assert_eq!(records(&admin).await, [(1, 10, 0), (2, 20, 7)]);
    assert_eq!(movements(&admin).await.len(), 2);
    let remembered = admin
        .query_one("select count(*) from stock_imports", &[])
        .await
        .unwrap();
    assert_eq!(remembered.get::<_, i64>(0), 0, "a refused file may be tried again");
}

#[tokio::test]
async fn a_commit_without_an_answer_is_unknown_and_goes_on() {
    let (ledger, _, admin) = shop(&[(1, 10), (2, 10)]).await;
    build_gate(&admin).await;
    let hasty = PostgresStock::new(ledger.connector.clone(), Duration::from_millis(100));
    let patient = keeper(ledger.connector.clone());
    close_gate(&admin).await;
    let unknown = import(&hasty, "sku,total_count\n1,23\n").await;
    assert!(
        matches!(unknown, Err(ImportError::Keeping(KeepingError::Unknown(_)))),
        "{unknown:?}"
    );
    // A repeat waits for the first one, and finds that it was done.
    let repeat = tokio::spawn(async move { import(&patient, "sku,total_count\n1,23\n").await });
    open_gate(&admin).await;
    assert_eq!(repeat.await.unwrap().unwrap(), Imported::Before(now()));
    close_gate(&admin).await;
    let unknown = adjust(&hasty, 2, 13).await;
    assert!(
        matches!(unknown, Err(AdjustError::Keeping(KeepingError::Unknown(_)))),
        "{unknown:?}"
    );
    let record = hasty.record(sku(2), 9).await.unwrap();
    assert!(
        record.keeper_at_work && record.stock == Stock::new(10, 0).ok(),
        "{record:?}"
    );
    open_gate(&admin).await;
    let done = tokio::time::timeout(PATIENCE, async {
        loop {
            let record = hasty.record(sku(2), 9).await.unwrap();
            if !record.keeper_at_work {
                return record;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let record = done.await.expect("the commit ends");
    assert_eq!((record.stock, record.movements.len()), (Stock::new(23, 0).ok(), 2));
    assert_eq!(
        (records(&admin).await, wrong(&admin).await),
        (vec![(1, 23, 0), (2, 23, 0)], 0)
    );
}

#[tokio::test]
async fn a_commit_that_the_server_refuses_changed_nothing() {
    let database = Database::fresh().await;
    database.stock(&[(1, 10)]).await;
    let admin = database.admin().await;
    build_gate(&admin).await;
    let refusing = "create or replace function gate() returns trigger language plpgsql as $$
        begin raise exception 'no'; end $$";
    admin.batch_execute(refusing).await.unwrap();
    let keeper = keeper(patient(&database));
    let refused = import(&keeper, "sku,total_count\n1,23\n").await;
    assert!(
        matches!(refused, Err(ImportError::Keeping(KeepingError::Unavailable(_)))),
        "{refused:?}"
    );
    let refused = adjust(&keeper, 1, 13).await;
    assert!(
        matches!(refused, Err(AdjustError::Keeping(KeepingError::Unavailable(_)))),
        "{refused:?}"
    );
    assert_eq!(
        (records(&admin).await, movements(&admin).await.len()),
        (vec![(1, 10, 0)], 1)
    );
}

#[tokio::test]
async fn adjustments_stay_within_the_rules_and_are_recorded() {
    let (ledger, keeper, admin) = shop(&[(1, 10)]).await;
    order(&ledger, &[(1, 4)]).await;
    assert_eq!(adjust(&keeper, 1, 5).await.unwrap(), Stock::new(15, 4).unwrap());
    assert_eq!(adjust(&keeper, 1, -11).await.unwrap(), Stock::new(4, 4).unwrap());
    let refusal = |refused: Result<Stock, AdjustError>| match refused {
        Err(AdjustError::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    };
    let of = sku(1);
    let stock = Stock::new(4, 4).unwrap();
    assert_eq!(
        refusal(adjust(&keeper, 1, -1).await),
        AdjustRefusal::BelowReserved { sku: of, stock }
    );
    let most = i64::from(u32::MAX);
    assert_eq!(
        refusal(adjust(&keeper, 1, most).await),
        AdjustRefusal::TooMany { sku: of, stock }
    );
    assert_eq!(refusal(adjust(&keeper, 7, 1).await), AdjustRefusal::UnknownSku(sku(7)));
    assert_eq!(records(&admin).await, [(1, 4, 4)]);
    let moved = movements(&admin).await.split_off(1);
    assert_eq!(moved, [(1, 5, "counted".to_owned()), (1, -11, "counted".to_owned())]);
    assert_eq!(wrong(&admin).await, 0);
}
