// This file was generated with `cornucopia`. Do not modify.

#[derive(Clone, Copy, Debug)]
pub struct UnpaidOrdersParams {
    pub placed_before: time::OffsetDateTime,
    pub limit: i64,
}
#[derive(Clone, Copy, Debug)]
pub struct MovementsOfSkuParams {
    pub sku: i64,
    pub limit: i64,
}
#[derive(Debug, Clone, PartialEq, Copy)]
pub struct OrderById {
    pub id: i64,
    pub user_id: i64,
    pub status: crate::types::OrderStatus,
    pub placed_at: time::OffsetDateTime,
    pub short_sku: Option<i64>,
    pub short_wanted: Option<i64>,
    pub short_free: Option<i64>,
    pub sku: i64,
    pub count: i64,
}
#[derive(Debug, Clone, PartialEq, Copy)]
pub struct HistoryOfOrder {
    pub status: crate::types::OrderStatus,
    pub moment: time::OffsetDateTime,
}
#[derive(Debug, Clone, PartialEq, Copy)]
pub struct StockBySku {
    pub total_count: i64,
    pub reserved: i64,
}
#[derive(Debug, Clone, PartialEq)]
pub struct MovementsOfSku {
    pub units: i64,
    pub reason: String,
    pub moment: time::OffsetDateTime,
}
pub struct MovementsOfSkuBorrowed<'a> {
    pub units: i64,
    pub reason: &'a str,
    pub moment: time::OffsetDateTime,
}
impl<'a> From<MovementsOfSkuBorrowed<'a>> for MovementsOfSku {
    fn from(MovementsOfSkuBorrowed { units, reason, moment }: MovementsOfSkuBorrowed<'a>) -> Self {
        Self {
            units,
            reason: reason.into(),
            moment,
        }
    }
}
use crate::client::async_::GenericClient;
use futures::{self, StreamExt, TryStreamExt};
pub struct OrderByIdQuery<'c, 'a, 's, C: GenericClient, T, const N: usize> {
    client: &'c C,
    params: [&'a (dyn postgres_types::ToSql + Sync); N],
    query: &'static str,
    cached: Option<&'s tokio_postgres::Statement>,
    extractor: fn(&tokio_postgres::Row) -> Result<OrderById, tokio_postgres::Error>,
    mapper: fn(OrderById) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> OrderByIdQuery<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(OrderById) -> R) -> OrderByIdQuery<'c, 'a, 's, C, R, N> {
        OrderByIdQuery {
            client: self.client,
            params: self.params,
            query: self.query,
            cached: self.cached,
            extractor: self.extractor,
            mapper,
        }
    }
    pub async fn one(self) -> Result<T, tokio_postgres::Error> {
        let row = crate::client::async_::one(self.client, self.query, &self.params, self.cached).await?;
        Ok((self.mapper)((self.extractor)(&row)?))
    }
    pub async fn all(self) -> Result<Vec<T>, tokio_postgres::Error> {
        self.iter().await?.try_collect().await
    }
    pub async fn opt(self) -> Result<Option<T>, tokio_postgres::Error> {
        let opt_row = crate::client::async_::opt(self.client, self.query, &self.params, self.cached).await?;
        Ok(opt_row
            .map(|row| {
                let extracted = (self.extractor)(&row)?;
                Ok((self.mapper)(extracted))
            })
            .transpose()?)
    }
    pub async fn iter(
        self,
    ) -> Result<impl futures::Stream<Item = Result<T, tokio_postgres::Error>> + 'c, tokio_postgres::Error> {
        let stream =
            crate::client::async_::raw(self.client, self.query, crate::slice_iter(&self.params), self.cached).await?;
        let mapped = stream
            .map(move |res| {
                res.and_then(|row| {
                    let extracted = (self.extractor)(&row)?;
                    Ok((self.mapper)(extracted))
                })
            })
            .into_stream();
        Ok(mapped)
    }
}
pub struct HistoryOfOrderQuery<'c, 'a, 's, C: GenericClient, T, const N: usize> {
    client: &'c C,
    params: [&'a (dyn postgres_types::ToSql + Sync); N],
    query: &'static str,
    cached: Option<&'s tokio_postgres::Statement>,
    extractor: fn(&tokio_postgres::Row) -> Result<HistoryOfOrder, tokio_postgres::Error>,
    mapper: fn(HistoryOfOrder) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> HistoryOfOrderQuery<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(HistoryOfOrder) -> R) -> HistoryOfOrderQuery<'c, 'a, 's, C, R, N> {
        HistoryOfOrderQuery {
            client: self.client,
            params: self.params,
            query: self.query,
            cached: self.cached,
            extractor: self.extractor,
            mapper,
        }
    }
    pub async fn one(self) -> Result<T, tokio_postgres::Error> {
        let row = crate::client::async_::one(self.client, self.query, &self.params, self.cached).await?;
        Ok((self.mapper)((self.extractor)(&row)?))
    }
    pub async fn all(self) -> Result<Vec<T>, tokio_postgres::Error> {
        self.iter().await?.try_collect().await
    }
    pub async fn opt(self) -> Result<Option<T>, tokio_postgres::Error> {
        let opt_row = crate::client::async_::opt(self.client, self.query, &self.params, self.cached).await?;
        Ok(opt_row
            .map(|row| {
                let extracted = (self.extractor)(&row)?;
                Ok((self.mapper)(extracted))
            })
            .transpose()?)
    }
    pub async fn iter(
        self,
    ) -> Result<impl futures::Stream<Item = Result<T, tokio_postgres::Error>> + 'c, tokio_postgres::Error> {
        let stream =
            crate::client::async_::raw(self.client, self.query, crate::slice_iter(&self.params), self.cached).await?;
        let mapped = stream
            .map(move |res| {
                res.and_then(|row| {
                    let extracted = (self.extractor)(&row)?;
                    Ok((self.mapper)(extracted))
                })
            })
            .into_stream();
        Ok(mapped)
    }
}
pub struct I64Query<'c, 'a, 's, C: GenericClient, T, const N: usize> {
    client: &'c C,
    params: [&'a (dyn postgres_types::ToSql + Sync); N],
    query: &'static str,
    cached: Option<&'s tokio_postgres::Statement>,
    extractor: fn(&tokio_postgres::Row) -> Result<i64, tokio_postgres::Error>,
    mapper: fn(i64) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> I64Query<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(i64) -> R) -> I64Query<'c, 'a, 's, C, R, N> {
        I64Query {
            client: self.client,
            params: self.params,
            query: self.query,
            cached: self.cached,
            extractor: self.extractor,
            mapper,
        }
    }
    pub async fn one(self) -> Result<T, tokio_postgres::Error> {
        let row = crate::client::async_::one(self.client, self.query, &self.params, self.cached).await?;
        Ok((self.mapper)((self.extractor)(&row)?))
    }
    pub async fn all(self) -> Result<Vec<T>, tokio_postgres::Error> {
        self.iter().await?.try_collect().await
    }
    pub async fn opt(self) -> Result<Option<T>, tokio_postgres::Error> {
        let opt_row = crate::client::async_::opt(self.client, self.query, &self.params, self.cached).await?;
        Ok(opt_row
            .map(|row| {
                let extracted = (self.extractor)(&row)?;
                Ok((self.mapper)(extracted))
            })
            .transpose()?)
    }
    pub async fn iter(
        self,
    ) -> Result<impl futures::Stream<Item = Result<T, tokio_postgres::Error>> + 'c, tokio_postgres::Error> {
        let stream =
            crate::client::async_::raw(self.client, self.query, crate::slice_iter(&self.params), self.cached).await?;
        let mapped = stream
            .map(move |res| {
                res.and_then(|row| {
                    let extracted = (self.extractor)(&row)?;
                    Ok((self.mapper)(extracted))
                })
            })
            .into_stream();
        Ok(mapped)
    }
}
pub struct StockBySkuQuery<'c, 'a, 's, C: GenericClient, T, const N: usize> {
    client: &'c C,
    params: [&'a (dyn postgres_types::ToSql + Sync); N],
    query: &'static str,
    cached: Option<&'s tokio_postgres::Statement>,
    extractor: fn(&tokio_postgres::Row) -> Result<StockBySku, tokio_postgres::Error>,
    mapper: fn(StockBySku) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> StockBySkuQuery<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(StockBySku) -> R) -> StockBySkuQuery<'c, 'a, 's, C, R, N> {
        StockBySkuQuery {
            client: self.client,
            params: self.params,
            query: self.query,
            cached: self.cached,
            extractor: self.extractor,
            mapper,
        }
    }
    pub async fn one(self) -> Result<T, tokio_postgres::Error> {
        let row = crate::client::async_::one(self.client, self.query, &self.params, self.cached).await?;
        Ok((self.mapper)((self.extractor)(&row)?))
    }
    pub async fn all(self) -> Result<Vec<T>, tokio_postgres::Error> {
        self.iter().await?.try_collect().await
    }
    pub async fn opt(self) -> Result<Option<T>, tokio_postgres::Error> {
        let opt_row = crate::client::async_::opt(self.client, self.query, &self.params, self.cached).await?;
        Ok(opt_row
            .map(|row| {
                let extracted = (self.extractor)(&row)?;
                Ok((self.mapper)(extracted))
            })
            .transpose()?)
    }
    pub async fn iter(
        self,
    ) -> Result<impl futures::Stream<Item = Result<T, tokio_postgres::Error>> + 'c, tokio_postgres::Error> {
        let stream =
            crate::client::async_::raw(self.client, self.query, crate::slice_iter(&self.params), self.cached).await?;
        let mapped = stream
            .map(move |res| {
                res.and_then(|row| {
                    let extracted = (self.extractor)(&row)?;
                    Ok((self.mapper)(extracted))
                })
            })
            .into_stream();
        Ok(mapped)
    }
}
pub struct MovementsOfSkuQuery<'c, 'a, 's, C: GenericClient, T, const N: usize> {
    client: &'c C,
    params: [&'a (dyn postgres_types::ToSql + Sync); N],
    query: &'static str,
    cached: Option<&'s tokio_postgres::Statement>,
    extractor: fn(&tokio_postgres::Row) -> Result<MovementsOfSkuBorrowed, tokio_postgres::Error>,
    mapper: fn(MovementsOfSkuBorrowed) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> MovementsOfSkuQuery<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(MovementsOfSkuBorrowed) -> R) -> MovementsOfSkuQuery<'c, 'a, 's, C, R, N> {
        MovementsOfSkuQuery {
            client: self.client,
            params: self.params,
            query: self.query,
            cached: self.cached,
            extractor: self.extractor,
            mapper,
        }
    }
    pub async fn one(self) -> Result<T, tokio_postgres::Error> {
        let row = crate::client::async_::one(self.client, self.query, &self.params, self.cached).await?;
        Ok((self.mapper)((self.extractor)(&row)?))
    }
    pub async fn all(self) -> Result<Vec<T>, tokio_postgres::Error> {
        self.iter().await?.try_collect().await
    }
    pub async fn opt(self) -> Result<Option<T>, tokio_postgres::Error> {
        let opt_row = crate::client::async_::opt(self.client, self.query, &self.params, self.cached).await?;
        Ok(opt_row
            .map(|row| {
                let extracted = (self.extractor)(&row)?;
                Ok((self.mapper)(extracted))
            })
            .transpose()?)
    }
    pub async fn iter(
        self,
    ) -> Result<impl futures::Stream<Item = Result<T, tokio_postgres::Error>> + 'c, tokio_postgres::Error> {
        let stream =
            crate::client::async_::raw(self.client, self.query, crate::slice_iter(&self.params), self.cached).await?;
        let mapped = stream
            .map(move |res| {
                res.and_then(|row| {
                    let extracted = (self.extractor)(&row)?;
                    Ok((self.mapper)(extracted))
                })
            })
            .into_stream();
        Ok(mapped)
    }
}
pub struct OrderByIdStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn order_by_id() -> OrderByIdStmt {
    OrderByIdStmt(
        "select o.id, o.user_id, o.status, o.placed_at, o.short_sku, o.short_wanted, o.short_free, i.sku, i.count from orders o join order_items i on i.order_id = o.id where o.id = $1 order by i.sku",
        None,
    )
}
impl OrderByIdStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient>(
        &'s self,
        client: &'c C,
        id: &'a i64,
    ) -> OrderByIdQuery<'c, 'a, 's, C, OrderById, 1> {
        OrderByIdQuery {
            client,
            params: [id],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row: &tokio_postgres::Row| -> Result<OrderById, tokio_postgres::Error> {
                Ok(OrderById {
                    id: row.try_get(0)?,
                    user_id: row.try_get(1)?,
                    status: row.try_get(2)?,
                    placed_at: row.try_get(3)?,
                    short_sku: row.try_get(4)?,
                    short_wanted: row.try_get(5)?,
                    short_free: row.try_get(6)?,
                    sku: row.try_get(7)?,
                    count: row.try_get(8)?,
                })
            },
            mapper: |it| OrderById::from(it),
        }
    }
}
pub struct HistoryOfOrderStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn history_of_order() -> HistoryOfOrderStmt {
    HistoryOfOrderStmt(
        "select status, moment from order_events where order_id = $1 order by step",
        None,
    )
}
impl HistoryOfOrderStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient>(
        &'s self,
        client: &'c C,
        order_id: &'a i64,
    ) -> HistoryOfOrderQuery<'c, 'a, 's, C, HistoryOfOrder, 1> {
        HistoryOfOrderQuery {
            client,
            params: [order_id],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row: &tokio_postgres::Row| -> Result<HistoryOfOrder, tokio_postgres::Error> {
                Ok(HistoryOfOrder {
                    status: row.try_get(0)?,
                    moment: row.try_get(1)?,
                })
            },
            mapper: |it| HistoryOfOrder::from(it),
        }
    }
}
pub struct UnpaidOrdersStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn unpaid_orders() -> UnpaidOrdersStmt {
    UnpaidOrdersStmt(
        "select id from orders where status = 'awaiting payment' and placed_at < $1 order by placed_at, id limit $2",
        None,
    )
}
impl UnpaidOrdersStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient>(
        &'s self,
        client: &'c C,
        placed_before: &'a time::OffsetDateTime,
        limit: &'a i64,
    ) -> I64Query<'c, 'a, 's, C, i64, 2> {
        I64Query {
            client,
            params: [placed_before, limit],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row| Ok(row.try_get(0)?),
            mapper: |it| it,
        }
    }
}
impl<'c, 'a, 's, C: GenericClient>
    crate::client::async_::Params<'c, 'a, 's, UnpaidOrdersParams, I64Query<'c, 'a, 's, C, i64, 2>, C>
    for UnpaidOrdersStmt
{
    fn params(&'s self, client: &'c C, params: &'a UnpaidOrdersParams) -> I64Query<'c, 'a, 's, C, i64, 2> {
        self.bind(client, &params.placed_before, &params.limit)
    }
}
pub struct StockBySkuStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn stock_by_sku() -> StockBySkuStmt {
    StockBySkuStmt("select total_count, reserved from stock where sku = $1", None)
}
impl StockBySkuStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient>(
        &'s self,
        client: &'c C,
        sku: &'a i64,
    ) -> StockBySkuQuery<'c, 'a, 's, C, StockBySku, 1> {
        StockBySkuQuery {
            client,
            params: [sku],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row: &tokio_postgres::Row| -> Result<StockBySku, tokio_postgres::Error> {
                Ok(StockBySku {
                    total_count: row.try_get(0)?,
                    reserved: row.try_get(1)?,
                })
            },
            mapper: |it| StockBySku::from(it),
        }
    }
}
pub struct MovementsOfSkuStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn movements_of_sku() -> MovementsOfSkuStmt {
    MovementsOfSkuStmt(
        "select units, reason, moment from stock_movements where sku = $1 order by id limit $2",
        None,
    )
}
impl MovementsOfSkuStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient>(
        &'s self,
        client: &'c C,
        sku: &'a i64,
        limit: &'a i64,
    ) -> MovementsOfSkuQuery<'c, 'a, 's, C, MovementsOfSku, 2> {
        MovementsOfSkuQuery {
            client,
            params: [sku, limit],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row: &tokio_postgres::Row| -> Result<MovementsOfSkuBorrowed, tokio_postgres::Error> {
                Ok(MovementsOfSkuBorrowed {
                    units: row.try_get(0)?,
                    reason: row.try_get(1)?,
                    moment: row.try_get(2)?,
                })
            },
            mapper: |it| MovementsOfSku::from(it),
        }
    }
}
impl<'c, 'a, 's, C: GenericClient>
    crate::client::async_::Params<
        'c,
        'a,
        's,
        MovementsOfSkuParams,
        MovementsOfSkuQuery<'c, 'a, 's, C, MovementsOfSku, 2>,
        C,
    > for MovementsOfSkuStmt
{
    fn params(
        &'s self,
        client: &'c C,
        params: &'a MovementsOfSkuParams,
    ) -> MovementsOfSkuQuery<'c, 'a, 's, C, MovementsOfSku, 2> {
        self.bind(client, &params.sku, &params.limit)
    }
}
