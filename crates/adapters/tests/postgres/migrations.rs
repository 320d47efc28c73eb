//! Migrations: four instances at once, an older binary, one that fails, and one under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use adapters::postgres::connect::Connector;
use adapters::postgres::migrate::{MigrateError, Migrated, migrate, migrate_with};
use adapters::postgres::testing::{Database, WholeLedger};
use domain::testing::build::{draft, place};
use domain::testing::ledger_contract::{now, run_at};
use futures::future::join_all;
use refinery::{Migration, Runner};

use crate::support::{contents, number, patient, until};

/// The version of a migration that is newer than all there are.
const NEXT: i32 = 900;

/// The migrations of `sql/migrations`, and some more as pairs of name and statement.
fn runner(more: &[(&str, &str)]) -> Runner {
    let folder = format!("{}/../../sql/migrations", env!("CARGO_MANIFEST_DIR"));
    let mut all: Vec<Migration> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            Migration::unapplied(&name, &std::fs::read_to_string(&path).unwrap()).unwrap()
        })
        .collect();
    all.extend(more.iter().map(|(name, sql)| Migration::unapplied(name, sql).unwrap()));
    all.sort();
    Runner::new(&all)
}

fn known() -> i32 {
    runner(&[])
        .get_migrations()
        .iter()
        .map(Migration::version)
        .max()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn four_instances_at_once_all_succeed() {
    let database = Database::bare().await;
    let instances = (0..4).map(|_| {
        let connector = database.connector();
        tokio::spawn(async move { migrate(&connector).await })
    });
    let migrated: Vec<Migrated> = join_all(instances)
        .await
        .into_iter()
        .map(|ran| ran.unwrap().unwrap())
        .collect();
    assert!(migrated.iter().all(|ran| ran.version == known()), "{migrated:?}");
    let applied: usize = migrated.iter().map(|ran| ran.applied).sum();
    assert_eq!(applied, runner(&[]).get_migrations().len(), "each once: {migrated:?}");
}

#[tokio::test]
async fn an_older_binary_starts_only_where_the_schema_says_so() {
    let database = Database::fresh().await;
    let connector = database.connector();
    let compatible = ("V900__more", "create table more (id bigint)");
    let ran = migrate_with(&connector, || runner(&[compatible])).await.unwrap();
    assert_eq!(
        ran,
        Migrated {
            version: NEXT,
            applied: 1
        }
    );
    let ran = migrate(&connector).await.unwrap();
    assert_eq!(
        ran,
        Migrated {
            version: NEXT,
            applied: 0
        },
        "the older one lives with it"
    );
    let breaking = ("V901__break", "update schema_compatibility set oldest_version = 901");
    migrate_with(&connector, || runner(&[compatible, breaking]))
        .await
        .unwrap();
    let refused = migrate(&connector).await.unwrap_err();
    let MigrateError::TooOld {
        schema: 901,
        oldest: 901,
        known: own,
    } = refused
    else {
        panic!("{refused:?}")
    };
    assert_eq!(own, known());
    migrate_with(&connector, || runner(&[compatible, breaking]))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_migration_that_fails_changes_nothing_and_can_be_tried_again() {
    let database = Database::fresh().await;
    let (connector, admin) = (database.connector(), database.admin().await);
    let good = ("V900__good", "create table good (id bigint)");
    let bad = (
        "V901__bad",
        "create table half (id bigint); insert into good values (1); select 1 / 0",
    );
    let failed = migrate_with(&connector, || runner(&[good, bad])).await.unwrap_err();
    assert!(matches!(failed, MigrateError::Migration(_)), "{failed:?}");
    assert_eq!(number(&admin, "select count(*) from good").await, 0);
    assert_eq!(
        number(&admin, "select count(*) from pg_class where relname = 'half'").await,
        0
    );
    let version = "select max(version)::bigint from refinery_schema_history";
    assert_eq!(number(&admin, version).await, i64::from(NEXT));
    let mended = ("V901__bad", "create table half (id bigint)");
    let ran = migrate_with(&connector, || runner(&[good, mended])).await.unwrap();
    assert_eq!(
        ran,
        Migrated {
            version: 901,
            applied: 1
        }
    );
}

#[tokio::test]
async fn a_migration_that_was_changed_afterwards_is_refused() {
    let database = Database::fresh().await;
    let connector = database.connector();
    migrate_with(&connector, || runner(&[("V900__a", "create table a (id bigint)")]))
        .await
        .unwrap();
    let changed = ("V900__a", "create table a (id bigint, b bigint)");
    let refused = migrate_with(&connector, || runner(&[changed])).await.unwrap_err();
    assert!(matches!(refused, MigrateError::Migration(_)), "{refused:?}");
    let instead = ("V900__other", "create table a (id bigint)");
    let refused = migrate_with(&connector, || runner(&[instead])).await.unwrap_err();
    assert!(matches!(refused, MigrateError::Migration(_)), "{refused:?}");
}

/// Somebody reads the stock for a while, and the migration needs the table for itself: it waits, and
/// lets the orders of the older binary pass all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_waits_lets_the_orders_pass() {
    let database = Database::fresh().await;
    let reader = database.admin().await;
    database.stock(&[(1, 1_000_000)]).await;
    let mut settings = patient(database.settings());
    // More than a busy machine needs, and less than the migration once waited (two seconds).
    settings.lock_timeout = Duration::from_millis(1_500);
    let ledger = Arc::new(WholeLedger::connected(Connector::new(settings), Arc::new(database)).await);
    let (stop, orders) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let clients: Vec<_> = (0..2)
        .map(|_| {
            let (ledger, stop, orders) = (Arc::clone(&ledger), Arc::clone(&stop), Arc::clone(&orders));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    match run_at(&*ledger, &[place(draft(&[(1, 1)]))], now()).await {
                        Ok(_) => orders.fetch_add(1, Ordering::Relaxed),
                        Err(error) => panic!("an order was refused: {error:?}"),
                    };
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            })
        })
        .collect();
    until("orders pass", async || orders.load(Ordering::Relaxed) > 10).await;
    reader.batch_execute("begin; select from stock").await.unwrap();
    let connector = ledger.database.connector();
    let widened = ("V900__note", "alter table stock add column note text");
    let migrating = tokio::spawn(async move { migrate_with(&connector, || runner(&[widened])).await });
    let admin = ledger.database.admin().await;
    let waiting = "select count(*) from pg_locks where not granted and mode = 'AccessExclusiveLock' and relation = 'stock'::regclass";
    for _ in 0..3 {
        until("the migration waits", async || number(&admin, waiting).await == 1).await;
        let before = orders.load(Ordering::Relaxed);
        until("the migration steps back", async || number(&admin, waiting).await == 0).await;
        until("orders pass", async || orders.load(Ordering::Relaxed) > before + 10).await;
    }
    assert!(!migrating.is_finished());
    reader.batch_execute("rollback").await.unwrap();
    assert_eq!(
        migrating.await.unwrap().unwrap(),
        Migrated {
            version: NEXT,
            applied: 1
        }
    );
    let before = orders.load(Ordering::Relaxed);
    until("orders pass on the new schema", async || {
        orders.load(Ordering::Relaxed) > before + 10
    })
    .await;
    stop.store(true, Ordering::Relaxed);
    join_all(clients).await.into_iter().for_each(Result::unwrap);
    assert_eq!(contents(&admin).await[0], i64::from(orders.load(Ordering::Relaxed)));
}
