// This file was generated with `cornucopia`. Do not modify.

#[derive(Clone, Copy, Debug)]
pub struct StockKeeperParams {
    pub space: i32,
    pub job: i32,
}
#[derive(Clone, Copy, Debug)]
pub struct StockKeeperAtWorkParams {
    pub space: i32,
    pub job: i32,
}
#[derive(Debug)]
pub struct RememberImportParams<T1: crate::BytesSql> {
    pub digest: T1,
    pub records: i32,
    pub moment: time::OffsetDateTime,
}
#[derive(Debug)]
pub struct CompareParams<T1: crate::StringSql> {
    pub reason: T1,
    pub moment: time::OffsetDateTime,
}
#[derive(Debug)]
pub struct MoveStockParams<T1: crate::StringSql> {
    pub total: i64,
    pub sku: i64,
    pub units: i64,
    pub reason: T1,
    pub moment: time::OffsetDateTime,
}
#[derive(Clone, Copy, Debug)]
pub struct LastMovementsParams {
    pub sku: i64,
    pub limit: i64,
}
#[derive(Debug, Clone, PartialEq, Copy)]
pub struct ImportOf {
    pub records: i32,
    pub moment: time::OffsetDateTime,
}
#[derive(Debug, Clone, PartialEq, Copy)]
pub struct RepeatedSkus {
    pub line: i64,
    pub sku: i64,
    pub first_line: i64,
    pub found: i64,
}
#[derive(Debug, Clone, PartialEq, Copy)]
pub struct BelowReserved {
    pub line: i64,
    pub sku: i64,
    pub total_count: i64,
    pub reserved: i64,
    pub found: i64,
}
#[derive(Debug, Clone, PartialEq, Copy)]
pub struct Compare {
    pub changed: i64,
    pub created: i64,
    pub added: i64,
    pub taken: i64,
}
#[derive(Debug, Clone, PartialEq, Copy)]
pub struct LockRecord {
    pub total_count: i64,
    pub reserved: i64,
}
#[derive(Debug, Clone, PartialEq)]
pub struct LastMovements {
    pub id: i64,
    pub units: i64,
    pub reason: String,
    pub moment: time::OffsetDateTime,
}
pub struct LastMovementsBorrowed<'a> {
    pub id: i64,
    pub units: i64,
    pub reason: &'a str,
    pub moment: time::OffsetDateTime,
}
impl<'a> From<LastMovementsBorrowed<'a>> for LastMovements {
    fn from(
        LastMovementsBorrowed {
            id,
            units,
            reason,
            moment,
        }: LastMovementsBorrowed<'a>,
    ) -> Self {
        Self {
            id,
            units,
            reason: reason.into(),
            moment,
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
pub struct BoolQuery<'c, 'a, 's, C: GenericClient, T, const N: usize> {
    client: &'c C,
    params: [&'a (dyn postgres_types::ToSql + Sync); N],
    query: &'static str,
    cached: Option<&'s tokio_postgres::Statement>,
    extractor: fn(&tokio_postgres::Row) -> Result<bool, tokio_postgres::Error>,
    mapper: fn(bool) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> BoolQuery<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(bool) -> R) -> BoolQuery<'c, 'a, 's, C, R, N> {
        BoolQuery {
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
pub struct ImportOfQuery<'c, 'a, 's, C: GenericClient, T, const N: usize> {
    client: &'c C,
    params: [&'a (dyn postgres_types::ToSql + Sync); N],
    query: &'static str,
    cached: Option<&'s tokio_postgres::Statement>,
    extractor: fn(&tokio_postgres::Row) -> Result<ImportOf, tokio_postgres::Error>,
    mapper: fn(ImportOf) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> ImportOfQuery<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(ImportOf) -> R) -> ImportOfQuery<'c, 'a, 's, C, R, N> {
        ImportOfQuery {
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
pub struct RepeatedSkusQuery<'c, 'a, 's, C: GenericClient, T, const N: usize> {
    client: &'c C,
    params: [&'a (dyn postgres_types::ToSql + Sync); N],
    query: &'static str,
    cached: Option<&'s tokio_postgres::Statement>,
    extractor: fn(&tokio_postgres::Row) -> Result<RepeatedSkus, tokio_postgres::Error>,
    mapper: fn(RepeatedSkus) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> RepeatedSkusQuery<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(RepeatedSkus) -> R) -> RepeatedSkusQuery<'c, 'a, 's, C, R, N> {
        RepeatedSkusQuery {
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
pub struct BelowReservedQuery<'c, 'a, 's, C: GenericClient, T, const N: usize> {
    client: &'c C,
    params: [&'a (dyn postgres_types::ToSql + Sync); N],
    query: &'static str,
    cached: Option<&'s tokio_postgres::Statement>,
    extractor: fn(&tokio_postgres::Row) -> Result<BelowReserved, tokio_postgres::Error>,
    mapper: fn(BelowReserved) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> BelowReservedQuery<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(BelowReserved) -> R) -> BelowReservedQuery<'c, 'a, 's, C, R, N> {
        BelowReservedQuery {
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
pub struct CompareQuery<'c, 'a, 's, C: GenericClient, T, const N: usize> {
    client: &'c C,
    params: [&'a (dyn postgres_types::ToSql + Sync); N],
    query: &'static str,
    cached: Option<&'s tokio_postgres::Statement>,
    extractor: fn(&tokio_postgres::Row) -> Result<Compare, tokio_postgres::Error>,
    mapper: fn(Compare) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> CompareQuery<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(Compare) -> R) -> CompareQuery<'c, 'a, 's, C, R, N> {
        CompareQuery {
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
pub struct LockRecordQuery<'c, 'a, 's, C: GenericClient, T, const N: usize> {
    client: &'c C,
    params: [&'a (dyn postgres_types::ToSql + Sync); N],
    query: &'static str,
    cached: Option<&'s tokio_postgres::Statement>,
    extractor: fn(&tokio_postgres::Row) -> Result<LockRecord, tokio_postgres::Error>,
    mapper: fn(LockRecord) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> LockRecordQuery<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(LockRecord) -> R) -> LockRecordQuery<'c, 'a, 's, C, R, N> {
        LockRecordQuery {
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
pub struct LastMovementsQuery<'c, 'a, 's, C: GenericClient, T, const N: usize> {
    client: &'c C,
    params: [&'a (dyn postgres_types::ToSql + Sync); N],
    query: &'static str,
    cached: Option<&'s tokio_postgres::Statement>,
    extractor: fn(&tokio_postgres::Row) -> Result<LastMovementsBorrowed, tokio_postgres::Error>,
    mapper: fn(LastMovementsBorrowed) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> LastMovementsQuery<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(LastMovementsBorrowed) -> R) -> LastMovementsQuery<'c, 'a, 's, C, R, N> {
        LastMovementsQuery {
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
pub struct StockKeeperStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn stock_keeper() -> StockKeeperStmt {
    StockKeeperStmt("select count(*) from pg_advisory_xact_lock($1, $2)", None)
}
impl StockKeeperStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient>(
        &'s self,
        client: &'c C,
        space: &'a i32,
        job: &'a i32,
    ) -> I64Query<'c, 'a, 's, C, i64, 2> {
        I64Query {
            client,
            params: [space, job],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row| Ok(row.try_get(0)?),
            mapper: |it| it,
        }
    }
}
impl<'c, 'a, 's, C: GenericClient>
    crate::client::async_::Params<'c, 'a, 's, StockKeeperParams, I64Query<'c, 'a, 's, C, i64, 2>, C>
    for StockKeeperStmt
{
    fn params(&'s self, client: &'c C, params: &'a StockKeeperParams) -> I64Query<'c, 'a, 's, C, i64, 2> {
        self.bind(client, &params.space, &params.job)
    }
}
pub struct StockKeeperAtWorkStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn stock_keeper_at_work() -> StockKeeperAtWorkStmt {
    StockKeeperAtWorkStmt(
        "select exists ( select from pg_locks l join pg_database d on d.oid = l.database where l.locktype = 'advisory' and l.granted and d.datname = current_database() and l.classid = cast(cast($1 as integer) as oid) and l.objid = cast(cast($2 as integer) as oid)) as busy",
        None,
    )
}
impl StockKeeperAtWorkStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient>(
        &'s self,
        client: &'c C,
        space: &'a i32,
        job: &'a i32,
    ) -> BoolQuery<'c, 'a, 's, C, bool, 2> {
        BoolQuery {
            client,
            params: [space, job],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row| Ok(row.try_get(0)?),
            mapper: |it| it,
        }
    }
}
impl<'c, 'a, 's, C: GenericClient>
    crate::client::async_::Params<'c, 'a, 's, StockKeeperAtWorkParams, BoolQuery<'c, 'a, 's, C, bool, 2>, C>
    for StockKeeperAtWorkStmt
{
    fn params(&'s self, client: &'c C, params: &'a StockKeeperAtWorkParams) -> BoolQuery<'c, 'a, 's, C, bool, 2> {
        self.bind(client, &params.space, &params.job)
    }
}
pub struct ImportOfStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn import_of() -> ImportOfStmt {
    ImportOfStmt("select records, moment from stock_imports where digest = $1", None)
}
impl ImportOfStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient, T1: crate::BytesSql>(
        &'s self,
        client: &'c C,
        digest: &'a T1,
    ) -> ImportOfQuery<'c, 'a, 's, C, ImportOf, 1> {
        ImportOfQuery {
            client,
            params: [digest],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row: &tokio_postgres::Row| -> Result<ImportOf, tokio_postgres::Error> {
                Ok(ImportOf {
                    records: row.try_get(0)?,
                    moment: row.try_get(1)?,
                })
            },
            mapper: |it| ImportOf::from(it),
        }
    }
}
pub struct RememberImportStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn remember_import() -> RememberImportStmt {
    RememberImportStmt(
        "with remembered as ( insert into stock_imports (digest, records, moment) values ($1, $2, $3) on conflict (digest) do nothing returning 1) select count(*) from remembered",
        None,
    )
}
impl RememberImportStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient, T1: crate::BytesSql>(
        &'s self,
        client: &'c C,
        digest: &'a T1,
        records: &'a i32,
        moment: &'a time::OffsetDateTime,
    ) -> I64Query<'c, 'a, 's, C, i64, 3> {
        I64Query {
            client,
            params: [digest, records, moment],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row| Ok(row.try_get(0)?),
            mapper: |it| it,
        }
    }
}
impl<'c, 'a, 's, C: GenericClient, T1: crate::BytesSql>
    crate::client::async_::Params<'c, 'a, 's, RememberImportParams<T1>, I64Query<'c, 'a, 's, C, i64, 3>, C>
    for RememberImportStmt
{
    fn params(&'s self, client: &'c C, params: &'a RememberImportParams<T1>) -> I64Query<'c, 'a, 's, C, i64, 3> {
        self.bind(client, &params.digest, &params.records, &params.moment)
    }
}
pub struct RepeatedSkusStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn repeated_skus() -> RepeatedSkusStmt {
    RepeatedSkusStmt(
        "select line, sku, first_line, count(*) over () as found from (select line, sku, min(line) over (partition by sku) as first_line from stock_file) f where line > first_line order by line limit $1",
        None,
    )
}
impl RepeatedSkusStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient>(
        &'s self,
        client: &'c C,
        limit: &'a i64,
    ) -> RepeatedSkusQuery<'c, 'a, 's, C, RepeatedSkus, 1> {
        RepeatedSkusQuery {
            client,
            params: [limit],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row: &tokio_postgres::Row| -> Result<RepeatedSkus, tokio_postgres::Error> {
                Ok(RepeatedSkus {
                    line: row.try_get(0)?,
                    sku: row.try_get(1)?,
                    first_line: row.try_get(2)?,
                    found: row.try_get(3)?,
                })
            },
            mapper: |it| RepeatedSkus::from(it),
        }
    }
}
pub struct BelowReservedStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn below_reserved() -> BelowReservedStmt {
    BelowReservedStmt(
        "select f.line, f.sku, f.total_count, s.reserved, count(*) over () as found from stock_file f join stock s on s.sku = f.sku where f.total_count < s.reserved order by f.line limit $1",
        None,
    )
}
impl BelowReservedStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient>(
        &'s self,
        client: &'c C,
        limit: &'a i64,
    ) -> BelowReservedQuery<'c, 'a, 's, C, BelowReserved, 1> {
        BelowReservedQuery {
            client,
            params: [limit],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row: &tokio_postgres::Row| -> Result<BelowReserved, tokio_postgres::Error> {
                Ok(BelowReserved {
                    line: row.try_get(0)?,
                    sku: row.try_get(1)?,
                    total_count: row.try_get(2)?,
                    reserved: row.try_get(3)?,
                    found: row.try_get(4)?,
                })
            },
            mapper: |it| BelowReserved::from(it),
        }
    }
}
pub struct CompareStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn compare() -> CompareStmt {
    CompareStmt(
        "with differing as ( insert into stock_difference (sku, units) select s.sku, f.total_count - s.total_count from stock s join stock_file f on f.sku = s.sku where s.total_count <> f.total_count returning sku, units ), created as ( insert into stock (sku, total_count) select f.sku, f.total_count from stock_file f where not exists (select from stock s where s.sku = f.sku) order by f.sku returning sku, total_count as units ), moved as ( insert into stock_movements (sku, units, reason, moment) select m.sku, m.units, $1, $2 from (select sku, units from differing union all select sku, units from created) m order by m.sku returning units) select (select count(*) from differing) as changed, (select count(*) from created) as created, cast(coalesce(sum(units) filter (where units > 0), 0) as bigint) as added, cast(coalesce(-sum(units) filter (where units < 0), 0) as bigint) as taken from moved",
        None,
    )
}
impl CompareStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient, T1: crate::StringSql>(
        &'s self,
        client: &'c C,
        reason: &'a T1,
        moment: &'a time::OffsetDateTime,
    ) -> CompareQuery<'c, 'a, 's, C, Compare, 2> {
        CompareQuery {
            client,
            params: [reason, moment],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row: &tokio_postgres::Row| -> Result<Compare, tokio_postgres::Error> {
                Ok(Compare {
                    changed: row.try_get(0)?,
                    created: row.try_get(1)?,
                    added: row.try_get(2)?,
                    taken: row.try_get(3)?,
                })
            },
            mapper: |it| Compare::from(it),
        }
    }
}
impl<'c, 'a, 's, C: GenericClient, T1: crate::StringSql>
    crate::client::async_::Params<'c, 'a, 's, CompareParams<T1>, CompareQuery<'c, 'a, 's, C, Compare, 2>, C>
    for CompareStmt
{
    fn params(&'s self, client: &'c C, params: &'a CompareParams<T1>) -> CompareQuery<'c, 'a, 's, C, Compare, 2> {
        self.bind(client, &params.reason, &params.moment)
    }
}
pub struct TakeOverStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn take_over() -> TakeOverStmt {
    TakeOverStmt(
        "with locked as materialized ( select s.sku, d.units from stock s join stock_difference d on d.sku = s.sku order by s.sku for no key update of s ), changed as ( update stock s set total_count = s.total_count + l.units from locked l where s.sku = l.sku returning 1) select 1 / cast(count(*) = (select count(*) from stock_difference) as integer) as complete from changed",
        None,
    )
}
impl TakeOverStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient>(&'s self, client: &'c C) -> I32Query<'c, 'a, 's, C, i32, 0> {
        I32Query {
            client,
            params: [],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row| Ok(row.try_get(0)?),
            mapper: |it| it,
        }
    }
}
pub struct LockRecordStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn lock_record() -> LockRecordStmt {
    LockRecordStmt(
        "select total_count, reserved from stock where sku = $1 for no key update",
        None,
    )
}
impl LockRecordStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient>(
        &'s self,
        client: &'c C,
        sku: &'a i64,
    ) -> LockRecordQuery<'c, 'a, 's, C, LockRecord, 1> {
        LockRecordQuery {
            client,
            params: [sku],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row: &tokio_postgres::Row| -> Result<LockRecord, tokio_postgres::Error> {
                Ok(LockRecord {
                    total_count: row.try_get(0)?,
                    reserved: row.try_get(1)?,
                })
            },
            mapper: |it| LockRecord::from(it),
        }
    }
}
pub struct MoveStockStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn move_stock() -> MoveStockStmt {
    MoveStockStmt(
        "with updated as ( update stock set total_count = $1 where sku = $2 and total_count = cast($1 as bigint) - cast($3 as bigint) returning 1 ), moved as ( insert into stock_movements (sku, units, reason, moment) values ($2, $3, $4, $5) returning 1) select 1 / cast((select count(*) from updated) = (select count(*) from moved) as integer) as complete",
        None,
    )
}
impl MoveStockStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient, T1: crate::StringSql>(
        &'s self,
        client: &'c C,
        total: &'a i64,
        sku: &'a i64,
        units: &'a i64,
        reason: &'a T1,
        moment: &'a time::OffsetDateTime,
    ) -> I32Query<'c, 'a, 's, C, i32, 5> {
        I32Query {
            client,
            params: [total, sku, units, reason, moment],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row| Ok(row.try_get(0)?),
            mapper: |it| it,
        }
    }
}
impl<'c, 'a, 's, C: GenericClient, T1: crate::StringSql>
    crate::client::async_::Params<'c, 'a, 's, MoveStockParams<T1>, I32Query<'c, 'a, 's, C, i32, 5>, C>
    for MoveStockStmt
{
    fn params(&'s self, client: &'c C, params: &'a MoveStockParams<T1>) -> I32Query<'c, 'a, 's, C, i32, 5> {
        self.bind(
            client,
            &params.total,
            &params.sku,
            &params.units,
            &params.reason,
            &params.moment,
        )
    }
}
pub struct LastMovementsStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn last_movements() -> LastMovementsStmt {
    LastMovementsStmt(
        "select id, units, reason, moment from stock_movements where sku = $1 order by id desc limit $2",
        None,
    )
}
impl LastMovementsStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient>(
        &'s self,
        client: &'c C,
        sku: &'a i64,
        limit: &'a i64,
    ) -> LastMovementsQuery<'c, 'a, 's, C, LastMovements, 2> {
        LastMovementsQuery {
            client,
            params: [sku, limit],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row: &tokio_postgres::Row| -> Result<LastMovementsBorrowed, tokio_postgres::Error> {
                Ok(LastMovementsBorrowed {
                    id: row.try_get(0)?,
                    units: row.try_get(1)?,
                    reason: row.try_get(2)?,
                    moment: row.try_get(3)?,
                })
            },
            mapper: |it| LastMovements::from(it),
        }
    }
}
impl<'c, 'a, 's, C: GenericClient>
    crate::client::async_::Params<
        'c,
        'a,
        's,
        LastMovementsParams,
        LastMovementsQuery<'c, 'a, 's, C, LastMovements, 2>,
        C,
    > for LastMovementsStmt
{
    fn params(
        &'s self,
        client: &'c C,
        params: &'a LastMovementsParams,
    ) -> LastMovementsQuery<'c, 'a, 's, C, LastMovements, 2> {
        self.bind(client, &params.sku, &params.limit)
    }
}
