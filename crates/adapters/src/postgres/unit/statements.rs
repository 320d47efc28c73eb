//! The statements of the unit of work, prepared on a connection and kept with it.

use std::ops::Deref;

use deadpool_postgres::ClientWrapper;
use sql::client::GenericClient;
use sql::queries::unit;
use tokio_postgres::types::{BorrowToSql, ToSql};
use tokio_postgres::{Error, Row, RowStream, Statement, ToStatement};

/// A pooled connection on which what is prepared stays prepared.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cached<'c>(pub(crate) &'c ClientWrapper);

impl Deref for Cached<'_> {
    type Target = tokio_postgres::Client;

    fn deref(&self) -> &Self::Target {
        self.0
    }
}

impl GenericClient for Cached<'_> {
    fn stmt_cache() -> bool {
        true
    }

    async fn prepare(&self, query: &str) -> Result<Statement, Error> {
        self.0.prepare_cached(query).await
    }

    async fn execute<T>(&self, query: &T, params: &[&(dyn ToSql + Sync)]) -> Result<u64, Error>
    where
        T: ?Sized + ToStatement + Sync + Send,
    {
        (**self).execute(query, params).await
    }

    async fn query_one<T>(&self, statement: &T, params: &[&(dyn ToSql + Sync)]) -> Result<Row, Error>
    where
        T: ?Sized + ToStatement + Sync + Send,
    {
        (**self).query_one(statement, params).await
    }

    async fn query_opt<T>(&self, statement: &T, params: &[&(dyn ToSql + Sync)]) -> Result<Option<Row>, Error>
    where
        T: ?Sized + ToStatement + Sync + Send,
    {
        (**self).query_opt(statement, params).await
    }

    async fn query<T>(&self, query: &T, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Error>
    where
        T: ?Sized + ToStatement + Sync + Send,
    {
        (**self).query(query, params).await
    }

    async fn query_raw<T, I>(&self, statement: &T, params: I) -> Result<RowStream, Error>
    where
        T: ?Sized + ToStatement + Sync + Send,
        I: IntoIterator + Sync + Send,
        I::IntoIter: ExactSizeIterator,
        I::Item: BorrowToSql,
    {
        (**self).query_raw(statement, params).await
    }
}

/// All statements of a unit of work.
pub(crate) struct Statements {
    pub(super) next_order_ids: unit::NextOrderIdsStmt,
    pub(super) lock_orders: unit::LockOrdersStmt,
    pub(super) items_of_orders: unit::ItemsOfOrdersStmt,
    pub(super) lock_stock: unit::LockStockStmt,
    pub(super) recorded_orders: unit::RecordedOrdersStmt,
    pub(super) insert_orders: unit::InsertOrdersStmt,
    pub(super) insert_items: unit::InsertItemsStmt,
    pub(super) settle_orders: unit::SettleOrdersStmt,
    pub(super) insert_events: unit::InsertEventsStmt,
    pub(super) insert_keys: unit::InsertKeysStmt,
    pub(super) update_stock: unit::UpdateStockStmt,
}

impl Statements {
    /// Prepares what is not prepared on this connection yet: nothing, but for the first time.
    pub(crate) async fn prepare(client: &Cached<'_>) -> Result<Self, Error> {
        Ok(Self {
            next_order_ids: unit::next_order_ids().prepare(client).await?,
            lock_orders: unit::lock_orders().prepare(client).await?,
            items_of_orders: unit::items_of_orders().prepare(client).await?,
            lock_stock: unit::lock_stock().prepare(client).await?,
            recorded_orders: unit::recorded_orders().prepare(client).await?,
            insert_orders: unit::insert_orders().prepare(client).await?,
            insert_items: unit::insert_items().prepare(client).await?,
            settle_orders: unit::settle_orders().prepare(client).await?,
            insert_events: unit::insert_events().prepare(client).await?,
            insert_keys: unit::insert_keys().prepare(client).await?,
            update_stock: unit::update_stock().prepare(client).await?,
        })
    }
}
