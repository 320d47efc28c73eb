// This file was generated with `cornucopia`. Do not modify.

#[derive(Debug)]
pub struct LockStockParams<T1: crate::ArraySql<Item = i64>, T2: crate::ArraySql<Item = i64>> {
    pub skus: T1,
    pub orders: T2,
}
#[derive(Debug)]
pub struct RecordedOrdersParams<T1: crate::ArraySql<Item = i64>, T2: crate::StringSql, T3: crate::ArraySql<Item = T2>> {
    pub users: T1,
    pub keys: T3,
}
#[derive(Debug)]
pub struct InsertOrdersParams<
    T1: crate::ArraySql<Item = i64>,
    T2: crate::ArraySql<Item = i64>,
    T3: crate::ArraySql<Item = crate::types::OrderStatus>,
    T4: crate::ArraySql<Item = time::OffsetDateTime>,
    T5: crate::ArraySql<Item = Option<i64>>,
    T6: crate::ArraySql<Item = Option<i64>>,
    T7: crate::ArraySql<Item = Option<i64>>,
> {
    pub ids: T1,
    pub users: T2,
    pub statuses: T3,
    pub placed_at: T4,
    pub short_skus: T5,
    pub short_wanted: T6,
    pub short_free: T7,
}
#[derive(Debug)]
pub struct InsertItemsParams<
    T1: crate::ArraySql<Item = i64>,
    T2: crate::ArraySql<Item = i64>,
    T3: crate::ArraySql<Item = i64>,
> {
    pub orders: T1,
    pub skus: T2,
    pub counts: T3,
}
#[derive(Debug)]
pub struct SettleOrdersParams<
    T1: crate::ArraySql<Item = i64>,
    T2: crate::ArraySql<Item = crate::types::OrderStatus>,
    T3: crate::ArraySql<Item = time::OffsetDateTime>,
> {
    pub ids: T1,
    pub statuses: T2,
    pub moments: T3,
}
#[derive(Debug)]
pub struct InsertEventsParams<
    T1: crate::ArraySql<Item = i64>,
    T2: crate::ArraySql<Item = crate::types::OrderStatus>,
    T3: crate::ArraySql<Item = time::OffsetDateTime>,
    T4: crate::StringSql,
    T5: crate::ArraySql<Item = Option<T4>>,
> {
    pub orders: T1,
    pub statuses: T2,
    pub moments: T3,
    pub traceparents: T5,
}
#[derive(Debug)]
pub struct InsertKeysParams<
    T1: crate::ArraySql<Item = i64>,
    T2: crate::StringSql,
    T3: crate::ArraySql<Item = T2>,
    T4: crate::ArraySql<Item = i64>,
    T5: crate::ArraySql<Item = time::OffsetDateTime>,
> {
    pub users: T1,
    pub keys: T3,
    pub orders: T4,
    pub created_at: T5,
}
#[derive(Debug)]
pub struct UpdateStockParams<
    T1: crate::ArraySql<Item = i64>,
    T2: crate::ArraySql<Item = i64>,
    T3: crate::ArraySql<Item = i64>,
> {
    pub skus: T1,
    pub totals: T2,
    pub reserved: T3,
}
#[derive(Debug, Clone, PartialEq, Copy)]
pub struct LockOrders {
    pub id: i64,
    pub user_id: i64,
    pub status: crate::types::OrderStatus,
    pub placed_at: time::OffsetDateTime,
    pub short_sku: Option<i64>,
    pub short_wanted: Option<i64>,
    pub short_free: Option<i64>,
}
#[derive(Debug, Clone, PartialEq, Copy)]
pub struct ItemsOfOrders {
    pub order_id: i64,
    pub sku: i64,
    pub count: i64,
}
#[derive(Debug, Clone, PartialEq, Copy)]
pub struct LockStock {
    pub sku: i64,
    pub total_count: i64,
    pub reserved: i64,
}
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedOrders {
    pub user_id: i64,
    pub key: String,
    pub id: i64,
    pub status: crate::types::OrderStatus,
    pub placed_at: time::OffsetDateTime,
    pub short_sku: Option<i64>,
    pub short_wanted: Option<i64>,
    pub short_free: Option<i64>,
    pub sku: i64,
    pub count: i64,
}
pub struct RecordedOrdersBorrowed<'a> {
    pub user_id: i64,
    pub key: &'a str,
    pub id: i64,
    pub status: crate::types::OrderStatus,
    pub placed_at: time::OffsetDateTime,
    pub short_sku: Option<i64>,
    pub short_wanted: Option<i64>,
    pub short_free: Option<i64>,
    pub sku: i64,
    pub count: i64,
}
impl<'a> From<RecordedOrdersBorrowed<'a>> for RecordedOrders {
    fn from(
        RecordedOrdersBorrowed {
            user_id,
            key,
            id,
            status,
            placed_at,
            short_sku,
            short_wanted,
            short_free,
            sku,
            count,
        }: RecordedOrdersBorrowed<'a>,
    ) -> Self {
        Self {
            user_id,
            key: key.into(),
            id,
            status,
            placed_at,
            short_sku,
            short_wanted,
            short_free,
            sku,
            count,
        }
    }
}
use crate::client::async_::GenericClient;
use futures::{self, StreamExt, TryStreamExt};
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
pub struct LockOrdersQuery<'c, 'a, 's, C: GenericClient, T, const N: usize> {
    client: &'c C,
    params: [&'a (dyn postgres_types::ToSql + Sync); N],
    query: &'static str,
    cached: Option<&'s tokio_postgres::Statement>,
    extractor: fn(&tokio_postgres::Row) -> Result<LockOrders, tokio_postgres::Error>,
    mapper: fn(LockOrders) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> LockOrdersQuery<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(LockOrders) -> R) -> LockOrdersQuery<'c, 'a, 's, C, R, N> {
        LockOrdersQuery {
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
pub struct ItemsOfOrdersQuery<'c, 'a, 's, C: GenericClient, T, const N: usize> {
    client: &'c C,
    params: [&'a (dyn postgres_types::ToSql + Sync); N],
    query: &'static str,
    cached: Option<&'s tokio_postgres::Statement>,
    extractor: fn(&tokio_postgres::Row) -> Result<ItemsOfOrders, tokio_postgres::Error>,
    mapper: fn(ItemsOfOrders) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> ItemsOfOrdersQuery<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(ItemsOfOrders) -> R) -> ItemsOfOrdersQuery<'c, 'a, 's, C, R, N> {
        ItemsOfOrdersQuery {
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
pub struct LockStockQuery<'c, 'a, 's, C: GenericClient, T, const N: usize> {
    client: &'c C,
    params: [&'a (dyn postgres_types::ToSql + Sync); N],
    query: &'static str,
    cached: Option<&'s tokio_postgres::Statement>,
    extractor: fn(&tokio_postgres::Row) -> Result<LockStock, tokio_postgres::Error>,
    mapper: fn(LockStock) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> LockStockQuery<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(LockStock) -> R) -> LockStockQuery<'c, 'a, 's, C, R, N> {
        LockStockQuery {
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
pub struct RecordedOrdersQuery<'c, 'a, 's, C: GenericClient, T, const N: usize> {
    client: &'c C,
    params: [&'a (dyn postgres_types::ToSql + Sync); N],
    query: &'static str,
    cached: Option<&'s tokio_postgres::Statement>,
    extractor: fn(&tokio_postgres::Row) -> Result<RecordedOrdersBorrowed, tokio_postgres::Error>,
    mapper: fn(RecordedOrdersBorrowed) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> RecordedOrdersQuery<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(RecordedOrdersBorrowed) -> R) -> RecordedOrdersQuery<'c, 'a, 's, C, R, N> {
        RecordedOrdersQuery {
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
pub struct I32Query<'c, 'a, 's, C: GenericClient, T, const N: usize> {
    client: &'c C,
    params: [&'a (dyn postgres_types::ToSql + Sync); N],
    query: &'static str,
    cached: Option<&'s tokio_postgres::Statement>,
    extractor: fn(&tokio_postgres::Row) -> Result<i32, tokio_postgres::Error>,
    mapper: fn(i32) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> I32Query<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(i32) -> R) -> I32Query<'c, 'a, 's, C, R, N> {
        I32Query {
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
pub struct NextOrderIdsStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn next_order_ids() -> NextOrderIdsStmt {
    NextOrderIdsStmt(
        "select nextval('order_id_blocks') as first from generate_series(1, cast($1 as integer))",
        None,
    )
}
impl NextOrderIdsStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient>(
        &'s self,
        client: &'c C,
        blocks: &'a i32,
    ) -> I64Query<'c, 'a, 's, C, i64, 1> {
        I64Query {
            client,
            params: [blocks],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row| Ok(row.try_get(0)?),
            mapper: |it| it,
        }
    }
}
pub struct LockOrdersStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn lock_orders() -> LockOrdersStmt {
    LockOrdersStmt(
        "select id, user_id, status, placed_at, short_sku, short_wanted, short_free from orders where id = any($1) order by id for no key update",
        None,
    )
}
impl LockOrdersStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient, T1: crate::ArraySql<Item = i64>>(
        &'s self,
        client: &'c C,
        ids: &'a T1,
    ) -> LockOrdersQuery<'c, 'a, 's, C, LockOrders, 1> {
        LockOrdersQuery {
            client,
            params: [ids],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row: &tokio_postgres::Row| -> Result<LockOrders, tokio_postgres::Error> {
                Ok(LockOrders {
                    id: row.try_get(0)?,
                    user_id: row.try_get(1)?,
                    status: row.try_get(2)?,
                    placed_at: row.try_get(3)?,
                    short_sku: row.try_get(4)?,
                    short_wanted: row.try_get(5)?,
                    short_free: row.try_get(6)?,
                })
            },
            mapper: |it| LockOrders::from(it),
        }
    }
}
pub struct ItemsOfOrdersStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn items_of_orders() -> ItemsOfOrdersStmt {
    ItemsOfOrdersStmt(
        "select order_id, sku, count from order_items where order_id = any($1) order by order_id, sku",
        None,
    )
}
impl ItemsOfOrdersStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient, T1: crate::ArraySql<Item = i64>>(
        &'s self,
        client: &'c C,
        orders: &'a T1,
    ) -> ItemsOfOrdersQuery<'c, 'a, 's, C, ItemsOfOrders, 1> {
        ItemsOfOrdersQuery {
            client,
            params: [orders],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row: &tokio_postgres::Row| -> Result<ItemsOfOrders, tokio_postgres::Error> {
                Ok(ItemsOfOrders {
                    order_id: row.try_get(0)?,
                    sku: row.try_get(1)?,
                    count: row.try_get(2)?,
                })
            },
            mapper: |it| ItemsOfOrders::from(it),
        }
    }
}
pub struct LockStockStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn lock_stock() -> LockStockStmt {
    LockStockStmt(
        "select sku, total_count, reserved from stock where sku = any(cast($1 as bigint[]) || array(select i.sku from order_items i where i.order_id = any($2))) order by sku for no key update",
        None,
    )
}
impl LockStockStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient, T1: crate::ArraySql<Item = i64>, T2: crate::ArraySql<Item = i64>>(
        &'s self,
        client: &'c C,
        skus: &'a T1,
        orders: &'a T2,
    ) -> LockStockQuery<'c, 'a, 's, C, LockStock, 2> {
        LockStockQuery {
            client,
            params: [skus, orders],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row: &tokio_postgres::Row| -> Result<LockStock, tokio_postgres::Error> {
                Ok(LockStock {
                    sku: row.try_get(0)?,
                    total_count: row.try_get(1)?,
                    reserved: row.try_get(2)?,
                })
            },
            mapper: |it| LockStock::from(it),
        }
    }
}
impl<'c, 'a, 's, C: GenericClient, T1: crate::ArraySql<Item = i64>, T2: crate::ArraySql<Item = i64>>
    crate::client::async_::Params<'c, 'a, 's, LockStockParams<T1, T2>, LockStockQuery<'c, 'a, 's, C, LockStock, 2>, C>
    for LockStockStmt
{
    fn params(
        &'s self,
        client: &'c C,
        params: &'a LockStockParams<T1, T2>,
    ) -> LockStockQuery<'c, 'a, 's, C, LockStock, 2> {
        self.bind(client, &params.skus, &params.orders)
    }
}
pub struct RecordedOrdersStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn recorded_orders() -> RecordedOrdersStmt {
    RecordedOrdersStmt(
        "select k.user_id, k.key, o.id, o.status, o.placed_at, o.short_sku, o.short_wanted, o.short_free, i.sku, i.count from unnest(cast($1 as bigint[]), cast($2 as text[])) as wanted (user_id, key) join idempotency_keys k on k.user_id = wanted.user_id and k.key = wanted.key join orders o on o.id = k.order_id join order_items i on i.order_id = o.id order by k.user_id, k.key, i.sku",
        None,
    )
}
impl RecordedOrdersStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<
        'c,
        'a,
        's,
        C: GenericClient,
        T1: crate::ArraySql<Item = i64>,
        T2: crate::StringSql,
        T3: crate::ArraySql<Item = T2>,
    >(
        &'s self,
        client: &'c C,
        users: &'a T1,
        keys: &'a T3,
    ) -> RecordedOrdersQuery<'c, 'a, 's, C, RecordedOrders, 2> {
        RecordedOrdersQuery {
            client,
            params: [users, keys],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row: &tokio_postgres::Row| -> Result<RecordedOrdersBorrowed, tokio_postgres::Error> {
                Ok(RecordedOrdersBorrowed {
                    user_id: row.try_get(0)?,
                    key: row.try_get(1)?,
                    id: row.try_get(2)?,
                    status: row.try_get(3)?,
                    placed_at: row.try_get(4)?,
                    short_sku: row.try_get(5)?,
                    short_wanted: row.try_get(6)?,
                    short_free: row.try_get(7)?,
                    sku: row.try_get(8)?,
                    count: row.try_get(9)?,
                })
            },
            mapper: |it| RecordedOrders::from(it),
        }
    }
}
impl<
    'c,
    'a,
    's,
    C: GenericClient,
    T1: crate::ArraySql<Item = i64>,
    T2: crate::StringSql,
    T3: crate::ArraySql<Item = T2>,
>
    crate::client::async_::Params<
        'c,
        'a,
        's,
        RecordedOrdersParams<T1, T2, T3>,
        RecordedOrdersQuery<'c, 'a, 's, C, RecordedOrders, 2>,
        C,
    > for RecordedOrdersStmt
{
    fn params(
        &'s self,
        client: &'c C,
        params: &'a RecordedOrdersParams<T1, T2, T3>,
    ) -> RecordedOrdersQuery<'c, 'a, 's, C, RecordedOrders, 2> {
        self.bind(client, &params.users, &params.keys)
    }
}
pub struct InsertOrdersStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn insert_orders() -> InsertOrdersStmt {
    InsertOrdersStmt(
        "with placed as ( insert into orders (id, user_id, status, placed_at, short_sku, short_wanted, short_free) select * from unnest( cast($1 as bigint[]), cast($2 as bigint[]), cast($3 as order_status[]), cast($4 as timestamptz[]), cast($5 as bigint[]), cast($6 as bigint[]), cast($7 as bigint[])) returning 1) select count(*) from placed",
        None,
    )
}
impl InsertOrdersStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<
        'c,
        'a,
        's,
        C: GenericClient,
        T1: crate::ArraySql<Item = i64>,
        T2: crate::ArraySql<Item = i64>,
        T3: crate::ArraySql<Item = crate::types::OrderStatus>,
        T4: crate::ArraySql<Item = time::OffsetDateTime>,
        T5: crate::ArraySql<Item = Option<i64>>,
        T6: crate::ArraySql<Item = Option<i64>>,
        T7: crate::ArraySql<Item = Option<i64>>,
    >(
        &'s self,
        client: &'c C,
        ids: &'a T1,
        users: &'a T2,
        statuses: &'a T3,
        placed_at: &'a T4,
        short_skus: &'a T5,
        short_wanted: &'a T6,
        short_free: &'a T7,
    ) -> I64Query<'c, 'a, 's, C, i64, 7> {
        I64Query {
            client,
            params: [ids, users, statuses, placed_at, short_skus, short_wanted, short_free],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row| Ok(row.try_get(0)?),
            mapper: |it| it,
        }
    }
}
impl<
    'c,
    'a,
    's,
    C: GenericClient,
    T1: crate::ArraySql<Item = i64>,
    T2: crate::ArraySql<Item = i64>,
    T3: crate::ArraySql<Item = crate::types::OrderStatus>,
    T4: crate::ArraySql<Item = time::OffsetDateTime>,
    T5: crate::ArraySql<Item = Option<i64>>,
    T6: crate::ArraySql<Item = Option<i64>>,
    T7: crate::ArraySql<Item = Option<i64>>,
>
    crate::client::async_::Params<
        'c,
        'a,
        's,
        InsertOrdersParams<T1, T2, T3, T4, T5, T6, T7>,
        I64Query<'c, 'a, 's, C, i64, 7>,
        C,
    > for InsertOrdersStmt
{
    fn params(
        &'s self,
        client: &'c C,
        params: &'a InsertOrdersParams<T1, T2, T3, T4, T5, T6, T7>,
    ) -> I64Query<'c, 'a, 's, C, i64, 7> {
        self.bind(
            client,
            &params.ids,
            &params.users,
            &params.statuses,
            &params.placed_at,
            &params.short_skus,
            &params.short_wanted,
            &params.short_free,
        )
    }
}
pub struct InsertItemsStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn insert_items() -> InsertItemsStmt {
    InsertItemsStmt(
        "with inserted as ( insert into order_items (order_id, sku, count) select * from unnest(cast($1 as bigint[]), cast($2 as bigint[]), cast($3 as bigint[])) returning 1) select count(*) from inserted",
        None,
    )
}
impl InsertItemsStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<
        'c,
        'a,
        's,
        C: GenericClient,
        T1: crate::ArraySql<Item = i64>,
        T2: crate::ArraySql<Item = i64>,
        T3: crate::ArraySql<Item = i64>,
    >(
        &'s self,
        client: &'c C,
        orders: &'a T1,
        skus: &'a T2,
        counts: &'a T3,
    ) -> I64Query<'c, 'a, 's, C, i64, 3> {
        I64Query {
            client,
            params: [orders, skus, counts],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row| Ok(row.try_get(0)?),
            mapper: |it| it,
        }
    }
}
impl<
    'c,
    'a,
    's,
    C: GenericClient,
    T1: crate::ArraySql<Item = i64>,
    T2: crate::ArraySql<Item = i64>,
    T3: crate::ArraySql<Item = i64>,
> crate::client::async_::Params<'c, 'a, 's, InsertItemsParams<T1, T2, T3>, I64Query<'c, 'a, 's, C, i64, 3>, C>
    for InsertItemsStmt
{
    fn params(&'s self, client: &'c C, params: &'a InsertItemsParams<T1, T2, T3>) -> I64Query<'c, 'a, 's, C, i64, 3> {
        self.bind(client, &params.orders, &params.skus, &params.counts)
    }
}
pub struct SettleOrdersStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn settle_orders() -> SettleOrdersStmt {
    SettleOrdersStmt(
        "with settled as ( update orders o set status = s.status, settled_at = s.moment from unnest(cast($1 as bigint[]), cast($2 as order_status[]), cast($3 as timestamptz[])) as s (id, status, moment) where o.id = s.id and o.id = any(cast($1 as bigint[])) and cast(o.status as text) = 'awaiting payment' returning 1) select 1 / cast(count(*) = cardinality(cast($1 as bigint[])) as integer) as complete from settled",
        None,
    )
}
impl SettleOrdersStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<
        'c,
        'a,
        's,
        C: GenericClient,
        T1: crate::ArraySql<Item = i64>,
        T2: crate::ArraySql<Item = crate::types::OrderStatus>,
        T3: crate::ArraySql<Item = time::OffsetDateTime>,
    >(
        &'s self,
        client: &'c C,
        ids: &'a T1,
        statuses: &'a T2,
        moments: &'a T3,
    ) -> I32Query<'c, 'a, 's, C, i32, 3> {
        I32Query {
            client,
            params: [ids, statuses, moments],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row| Ok(row.try_get(0)?),
            mapper: |it| it,
        }
    }
}
impl<
    'c,
    'a,
    's,
    C: GenericClient,
    T1: crate::ArraySql<Item = i64>,
    T2: crate::ArraySql<Item = crate::types::OrderStatus>,
    T3: crate::ArraySql<Item = time::OffsetDateTime>,
> crate::client::async_::Params<'c, 'a, 's, SettleOrdersParams<T1, T2, T3>, I32Query<'c, 'a, 's, C, i32, 3>, C>
    for SettleOrdersStmt
{
    fn params(&'s self, client: &'c C, params: &'a SettleOrdersParams<T1, T2, T3>) -> I32Query<'c, 'a, 's, C, i32, 3> {
        self.bind(client, &params.ids, &params.statuses, &params.moments)
    }
}
pub struct InsertEventsStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn insert_events() -> InsertEventsStmt {
    InsertEventsStmt(
        "with numbered as ( select nextval('event_ids') as event_id, change.* from (select * from unnest( cast($1 as bigint[]), cast($2 as order_status[]), cast($3 as timestamptz[]), cast($4 as text[])) with ordinality as c (order_id, status, moment, traceparent, ord) order by ord) change ), history as ( insert into order_events (order_id, status, moment, event_id) select order_id, status, moment, event_id from numbered ), unsent as ( insert into outbox (event_id, order_id, status, moment, traceparent) select event_id, order_id, status, moment, traceparent from numbered returning 1) select count(*) from unsent",
        None,
    )
}
impl InsertEventsStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<
        'c,
        'a,
        's,
        C: GenericClient,
        T1: crate::ArraySql<Item = i64>,
        T2: crate::ArraySql<Item = crate::types::OrderStatus>,
        T3: crate::ArraySql<Item = time::OffsetDateTime>,
        T4: crate::StringSql,
        T5: crate::ArraySql<Item = Option<T4>>,
    >(
        &'s self,
        client: &'c C,
        orders: &'a T1,
        statuses: &'a T2,
        moments: &'a T3,
        traceparents: &'a T5,
    ) -> I64Query<'c, 'a, 's, C, i64, 4> {
        I64Query {
            client,
            params: [orders, statuses, moments, traceparents],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row| Ok(row.try_get(0)?),
            mapper: |it| it,
        }
    }
}
impl<
    'c,
    'a,
    's,
    C: GenericClient,
    T1: crate::ArraySql<Item = i64>,
    T2: crate::ArraySql<Item = crate::types::OrderStatus>,
    T3: crate::ArraySql<Item = time::OffsetDateTime>,
    T4: crate::StringSql,
    T5: crate::ArraySql<Item = Option<T4>>,
> crate::client::async_::Params<'c, 'a, 's, InsertEventsParams<T1, T2, T3, T4, T5>, I64Query<'c, 'a, 's, C, i64, 4>, C>
    for InsertEventsStmt
{
    fn params(
        &'s self,
        client: &'c C,
        params: &'a InsertEventsParams<T1, T2, T3, T4, T5>,
    ) -> I64Query<'c, 'a, 's, C, i64, 4> {
        self.bind(
            client,
            &params.orders,
            &params.statuses,
            &params.moments,
            &params.traceparents,
        )
    }
}
pub struct InsertKeysStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn insert_keys() -> InsertKeysStmt {
    InsertKeysStmt(
        "with recorded as ( insert into idempotency_keys (user_id, key, order_id, created_at) select user_id, key, order_id, created_at from unnest( cast($1 as bigint[]), cast($2 as text[]), cast($3 as bigint[]), cast($4 as timestamptz[])) with ordinality as k (user_id, key, order_id, created_at, ord) order by ord returning 1) select count(*) from recorded",
        None,
    )
}
impl InsertKeysStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<
        'c,
        'a,
        's,
        C: GenericClient,
        T1: crate::ArraySql<Item = i64>,
        T2: crate::StringSql,
        T3: crate::ArraySql<Item = T2>,
        T4: crate::ArraySql<Item = i64>,
        T5: crate::ArraySql<Item = time::OffsetDateTime>,
    >(
        &'s self,
        client: &'c C,
        users: &'a T1,
        keys: &'a T3,
        orders: &'a T4,
        created_at: &'a T5,
    ) -> I64Query<'c, 'a, 's, C, i64, 4> {
        I64Query {
            client,
            params: [users, keys, orders, created_at],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row| Ok(row.try_get(0)?),
            mapper: |it| it,
        }
    }
}
impl<
    'c,
    'a,
    's,
    C: GenericClient,
    T1: crate::ArraySql<Item = i64>,
    T2: crate::StringSql,
    T3: crate::ArraySql<Item = T2>,
    T4: crate::ArraySql<Item = i64>,
    T5: crate::ArraySql<Item = time::OffsetDateTime>,
> crate::client::async_::Params<'c, 'a, 's, InsertKeysParams<T1, T2, T3, T4, T5>, I64Query<'c, 'a, 's, C, i64, 4>, C>
    for InsertKeysStmt
{
    fn params(
        &'s self,
        client: &'c C,
        params: &'a InsertKeysParams<T1, T2, T3, T4, T5>,
    ) -> I64Query<'c, 'a, 's, C, i64, 4> {
        self.bind(client, &params.users, &params.keys, &params.orders, &params.created_at)
    }
}
pub struct UpdateStockStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn update_stock() -> UpdateStockStmt {
    UpdateStockStmt(
        "with updated as ( update stock s set total_count = c.total_count, reserved = c.reserved from unnest(cast($1 as bigint[]), cast($2 as bigint[]), cast($3 as bigint[])) as c (sku, total_count, reserved) where s.sku = c.sku returning 1) select 1 / cast(count(*) = cardinality(cast($1 as bigint[])) as integer) as complete from updated",
        None,
    )
}
impl UpdateStockStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<
        'c,
        'a,
        's,
        C: GenericClient,
        T1: crate::ArraySql<Item = i64>,
        T2: crate::ArraySql<Item = i64>,
        T3: crate::ArraySql<Item = i64>,
    >(
        &'s self,
        client: &'c C,
        skus: &'a T1,
        totals: &'a T2,
        reserved: &'a T3,
    ) -> I32Query<'c, 'a, 's, C, i32, 3> {
        I32Query {
            client,
            params: [skus, totals, reserved],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row| Ok(row.try_get(0)?),
            mapper: |it| it,
        }
    }
}
impl<
    'c,
    'a,
    's,
    C: GenericClient,
    T1: crate::ArraySql<Item = i64>,
    T2: crate::ArraySql<Item = i64>,
    T3: crate::ArraySql<Item = i64>,
> crate::client::async_::Params<'c, 'a, 's, UpdateStockParams<T1, T2, T3>, I32Query<'c, 'a, 's, C, i32, 3>, C>
    for UpdateStockStmt
{
    fn params(&'s self, client: &'c C, params: &'a UpdateStockParams<T1, T2, T3>) -> I32Query<'c, 'a, 's, C, i32, 3> {
        self.bind(client, &params.skus, &params.totals, &params.reserved)
    }
}
pub struct HeldStockStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn held_stock() -> HeldStockStmt {
    HeldStockStmt(
        "select sku from stock where sku = any($1) except select sku from (select s.sku from stock s where s.sku = any($1) for no key update skip locked) free except select s.sku from stock s join pg_stat_activity a on a.backend_xid = s.xmax where s.sku = any($1) and a.xact_start > clock_timestamp() - cast(current_setting('lock_timeout') as interval)",
        None,
    )
}
impl HeldStockStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient, T1: crate::ArraySql<Item = i64>>(
        &'s self,
        client: &'c C,
        skus: &'a T1,
    ) -> I64Query<'c, 'a, 's, C, i64, 1> {
        I64Query {
            client,
            params: [skus],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row| Ok(row.try_get(0)?),
            mapper: |it| it,
        }
    }
}
pub struct HeldOrdersStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn held_orders() -> HeldOrdersStmt {
    HeldOrdersStmt(
        "select id from orders where id = any($1) except select id from (select o.id from orders o where o.id = any($1) for no key update skip locked) free except select o.id from orders o join pg_stat_activity a on a.backend_xid = o.xmax where o.id = any($1) and a.xact_start > clock_timestamp() - cast(current_setting('lock_timeout') as interval)",
        None,
    )
}
impl HeldOrdersStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient, T1: crate::ArraySql<Item = i64>>(
        &'s self,
        client: &'c C,
        ids: &'a T1,
    ) -> I64Query<'c, 'a, 's, C, i64, 1> {
        I64Query {
            client,
            params: [ids],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row| Ok(row.try_get(0)?),
            mapper: |it| it,
        }
    }
}
