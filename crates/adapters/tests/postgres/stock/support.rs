//! Imports and adjusts on a database of a test's own, and looks at what became of it.

use std::sync::Arc;
use std::time::Duration;

use adapters::counted::pieces;
use adapters::postgres::connect::Connector;
use adapters::postgres::stock::PostgresStock;
use adapters::postgres::testing::{Database, WholeLedger};
use domain::order::batch::Answer;
use domain::stock::adjust::{AdjustError, Adjustment, Reason, Units};
use domain::stock::import::{ImportError, Imported};
use domain::stock::model::Stock;
use domain::stock::ports::StockKeeping;
use domain::testing::build::{draft, place, sku};
use domain::testing::ledger_contract::{now, run};
use tokio_postgres::Client;

pub(super) const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn keeper(connector: Arc<Connector>) -> PostgresStock {
    PostgresStock::new(connector, PATIENCE)
}

/// For many connections at once on a busy machine: what is tested here is no deadline.
pub(super) fn patient(database: &Database) -> Arc<Connector> {
    let mut settings = database.settings();
    settings.connect_timeout = PATIENCE;
    settings.pool_timeout = PATIENCE;
    settings.statement_timeout = PATIENCE;
    Connector::new(settings)
}

/// A ledger with this stock, a keeper of it, and a connection of the superuser.
pub(super) async fn shop(stock: &[(i64, u32)]) -> (WholeLedger, PostgresStock, Client) {
    let database = Database::fresh().await;
    database.stock(stock).await;
    let (connector, admin) = (patient(&database), database.admin().await);
    let ledger = WholeLedger::connected(Arc::clone(&connector), Arc::new(database)).await;
    (ledger, keeper(connector), admin)
}

pub(super) async fn import(keeper: &PostgresStock, file: &str) -> Result<Imported, ImportError> {
    let file = std::io::Cursor::new(file.to_owned());
    keeper.import(pieces(file), now()).await
}

pub(super) fn csv(records: impl IntoIterator<Item = (i64, u32)>) -> String {
    let lines = records.into_iter().map(|(sku, total)| format!("{sku},{total}\n"));
    std::iter::once("sku,total_count\n".to_owned()).chain(lines).collect()
}

pub(super) async fn adjust(keeper: &PostgresStock, of: i64, units: i64) -> Result<Stock, AdjustError> {
    let adjustment = Adjustment {
        sku: sku(of),
        units: Units::try_from(units).unwrap(),
        reason: Reason::new("counted again").unwrap(),
    };
    keeper.adjust(adjustment, now()).await
}

/// All records as (sku, total, reserved).
pub(super) async fn records(admin: &Client) -> Vec<(i64, i64, i64)> {
    let rows = admin.query("select sku, total_count, reserved from stock order by sku", &[]);
    let rows = rows.await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
}

/// All movements as (sku, units, the first word of the reason), in their order.
pub(super) async fn movements(admin: &Client) -> Vec<(i64, i64, String)> {
    let rows = admin.query(
        "select sku, units, split_part(reason, ' ', 1) from stock_movements order by id",
        &[],
    );
    let rows = rows.await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
}

/// Skus whose record is not what its movements, payments and reservations make of it.
pub(super) async fn wrong(admin: &Client) -> i64 {
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

pub(super) async fn order(ledger: &WholeLedger, lines: &[(i64, u32)]) -> i64 {
    match run(ledger, &[place(draft(lines))]).await.as_slice() {
        [Answer::Placed(Ok(order))] => order.get(),
        other => panic!("not placed: {other:?}"),
    }
}

/// Has the COMMIT of whoever moves 13 units wait at the gate, as when the standby is away.
pub(super) async fn build_gate(admin: &Client) {
    let gate = "
        create function gate() returns trigger language plpgsql as $$ begin
            perform set_config('lock_timeout', '0', true), set_config('statement_timeout', '0', true);
            perform pg_advisory_xact_lock(13);
            return null;
        end $$;
        create constraint trigger gate after insert on stock_movements deferrable initially deferred
            for each row when (new.units = 13) execute function gate()";
    admin.batch_execute(gate).await.unwrap();
}

/// Lets nobody through until the gate is opened.
pub(super) async fn close_gate(admin: &Client) {
    admin.batch_execute("select pg_advisory_lock(13)").await.unwrap();
}

/// Lets everybody through.
pub(super) async fn open_gate(admin: &Client) {
    admin.batch_execute("select pg_advisory_unlock(13)").await.unwrap();
}
