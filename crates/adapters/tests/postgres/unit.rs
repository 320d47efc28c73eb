//! The unit of work on the wire: two round trips a batch, and a COMMIT that never overtakes a write,
//! not on a connection where nothing is prepared either.

use adapters::postgres::connect::Connector;
use adapters::postgres::ledger::PostgresLedger;
use adapters::postgres::settings::PostgresSettings;
use adapters::postgres::testing::Database;
use domain::order::batch::Command;
use domain::order::ports::LedgerError;
use domain::testing::build::{cancel, draft, keyed, pay, place};
use domain::testing::ledger_contract::{now, run, run_at};

use crate::proxy::Proxy;
use crate::support::{contents, patient, placed};

/// A ledger whose connections pass a proxy.
pub(crate) struct Proxied {
    pub(crate) ledger: PostgresLedger,
    pub(crate) proxy: Proxy,
    pub(crate) database: Database,
}

impl Proxied {
    /// With so many places in its pool, and records of stock.
    pub(crate) async fn new(places: usize, stock: &[(i64, u32)]) -> Self {
        Self::bounded(places, stock, |_| {}).await
    }

    /// With bounds of its own.
    pub(crate) async fn bounded(places: usize, stock: &[(i64, u32)], bounds: fn(&mut PostgresSettings)) -> Self {
        let database = Database::fresh().await;
        database.stock(stock).await;
        let server = &database.servers().primary;
        let proxy = Proxy::before(server).await;
        let mut settings = patient(PostgresSettings::new(proxy.target(server, database.name())));
        settings.write_connections_max = places;
        bounds(&mut settings);
        Self {
            ledger: PostgresLedger::new(Connector::new(settings)).unwrap(),
            proxy,
            database,
        }
    }

    /// What a batch puts on the wire: round trips, statements prepared, statements run.
    async fn cost(&self, batch: &[Command]) -> (usize, usize, usize) {
        self.proxy.seen();
        run(&self.ledger, batch).await;
        let (trips, log) = self.proxy.seen();
        let parses = log.iter().filter(|sent| *sent == "parse").count();
        (trips, parses, log.len() - parses)
    }
}

#[tokio::test]
async fn a_batch_takes_two_round_trips_whatever_is_in_it() {
    let loms = Proxied::new(1, &[(1, 10_000), (2, 10_000)]).await;
    let first = [[(1, 1)], [(2, 1)], [(1, 2)]].map(|lines| place(draft(&lines)));
    let first = run(&loms.ledger, &first).await;
    let [one, two, three] = [0, 1, 2].map(|at| placed(&first[at]).get());
    // BEGIN, lock stock; orders, items, events, stock, COMMIT.
    assert_eq!(loms.cost(&[place(draft(&[(1, 1), (2, 3)]))]).await, (2, 0, 7));
    // Its key is looked up, and recorded.
    assert_eq!(loms.cost(&[place(keyed(&[(1, 1)], "a"))]).await, (2, 0, 9));
    // BEGIN, lock orders, their items, stock; settle, events, stock, COMMIT.
    assert_eq!(loms.cost(&[pay(one)]).await, (2, 0, 8));
    assert_eq!(loms.cost(&[cancel(three)]).await, (2, 0, 8));
    let mixed = [place(keyed(&[(1, 1)], "b")), pay(two), place(draft(&[(2, 2)]))];
    assert_eq!(loms.cost(&mixed).await, (2, 0, 12));
    // What changes nothing ends with a ROLLBACK.
    assert_eq!(loms.cost(&[pay(two)]).await, (2, 0, 5));
    // The block of ids is exhausted: one more statement, and no round trip.
    let many: Vec<_> = (0..1_000).map(|_| place(draft(&[(1, 1)]))).collect();
    assert_eq!(loms.cost(&many).await, (2, 0, 8));
    assert_eq!(contents(&loms.database.admin().await).await[0], 1_007);
}

/// They wait for the first connection, and it shows the timeline of the server.
#[tokio::test]
async fn the_very_first_callers_all_get_a_connection() {
    let loms = Proxied::new(1, &[(1, 100)]).await;
    let batch = [place(draft(&[(1, 1)]))];
    let all = futures::future::join_all((0..16).map(|_| run(&loms.ledger, &batch))).await;
    assert_eq!(all.concat().iter().map(placed).count(), 16);
}

#[tokio::test]
async fn on_a_cold_connection_everything_is_prepared_before_the_first_trip() {
    let loms = Proxied::new(1, &[(1, 100)]).await;
    for round in 1..=3 {
        let (connection, _) = loms.ledger.writes().get().await.unwrap();
        connection.statement_cache.clear();
        drop(connection);
        loms.proxy.seen();
        let batch = [place(keyed(&[(1, 2)], &format!("k{round}"))), place(draft(&[(1, 1)]))];
        let answers = run(&loms.ledger, &batch).await;
        let (_, log) = loms.proxy.seen();
        let begin = log.iter().position(|sent| sent == "BEGIN").expect("it begins");
        // Beside the statements: what types their parameters have.
        let parses = log[..begin].iter().filter(|sent| *sent == "parse").count();
        assert!(parses >= 11 && !log[..begin].contains(&"COMMIT".to_owned()), "{log:?}");
        assert!(log[begin..].iter().all(|sent| sent != "parse"), "{log:?}");
        assert_eq!(log.last().map(String::as_str), Some("COMMIT"));
        placed(&answers[0]);
        let expected = [2, 2, 4, 4, 1, 3].map(|each| each * round);
        assert_eq!(contents(&loms.database.admin().await).await, expected);
    }
}

#[tokio::test]
async fn a_connection_that_forgot_its_statements_is_given_up() {
    let loms = Proxied::new(1, &[(1, 100)]).await;
    run(&loms.ledger, &[place(draft(&[(1, 1)]))]).await;
    let (connection, _) = loms.ledger.writes().get().await.unwrap();
    connection.batch_execute("deallocate all").await.unwrap();
    drop(connection);
    let batch = [place(draft(&[(1, 1)]))];
    let refused = run_at(&loms.ledger, &batch, now()).await;
    assert!(matches!(refused, Err(LedgerError::Busy(_))), "{refused:?}");
    assert_eq!(contents(&loms.database.admin().await).await[0], 1);
    placed(&run(&loms.ledger, &batch).await[0]);
}

/// Breaks the schema, and sees that a batch is rolled back as a whole and the next one works.
async fn a_write_fails(breakage: &str, repair: &str, batch_of: impl Fn(i64) -> Vec<Command>) {
    let loms = Proxied::new(1, &[(1, 100), (2, 100)]).await;
    let first = run(&loms.ledger, &[place(keyed(&[(1, 1)], "first"))]).await;
    let admin = loms.database.admin().await;
    admin.batch_execute(breakage).await.unwrap();
    let before = contents(&admin).await;
    let batch = batch_of(placed(&first[0]).get());
    for _ in 0..2 {
        let refused = run_at(&loms.ledger, &batch, now()).await;
        assert!(matches!(refused, Err(LedgerError::RolledBack(_))), "{refused:?}");
        assert_eq!(contents(&admin).await, before);
    }
    let (_, log) = loms.proxy.seen();
    let commits = log.iter().filter(|sent| *sent == "COMMIT").count();
    assert_eq!(commits, 3, "each COMMIT was on its way when the write failed");
    admin.batch_execute(repair).await.unwrap();
    run(&loms.ledger, &batch).await;
    assert_ne!(contents(&admin).await, before);
}

fn both_kinds(order: i64) -> Vec<Command> {
    vec![place(keyed(&[(1, 1)], "a")), pay(order), place(draft(&[(2, 13)]))]
}

#[tokio::test]
async fn a_constraint_fails_the_first_write() {
    let breakage = "alter table orders add constraint planted check (user_id <> 1) not valid";
    a_write_fails(breakage, "alter table orders drop constraint planted", both_kinds).await;
}

#[tokio::test]
async fn a_constraint_fails_a_write_in_the_middle() {
    let breakage = "alter table order_items add constraint planted check (count <> 13)";
    a_write_fails(breakage, "alter table order_items drop constraint planted", both_kinds).await;
}

/// A row that is missing, as a statement sees it.
fn missing(table: &str) -> (String, String) {
    let breakage = format!(
        "create function nothing() returns trigger language plpgsql as 'begin return null; end';
         create trigger planted before update on {table} for each row execute function nothing()"
    );
    (breakage, format!("drop trigger planted on {table}"))
}

#[tokio::test]
async fn a_missing_stock_record_divides_by_zero() {
    let (breakage, repair) = missing("stock");
    a_write_fails(&breakage, &repair, both_kinds).await;
}

#[tokio::test]
async fn an_order_that_cannot_be_settled_divides_by_zero() {
    let (breakage, repair) = missing("orders");
    a_write_fails(&breakage, &repair, both_kinds).await;
}

#[tokio::test]
async fn a_commit_that_is_refused_is_rolled_back() {
    let breakage = "create function refuse() returns trigger language plpgsql as 'begin raise ''planted''; end';
        create constraint trigger planted after insert on outbox deferrable initially deferred
        for each row execute function refuse()";
    a_write_fails(breakage, "drop trigger planted on outbox", both_kinds).await;
}
