//! Keeping stock: files are taken over whole, once, beside orders; adjustments stay within the rules;
//! all of it is recorded as movements.

use std::sync::Arc;
use std::time::Duration;

use adapters::counted::pieces;
use adapters::postgres::connect::Connector;
use adapters::postgres::stock::PostgresStock;
use adapters::postgres::testing::{Database, WholeLedger};
use domain::order::batch::Answer;
use domain::order::ports::LedgerError;
use domain::stock::adjust::{AdjustError, AdjustRefusal, Adjustment, Reason, Units};
use domain::stock::import::{ImportError, Imported};
use domain::stock::model::Stock;
use domain::stock::ports::{KeepingError, StockKeeping};
use domain::testing::build::{cancel, draft, pay, place, sku};
use domain::testing::ledger_contract::{now, run, run_at};
use tokio_postgres::Client;

const PATIENCE: Duration = Duration::from_secs(30);

fn keeper(connector: Arc<Connector>) -> PostgresStock {
    PostgresStock::new(connector, PATIENCE)
}

/// For many connections at once on a busy machine.
fn patient(database: &Database) -> Arc<Connector> {
    let mut settings = database.settings();
    settings.connect_timeout = PATIENCE;
    Connector::new(settings)
}

async fn import(keeper: &PostgresStock, file: &str) -> Result<Imported, ImportError> {
    let file = std::io::Cursor::new(file.to_owned());
    keeper.import(pieces(file), now()).await
}

fn csv(records: impl IntoIterator<Item = (i64, u32)>) -> String {
    let lines = records.into_iter().map(|(sku, total)| format!("{sku},{total}\n"));
    std::iter::once("sku,total_count\n".to_owned()).chain(lines).collect()
}

async fn adjust(keeper: &PostgresStock, of: i64, units: i64) -> Result<Stock, AdjustError> {
    let adjustment = Adjustment {
        sku: sku(of),
        units: Units::try_from(units).unwrap(),
        reason: Reason::new("counted again").unwrap(),
    };
    keeper.adjust(adjustment, now()).await
}

/// All records as (sku, total, reserved).
async fn records(admin: &Client) -> Vec<(i64, i64, i64)> {
    let rows = admin.query("select sku, total_count, reserved from stock order by sku", &[]);
    let rows = rows.await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
}

/// All movements as (sku, units, the first word of the reason), in their order.
async fn movements(admin: &Client) -> Vec<(i64, i64, String)> {
    let rows = admin.query(
        "select sku, units, split_part(reason, ' ', 1) from stock_movements order by id",
        &[],
    );
    let rows = rows.await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
}

/// Skus whose record is not what its movements, payments and reservations make of it.
async fn wrong(admin: &Client) -> i64 {
    let wrong = "
        with sold as (select i.sku, sum(i.count) as units from order_items i join orders o on o.id = i.order_id
            where o.status = 'payed' group by i.sku),
        promised as (select i.sku, sum(i.count) as units from order_items i join orders o on o.id = i.order_id
            where o.status = 'awaiting payment' group by i.sku),
        moved as (select sku, sum(units) as units from stock_movements group by sku)
        select count(*) from stock s left join sold using (sku) left join promised using (sku) left join moved using (sku)
        where s.total_count <> coalesce(moved.units, 0) - coalesce(sold.units, 0)
            or s.reserved <> coalesce(promised.units, 0)";
    admin.query_one(wrong, &[]).await.unwrap().get(0)
}

async fn order(ledger: &WholeLedger, lines: &[(i64, u32)]) -> i64 {
    match run(ledger, &[place(draft(lines))]).await.as_slice() {
        [Answer::Placed(Ok(order))] => order.get(),
        other => panic!("not placed: {other:?}"),
    }
}

#[tokio::test]
async fn an_import_makes_the_stock_what_the_file_says_and_records_the_differences() {
    let ledger = Database::fresh()
        .await
        .ledger(&[(1, 10), (2, 20), (3, 30), (4, 40)])
        .await;
    let (keeper, admin) = (keeper(ledger.connector.clone()), ledger.database.admin().await);
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
    let ledger = Database::fresh().await.ledger(&[(1, 10)]).await;
    let (keeper, admin) = (keeper(ledger.connector.clone()), ledger.database.admin().await);
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
    let ledger = Database::fresh().await.ledger(&[(1, 10), (2, 20)]).await;
    let (keeper, admin) = (keeper(ledger.connector.clone()), ledger.database.admin().await);
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
async fn what_is_reserved_between_the_look_and_the_change_is_refused_too() {
    let ledger = Database::fresh().await.ledger(&[(1, 10), (2, 20)]).await;
    let (keeper, admin) = (keeper(ledger.connector.clone()), ledger.database.admin().await);
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
    let ledger = Database::fresh().await.ledger(&[(1, 10), (2, 20)]).await;
    let (keeper, admin) = (keeper(ledger.connector.clone()), ledger.database.admin().await);
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
    let ledger = Arc::new(Database::fresh().await.ledger(&records).await);
    let (keeper, admin) = (keeper(ledger.connector.clone()), ledger.database.admin().await);
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
        let file = csv((1..=40).rev().map(|sku| (sku, 1_000_000 + round * 100)));
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
    assert!(placed > 100, "{placed} orders were placed");
    assert_eq!(wrong(&admin).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_import_lets_orders_of_other_skus_go_on() {
    const MANY: i64 = 100_000;
    let ledger = Arc::new(Database::fresh().await.ledger(&[(MANY + 1, 1_000_000)]).await);
    let (keeper, admin) = (keeper(ledger.connector.clone()), ledger.database.admin().await);
    for total in [5, 6] {
        let importing = tokio::spawn({
            let (keeper, file) = (keeper.clone(), csv((1..=MANY).map(|sku| (sku, total))));
            async move { import(&keeper, &file).await }
        });
        let mut orders = 0;
        while !importing.is_finished() {
            order(&ledger, &[(MANY + 1, 1)]).await;
            orders += 1;
        }
        let imported = importing.await.unwrap().unwrap();
        assert!(
            matches!(imported, Imported::Now { records: 100_000, .. }),
            "{imported:?}"
        );
        assert!(orders > 20, "{orders} orders went on beside the import");
    }
    let moved = admin.query_one(
        "select count(*), sum(units)::bigint from stock_movements where sku <= $1",
        &[&MANY],
    );
    let moved = moved.await.unwrap();
    assert_eq!((moved.get::<_, i64>(0), moved.get::<_, i64>(1)), (2 * MANY, 6 * MANY));
    assert_eq!(wrong(&admin).await, 0);
}

/// A COMMIT that takes its time, as when the standby is away.
const SLOW_COMMIT: &str = "
    create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(1.5); return null; end $$;
    create constraint trigger slow after insert on stock_movements deferrable initially deferred
        for each row when (new.units = 13) execute function slow()";

#[tokio::test]
async fn a_commit_without_an_answer_is_unknown_and_goes_on() {
    let database = Database::fresh().await;
    database.stock(&[(1, 10), (2, 10)]).await;
    let admin = database.admin().await;
    admin.batch_execute(SLOW_COMMIT).await.unwrap();
    let hasty = PostgresStock::new(database.connector(), Duration::from_millis(300));
    let unknown = import(&hasty, "sku,total_count\n1,23\n").await;
    assert!(
        matches!(unknown, Err(ImportError::Keeping(KeepingError::Unknown(_)))),
        "{unknown:?}"
    );
    // A repeat waits for the first one, and finds that it was done.
    assert_eq!(
        import(&hasty, "sku,total_count\n1,23\n").await.unwrap(),
        Imported::Before(now())
    );
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
    let refusing = SLOW_COMMIT.replace("perform pg_sleep(1.5)", "raise exception 'no'");
    admin.batch_execute(&refusing).await.unwrap();
    let keeper = keeper(database.connector());
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
    let ledger = Database::fresh().await.ledger(&[(1, 10)]).await;
    let (keeper, admin) = (keeper(ledger.connector.clone()), ledger.database.admin().await);
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
