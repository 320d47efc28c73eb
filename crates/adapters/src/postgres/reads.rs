//! Reads of orders and stock: from the standbys that are in step, in turn, else from the primary.
//! A server that fails is passed over until it was looked at again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use deadpool_postgres::{BuildError, Object};
use domain::clock::Moment;
use domain::order::model::Order;
use domain::order::ports::{OrderQueries, QueryError};
use domain::order::status::OrderStatus;
use domain::stock::model::{Movement, Stock};
use domain::stock::ports::StockQueries;
use domain::types::{OrderId, Sku};
use sql::queries::reads;
use tokio::sync::watch;
use tokio_postgres::Error;

use super::cluster::{Cluster, Suspects, View};
use super::connect::Connector;
use super::errors::{Refusal, unread, unread_for};
use super::measured::{Sql, within};
use super::pool::ReadPool;
use super::rows::{self, Head};
use super::spans::Statement;

/// Reads from the cluster.
#[derive(Debug)]
pub struct PostgresReads {
    connector: Arc<Connector>,
    pools: Vec<ReadPool>,
    view: watch::Receiver<View>,
    timelines: watch::Receiver<i32>,
    suspects: Arc<Suspects>,
    turn: AtomicUsize,
}

impl PostgresReads {
    /// Over the servers of a cluster that somebody keeps looking at.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn new(connector: Arc<Connector>, cluster: &Cluster) -> Result<Self, BuildError> {
        let pools = (0..connector.servers()).map(|server| ReadPool::new(&connector, server));
        Ok(Self {
            pools: pools.collect::<Result<_, _>>()?,
            view: cluster.view(),
            timelines: connector.timelines(),
            suspects: cluster.suspects(),
            turn: AtomicUsize::new(0),
            connector,
        })
    }

    /// Shows how the pools are used.
    pub fn show(&self) {
        self.pools.iter().for_each(ReadPool::show);
    }

    /// The server to ask, and whom to ask where it fails. Nobody while only others know yet which
    /// server took over: what was written to it cannot be read from those of before.
    fn candidates(&self) -> impl Iterator<Item = usize> {
        let view = self.view.borrow();
        let is_current = view.timeline >= *self.timelines.borrow();
        let good: Vec<usize> = view
            .replicas
            .iter()
            .copied()
            .filter(|server| !self.suspects.suspects(*server))
            .collect();
        let replica = match good.len() {
            0 => None,
            // In turn; the counter wraps.
            many => Some(good[self.turn.fetch_add(1, Ordering::Relaxed) % many]),
        };
        replica.into_iter().chain(view.primary).filter(move |_| is_current)
    }

    /// Asks one server after the other until one answers.
    pub(super) async fn read<T, F>(&self, sql: Sql, ask: impl Fn(Arc<Object>) -> F) -> Result<T, QueryError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut failure = unread(Refusal::NoPrimary);
        for server in self.candidates() {
            match self.ask(server, sql, &ask).await {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    self.suspects.accuse(server);
                    failure = error;
                }
            }
        }
        Err(failure)
    }

    async fn ask<T, F>(&self, server: usize, sql: Sql, ask: &impl Fn(Arc<Object>) -> F) -> Result<T, QueryError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let pool = &self.pools[server];
        let connection = Arc::new(pool.get().await.map_err(unread_for)?);
        let statement = Statement::to(&self.connector, server).run(sql, ask(Arc::clone(&connection)));
        let asked = within(self.connector.settings().read_timeout, statement).await;
        let failure = match asked {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) if error.as_db_error().is_some() => return Err(unread(error)),
            Ok(Err(error)) => unread(error),
            Err(_) => unread(Refusal::TimedOut),
        };
        if let Some(connection) = Arc::into_inner(connection) {
            pool.distrust(connection);
        }
        Err(failure)
    }
}

impl OrderQueries for PostgresReads {
    async fn order(&self, id: OrderId) -> Result<Option<Order>, QueryError> {
        let id = id.get();
        let rows = self
            .read(Sql::OrderById, |client| async move {
                reads::order_by_id().bind(&*client, &id).all().await
            })
            .await?;
        let Some(first) = rows.first() else { return Ok(None) };
        let head = Head {
            id: first.id,
            user: first.user_id,
            status: first.status,
            placed_at: first.placed_at,
            short: (first.short_sku, first.short_wanted, first.short_free),
        };
        let lines = rows::lines(rows.iter().map(|row| rows::line(row.sku, row.count)));
        lines.and_then(|lines| head.with(lines)).map(Some).map_err(unread)
    }

    async fn history(&self, id: OrderId) -> Result<Vec<(OrderStatus, Moment)>, QueryError> {
        let id = id.get();
        let rows = self
            .read(Sql::HistoryOfOrder, |client| async move {
                reads::history_of_order().bind(&*client, &id).all().await
            })
            .await?;
        Ok(rows
            .into_iter()
            .map(|row| (rows::status(row.status), rows::moment(row.moment)))
            .collect())
    }

    async fn unpaid(&self, placed_before: Moment, limit: usize) -> Result<Vec<OrderId>, QueryError> {
        let (before, limit) = (rows::timestamp(placed_before), i64::try_from(limit).unwrap_or(i64::MAX));
        let ids = self
            .read(Sql::UnpaidOrders, |client| async move {
                reads::unpaid_orders().bind(&*client, &before, &limit).all().await
            })
            .await?;
        ids.into_iter().map(|id| rows::order_id(id).map_err(unread)).collect()
    }
}

impl StockQueries for PostgresReads {
    async fn stock(&self, sku: Sku) -> Result<Option<Stock>, QueryError> {
        let sku = sku.get();
        let row = self
            .read(Sql::StockBySku, |client| async move {
                reads::stock_by_sku().bind(&*client, &sku).opt().await
            })
            .await?;
        row.map(|row| rows::stock(row.total_count, row.reserved).map_err(unread))
            .transpose()
    }

    async fn movements(&self, sku: Sku, limit: usize) -> Result<Vec<Movement>, QueryError> {
        let (number, limit) = (sku.get(), i64::try_from(limit).unwrap_or(i64::MAX));
        let rows = self
            .read(Sql::MovementsOfSku, |client| async move {
                reads::movements_of_sku().bind(&*client, &number, &limit).all().await
            })
            .await?;
        Ok(rows
            .into_iter()
            .map(|row| Movement {
                sku,
                units: row.units,
                reason: row.reason.into(),
                moment: rows::moment(row.moment),
            })
            .collect())
    }
}
