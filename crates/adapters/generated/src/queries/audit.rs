// This file was generated with `cornucopia`. Do not modify.

#[derive(Clone, Copy, Debug)]
pub struct LinesParams {
    pub items_max: i64,
    pub limit: i64,
}
#[derive(Debug)]
pub struct OrdersOfPathParams<T1: crate::ArraySql<Item = crate::types::OrderStatus>> {
    pub path: T1,
    pub limit: i64,
}
#[derive(Clone, Copy, Debug)]
pub struct SequencesParams {
    pub block: i64,
    pub limit: i64,
}
#[derive(Debug, Clone, PartialEq, Copy)]
pub struct StockBounds {
    pub sku: i64,
    pub total_count: i64,
    pub reserved: i64,
    pub found: i64,
}
#[derive(Debug, Clone, PartialEq, Copy)]
pub struct Reservations {
    pub sku: i64,
    pub recorded: Option<i64>,
    pub awaiting: i64,
    pub found: i64,
}
#[derive(Debug, Clone, PartialEq, Copy)]
pub struct Totals {
    pub sku: i64,
    pub recorded: Option<i64>,
    pub moved: i64,
    pub payed: i64,
    pub found: i64,
}
#[derive(Debug, Clone, PartialEq, Copy)]
pub struct Lines {
    pub order_id: i64,
    pub exists: bool,
    pub items: i64,
    pub found: i64,
}
#[derive(Debug, Clone, PartialEq, Copy)]
pub struct Shortages {
    pub id: i64,
    pub status: crate::types::OrderStatus,
    pub sku: Option<i64>,
    pub wanted: Option<i64>,
    pub free: Option<i64>,
    pub ordered: Option<i64>,
    pub found: i64,
}
#[derive(Debug, Clone, PartialEq)]
pub struct Paths {
    pub path: Vec<crate::types::OrderStatus>,
    pub orders: i64,
}
pub struct PathsBorrowed<'a> {
    pub path: crate::ArrayIterator<'a, crate::types::OrderStatus>,
    pub orders: i64,
}
impl<'a> From<PathsBorrowed<'a>> for Paths {
    fn from(PathsBorrowed { path, orders }: PathsBorrowed<'a>) -> Self {
        Self {
            path: path.map(|v| v).collect(),
            orders,
        }
    }
}
#[derive(Debug, Clone, PartialEq, Copy)]
pub struct Standing {
    pub order_id: i64,
    pub status: Option<crate::types::OrderStatus>,
    pub placed_at: Option<time::OffsetDateTime>,
    pub settled_at: Option<time::OffsetDateTime>,
    pub began: Option<time::OffsetDateTime>,
    pub last: crate::types::OrderStatus,
    pub ended: time::OffsetDateTime,
    pub found: i64,
}
#[derive(Debug, Clone, PartialEq, Copy)]
pub struct EventOrder {
    pub order_id: i64,
    pub event: i64,
    pub next: i64,
    pub found: i64,
}
#[derive(Debug, Clone, PartialEq, Copy)]
pub struct EventIds {
    pub event_id: i64,
    pub times: i64,
    pub found: i64,
}
#[derive(Debug, Clone, PartialEq)]
pub struct Sequences {
    pub sequence: String,
    pub used: i64,
    pub given: i64,
    pub found: i64,
}
pub struct SequencesBorrowed<'a> {
    pub sequence: &'a str,
    pub used: i64,
    pub given: i64,
    pub found: i64,
}
impl<'a> From<SequencesBorrowed<'a>> for Sequences {
    fn from(
        SequencesBorrowed {
            sequence,
            used,
            given,
            found,
        }: SequencesBorrowed<'a>,
    ) -> Self {
        Self {
            sequence: sequence.into(),
            used,
            given,
            found,
        }
    }
}
#[derive(Debug, Clone, PartialEq, Copy)]
pub struct Unsent {
    pub event_id: i64,
    pub order_id: i64,
    pub status: crate::types::OrderStatus,
    pub recorded: Option<i64>,
    pub found: i64,
}
#[derive(Debug, Clone, PartialEq, Copy)]
pub struct SentInOrder {
    pub order_id: i64,
    pub unsent: i64,
    pub sent: i64,
    pub found: i64,
}
#[derive(Debug, Clone, PartialEq, Copy)]
pub struct Keys {
    pub user_id: i64,
    pub order_id: i64,
    pub owner: Option<i64>,
    pub keys: i64,
    pub found: i64,
}
use crate::client::async_::GenericClient;
use futures::{self, StreamExt, TryStreamExt};
pub struct StringQuery<'c, 'a, 's, C: GenericClient, T, const N: usize> {
    client: &'c C,
    params: [&'a (dyn postgres_types::ToSql + Sync); N],
    query: &'static str,
    cached: Option<&'s tokio_postgres::Statement>,
    extractor: fn(&tokio_postgres::Row) -> Result<&str, tokio_postgres::Error>,
    mapper: fn(&str) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> StringQuery<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(&str) -> R) -> StringQuery<'c, 'a, 's, C, R, N> {
        StringQuery {
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
pub struct StockBoundsQuery<'c, 'a, 's, C: GenericClient, T, const N: usize> {
    client: &'c C,
    params: [&'a (dyn postgres_types::ToSql + Sync); N],
    query: &'static str,
    cached: Option<&'s tokio_postgres::Statement>,
    extractor: fn(&tokio_postgres::Row) -> Result<StockBounds, tokio_postgres::Error>,
    mapper: fn(StockBounds) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> StockBoundsQuery<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(StockBounds) -> R) -> StockBoundsQuery<'c, 'a, 's, C, R, N> {
        StockBoundsQuery {
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
pub struct ReservationsQuery<'c, 'a, 's, C: GenericClient, T, const N: usize> {
    client: &'c C,
    params: [&'a (dyn postgres_types::ToSql + Sync); N],
    query: &'static str,
    cached: Option<&'s tokio_postgres::Statement>,
    extractor: fn(&tokio_postgres::Row) -> Result<Reservations, tokio_postgres::Error>,
    mapper: fn(Reservations) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> ReservationsQuery<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(Reservations) -> R) -> ReservationsQuery<'c, 'a, 's, C, R, N> {
        ReservationsQuery {
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
pub struct TotalsQuery<'c, 'a, 's, C: GenericClient, T, const N: usize> {
    client: &'c C,
    params: [&'a (dyn postgres_types::ToSql + Sync); N],
    query: &'static str,
    cached: Option<&'s tokio_postgres::Statement>,
    extractor: fn(&tokio_postgres::Row) -> Result<Totals, tokio_postgres::Error>,
    mapper: fn(Totals) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> TotalsQuery<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(Totals) -> R) -> TotalsQuery<'c, 'a, 's, C, R, N> {
        TotalsQuery {
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
pub struct LinesQuery<'c, 'a, 's, C: GenericClient, T, const N: usize> {
    client: &'c C,
    params: [&'a (dyn postgres_types::ToSql + Sync); N],
    query: &'static str,
    cached: Option<&'s tokio_postgres::Statement>,
    extractor: fn(&tokio_postgres::Row) -> Result<Lines, tokio_postgres::Error>,
    mapper: fn(Lines) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> LinesQuery<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(Lines) -> R) -> LinesQuery<'c, 'a, 's, C, R, N> {
        LinesQuery {
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
pub struct ShortagesQuery<'c, 'a, 's, C: GenericClient, T, const N: usize> {
    client: &'c C,
    params: [&'a (dyn postgres_types::ToSql + Sync); N],
    query: &'static str,
    cached: Option<&'s tokio_postgres::Statement>,
    extractor: fn(&tokio_postgres::Row) -> Result<Shortages, tokio_postgres::Error>,
    mapper: fn(Shortages) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> ShortagesQuery<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(Shortages) -> R) -> ShortagesQuery<'c, 'a, 's, C, R, N> {
        ShortagesQuery {
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
pub struct PathsQuery<'c, 'a, 's, C: GenericClient, T, const N: usize> {
    client: &'c C,
    params: [&'a (dyn postgres_types::ToSql + Sync); N],
    query: &'static str,
    cached: Option<&'s tokio_postgres::Statement>,
    extractor: fn(&tokio_postgres::Row) -> Result<PathsBorrowed, tokio_postgres::Error>,
    mapper: fn(PathsBorrowed) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> PathsQuery<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(PathsBorrowed) -> R) -> PathsQuery<'c, 'a, 's, C, R, N> {
        PathsQuery {
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
pub struct StandingQuery<'c, 'a, 's, C: GenericClient, T, const N: usize> {
    client: &'c C,
    params: [&'a (dyn postgres_types::ToSql + Sync); N],
    query: &'static str,
    cached: Option<&'s tokio_postgres::Statement>,
    extractor: fn(&tokio_postgres::Row) -> Result<Standing, tokio_postgres::Error>,
    mapper: fn(Standing) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> StandingQuery<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(Standing) -> R) -> StandingQuery<'c, 'a, 's, C, R, N> {
        StandingQuery {
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
pub struct EventOrderQuery<'c, 'a, 's, C: GenericClient, T, const N: usize> {
    client: &'c C,
    params: [&'a (dyn postgres_types::ToSql + Sync); N],
    query: &'static str,
    cached: Option<&'s tokio_postgres::Statement>,
    extractor: fn(&tokio_postgres::Row) -> Result<EventOrder, tokio_postgres::Error>,
    mapper: fn(EventOrder) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> EventOrderQuery<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(EventOrder) -> R) -> EventOrderQuery<'c, 'a, 's, C, R, N> {
        EventOrderQuery {
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
pub struct EventIdsQuery<'c, 'a, 's, C: GenericClient, T, const N: usize> {
    client: &'c C,
    params: [&'a (dyn postgres_types::ToSql + Sync); N],
    query: &'static str,
    cached: Option<&'s tokio_postgres::Statement>,
    extractor: fn(&tokio_postgres::Row) -> Result<EventIds, tokio_postgres::Error>,
    mapper: fn(EventIds) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> EventIdsQuery<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(EventIds) -> R) -> EventIdsQuery<'c, 'a, 's, C, R, N> {
        EventIdsQuery {
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
pub struct SequencesQuery<'c, 'a, 's, C: GenericClient, T, const N: usize> {
    client: &'c C,
    params: [&'a (dyn postgres_types::ToSql + Sync); N],
    query: &'static str,
    cached: Option<&'s tokio_postgres::Statement>,
    extractor: fn(&tokio_postgres::Row) -> Result<SequencesBorrowed, tokio_postgres::Error>,
    mapper: fn(SequencesBorrowed) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> SequencesQuery<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(SequencesBorrowed) -> R) -> SequencesQuery<'c, 'a, 's, C, R, N> {
        SequencesQuery {
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
pub struct UnsentQuery<'c, 'a, 's, C: GenericClient, T, const N: usize> {
    client: &'c C,
    params: [&'a (dyn postgres_types::ToSql + Sync); N],
    query: &'static str,
    cached: Option<&'s tokio_postgres::Statement>,
    extractor: fn(&tokio_postgres::Row) -> Result<Unsent, tokio_postgres::Error>,
    mapper: fn(Unsent) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> UnsentQuery<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(Unsent) -> R) -> UnsentQuery<'c, 'a, 's, C, R, N> {
        UnsentQuery {
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
pub struct SentInOrderQuery<'c, 'a, 's, C: GenericClient, T, const N: usize> {
    client: &'c C,
    params: [&'a (dyn postgres_types::ToSql + Sync); N],
    query: &'static str,
    cached: Option<&'s tokio_postgres::Statement>,
    extractor: fn(&tokio_postgres::Row) -> Result<SentInOrder, tokio_postgres::Error>,
    mapper: fn(SentInOrder) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> SentInOrderQuery<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(SentInOrder) -> R) -> SentInOrderQuery<'c, 'a, 's, C, R, N> {
        SentInOrderQuery {
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
pub struct KeysQuery<'c, 'a, 's, C: GenericClient, T, const N: usize> {
    client: &'c C,
    params: [&'a (dyn postgres_types::ToSql + Sync); N],
    query: &'static str,
    cached: Option<&'s tokio_postgres::Statement>,
    extractor: fn(&tokio_postgres::Row) -> Result<Keys, tokio_postgres::Error>,
    mapper: fn(Keys) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> KeysQuery<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(Keys) -> R) -> KeysQuery<'c, 'a, 's, C, R, N> {
        KeysQuery {
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
pub struct BoundStatementStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn bound_statement() -> BoundStatementStmt {
    BoundStatementStmt(
        "select set_config('statement_timeout', cast(greatest( 1, $1 - cast(extract(epoch from clock_timestamp() - transaction_timestamp()) * 1000 as bigint) ) as text), true) as bound",
        None,
    )
}
impl BoundStatementStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient>(
        &'s self,
        client: &'c C,
        milliseconds: &'a i64,
    ) -> StringQuery<'c, 'a, 's, C, String, 1> {
        StringQuery {
            client,
            params: [milliseconds],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row| Ok(row.try_get(0)?),
            mapper: |it| it.into(),
        }
    }
}
pub struct StockBoundsStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn stock_bounds() -> StockBoundsStmt {
    StockBoundsStmt(
        "select sku, total_count, reserved, count(*) over () as found from stock where reserved < 0 or reserved > total_count order by sku limit $1",
        None,
    )
}
impl StockBoundsStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient>(
        &'s self,
        client: &'c C,
        limit: &'a i64,
    ) -> StockBoundsQuery<'c, 'a, 's, C, StockBounds, 1> {
        StockBoundsQuery {
            client,
            params: [limit],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row: &tokio_postgres::Row| -> Result<StockBounds, tokio_postgres::Error> {
                Ok(StockBounds {
                    sku: row.try_get(0)?,
                    total_count: row.try_get(1)?,
                    reserved: row.try_get(2)?,
                    found: row.try_get(3)?,
                })
            },
            mapper: |it| StockBounds::from(it),
        }
    }
}
pub struct ReservationsStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn reservations() -> ReservationsStmt {
    ReservationsStmt(
        "with awaited as ( select i.sku, cast(sum(i.count) as bigint) as units from orders o join order_items i on i.order_id = o.id where o.status = 'awaiting payment' group by i.sku) select coalesce(s.sku, a.sku) as sku, s.reserved as recorded, coalesce(a.units, 0) as awaiting, count(*) over () as found from stock s full join awaited a on a.sku = s.sku where s.reserved is distinct from coalesce(a.units, 0) order by 1 limit $1",
        None,
    )
}
impl ReservationsStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient>(
        &'s self,
        client: &'c C,
        limit: &'a i64,
    ) -> ReservationsQuery<'c, 'a, 's, C, Reservations, 1> {
        ReservationsQuery {
            client,
            params: [limit],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row: &tokio_postgres::Row| -> Result<Reservations, tokio_postgres::Error> {
                Ok(Reservations {
                    sku: row.try_get(0)?,
                    recorded: row.try_get(1)?,
                    awaiting: row.try_get(2)?,
                    found: row.try_get(3)?,
                })
            },
            mapper: |it| Reservations::from(it),
        }
    }
}
pub struct TotalsStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn totals() -> TotalsStmt {
    TotalsStmt(
        "with moves as ( select sku, units as moved, 0 as payed from stock_movements union all select i.sku, 0, i.count from orders o join order_items i on i.order_id = o.id where o.status = 'payed'), sums as (select sku, cast(sum(moved) as bigint) as moved, cast(sum(payed) as bigint) as payed from moves group by sku) select coalesce(s.sku, m.sku) as sku, s.total_count as recorded, coalesce(m.moved, 0) as moved, coalesce(m.payed, 0) as payed, count(*) over () as found from stock s full join sums m on m.sku = s.sku where s.total_count is distinct from coalesce(m.moved - m.payed, 0) order by 1 limit $1",
        None,
    )
}
impl TotalsStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient>(
        &'s self,
        client: &'c C,
        limit: &'a i64,
    ) -> TotalsQuery<'c, 'a, 's, C, Totals, 1> {
        TotalsQuery {
            client,
            params: [limit],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row: &tokio_postgres::Row| -> Result<Totals, tokio_postgres::Error> {
                Ok(Totals {
                    sku: row.try_get(0)?,
                    recorded: row.try_get(1)?,
                    moved: row.try_get(2)?,
                    payed: row.try_get(3)?,
                    found: row.try_get(4)?,
                })
            },
            mapper: |it| Totals::from(it),
        }
    }
}
pub struct LinesStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn lines() -> LinesStmt {
    LinesStmt(
        "select coalesce(o.id, i.order_id) as order_id, o.id is not null as exists, coalesce(i.items, 0) as items, count(*) over () as found from orders o full join (select order_id, count(*) as items from order_items group by order_id) i on i.order_id = o.id where o.id is null or i.items is null or i.items > $1 order by 1 limit $2",
        None,
    )
}
impl LinesStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient>(
        &'s self,
        client: &'c C,
        items_max: &'a i64,
        limit: &'a i64,
    ) -> LinesQuery<'c, 'a, 's, C, Lines, 2> {
        LinesQuery {
            client,
            params: [items_max, limit],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row: &tokio_postgres::Row| -> Result<Lines, tokio_postgres::Error> {
                Ok(Lines {
                    order_id: row.try_get(0)?,
                    exists: row.try_get(1)?,
                    items: row.try_get(2)?,
                    found: row.try_get(3)?,
                })
            },
            mapper: |it| Lines::from(it),
        }
    }
}
impl<'c, 'a, 's, C: GenericClient>
    crate::client::async_::Params<'c, 'a, 's, LinesParams, LinesQuery<'c, 'a, 's, C, Lines, 2>, C> for LinesStmt
{
    fn params(&'s self, client: &'c C, params: &'a LinesParams) -> LinesQuery<'c, 'a, 's, C, Lines, 2> {
        self.bind(client, &params.items_max, &params.limit)
    }
}
pub struct ShortagesStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn shortages() -> ShortagesStmt {
    ShortagesStmt(
        "select o.id, o.status, o.short_sku as sku, o.short_wanted as wanted, o.short_free as free, i.count as ordered, count(*) over () as found from orders o left join order_items i on i.order_id = o.id and i.sku = o.short_sku where (o.status = 'failed' or o.short_sku is not null or o.short_wanted is not null or o.short_free is not null) and not coalesce(o.status = 'failed' and i.count = o.short_wanted and coalesce(o.short_free, 0) < o.short_wanted, false) order by o.id limit $1",
        None,
    )
}
impl ShortagesStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient>(
        &'s self,
        client: &'c C,
        limit: &'a i64,
    ) -> ShortagesQuery<'c, 'a, 's, C, Shortages, 1> {
        ShortagesQuery {
            client,
            params: [limit],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row: &tokio_postgres::Row| -> Result<Shortages, tokio_postgres::Error> {
                Ok(Shortages {
                    id: row.try_get(0)?,
                    status: row.try_get(1)?,
                    sku: row.try_get(2)?,
                    wanted: row.try_get(3)?,
                    free: row.try_get(4)?,
                    ordered: row.try_get(5)?,
                    found: row.try_get(6)?,
                })
            },
            mapper: |it| Shortages::from(it),
        }
    }
}
pub struct PathsStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn paths() -> PathsStmt {
    PathsStmt(
        "select path, count(*) as orders from ( select coalesce(e.path, '{}') as path from orders o left join ( select order_id, array_agg(status order by step, event_id) as path from order_events group by order_id ) e on e.order_id = o.id) paths group by path",
        None,
    )
}
impl PathsStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient>(&'s self, client: &'c C) -> PathsQuery<'c, 'a, 's, C, Paths, 0> {
        PathsQuery {
            client,
            params: [],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row: &tokio_postgres::Row| -> Result<PathsBorrowed, tokio_postgres::Error> {
                Ok(PathsBorrowed {
                    path: row.try_get(0)?,
                    orders: row.try_get(1)?,
                })
            },
            mapper: |it| Paths::from(it),
        }
    }
}
pub struct OrdersOfPathStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn orders_of_path() -> OrdersOfPathStmt {
    OrdersOfPathStmt(
        "select o.id from orders o left join ( select order_id, array_agg(status order by step, event_id) as path from order_events group by order_id ) e on e.order_id = o.id where coalesce(e.path, '{}') = $1 order by o.id limit $2",
        None,
    )
}
impl OrdersOfPathStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient, T1: crate::ArraySql<Item = crate::types::OrderStatus>>(
        &'s self,
        client: &'c C,
        path: &'a T1,
        limit: &'a i64,
    ) -> I64Query<'c, 'a, 's, C, i64, 2> {
        I64Query {
            client,
            params: [path, limit],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row| Ok(row.try_get(0)?),
            mapper: |it| it,
        }
    }
}
impl<'c, 'a, 's, C: GenericClient, T1: crate::ArraySql<Item = crate::types::OrderStatus>>
    crate::client::async_::Params<'c, 'a, 's, OrdersOfPathParams<T1>, I64Query<'c, 'a, 's, C, i64, 2>, C>
    for OrdersOfPathStmt
{
    fn params(&'s self, client: &'c C, params: &'a OrdersOfPathParams<T1>) -> I64Query<'c, 'a, 's, C, i64, 2> {
        self.bind(client, &params.path, &params.limit)
    }
}
pub struct StandingStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn standing() -> StandingStmt {
    StandingStmt(
        "with ends as ( select distinct on (order_id) order_id, status, moment from order_events order by order_id, step desc, event_id desc) select e.order_id, o.status, o.placed_at, o.settled_at, b.moment as began, e.status as last, e.moment as ended, count(*) over () as found from ends e left join orders o on o.id = e.order_id left join order_events b on b.order_id = e.order_id and b.step = 0 where o.status is distinct from e.status or o.settled_at is distinct from case when e.status in ('payed', 'cancelled') then e.moment end or o.placed_at <> b.moment order by 1 limit $1",
        None,
    )
}
impl StandingStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient>(
        &'s self,
        client: &'c C,
        limit: &'a i64,
    ) -> StandingQuery<'c, 'a, 's, C, Standing, 1> {
        StandingQuery {
            client,
            params: [limit],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row: &tokio_postgres::Row| -> Result<Standing, tokio_postgres::Error> {
                Ok(Standing {
                    order_id: row.try_get(0)?,
                    status: row.try_get(1)?,
                    placed_at: row.try_get(2)?,
                    settled_at: row.try_get(3)?,
                    began: row.try_get(4)?,
                    last: row.try_get(5)?,
                    ended: row.try_get(6)?,
                    found: row.try_get(7)?,
                })
            },
            mapper: |it| Standing::from(it),
        }
    }
}
pub struct EventOrderStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn event_order() -> EventOrderStmt {
    EventOrderStmt(
        "select order_id, before as event, event_id as next, count(*) over () as found from ( select order_id, event_id, lag(event_id) over (partition by order_id order by step, event_id) as before from order_events) e where event_id <= before order by order_id, next limit $1",
        None,
    )
}
impl EventOrderStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient>(
        &'s self,
        client: &'c C,
        limit: &'a i64,
    ) -> EventOrderQuery<'c, 'a, 's, C, EventOrder, 1> {
        EventOrderQuery {
            client,
            params: [limit],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row: &tokio_postgres::Row| -> Result<EventOrder, tokio_postgres::Error> {
                Ok(EventOrder {
                    order_id: row.try_get(0)?,
                    event: row.try_get(1)?,
                    next: row.try_get(2)?,
                    found: row.try_get(3)?,
                })
            },
            mapper: |it| EventOrder::from(it),
        }
    }
}
pub struct EventIdsStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn event_ids() -> EventIdsStmt {
    EventIdsStmt(
        "select event_id, count(*) as times, count(*) over () as found from order_events group by event_id having count(*) > 1 order by event_id limit $1",
        None,
    )
}
impl EventIdsStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient>(
        &'s self,
        client: &'c C,
        limit: &'a i64,
    ) -> EventIdsQuery<'c, 'a, 's, C, EventIds, 1> {
        EventIdsQuery {
            client,
            params: [limit],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row: &tokio_postgres::Row| -> Result<EventIds, tokio_postgres::Error> {
                Ok(EventIds {
                    event_id: row.try_get(0)?,
                    times: row.try_get(1)?,
                    found: row.try_get(2)?,
                })
            },
            mapper: |it| EventIds::from(it),
        }
    }
}
pub struct SequencesStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn sequences() -> SequencesStmt {
    SequencesStmt(
        "select sequence, used, given, count(*) over () as found from ( select 'event_ids' as sequence, (select coalesce(max(event_id), 0) from order_events) as used, case when is_called then last_value else 0 end as given from event_ids union all select 'order_id_blocks', (select coalesce(max(id), 0) from orders), case when is_called then last_value + $1 - 1 else 0 end from order_id_blocks) ids where used > given order by sequence limit $2",
        None,
    )
}
impl SequencesStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient>(
        &'s self,
        client: &'c C,
        block: &'a i64,
        limit: &'a i64,
    ) -> SequencesQuery<'c, 'a, 's, C, Sequences, 2> {
        SequencesQuery {
            client,
            params: [block, limit],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row: &tokio_postgres::Row| -> Result<SequencesBorrowed, tokio_postgres::Error> {
                Ok(SequencesBorrowed {
                    sequence: row.try_get(0)?,
                    used: row.try_get(1)?,
                    given: row.try_get(2)?,
                    found: row.try_get(3)?,
                })
            },
            mapper: |it| Sequences::from(it),
        }
    }
}
impl<'c, 'a, 's, C: GenericClient>
    crate::client::async_::Params<'c, 'a, 's, SequencesParams, SequencesQuery<'c, 'a, 's, C, Sequences, 2>, C>
    for SequencesStmt
{
    fn params(&'s self, client: &'c C, params: &'a SequencesParams) -> SequencesQuery<'c, 'a, 's, C, Sequences, 2> {
        self.bind(client, &params.block, &params.limit)
    }
}
pub struct UnsentStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn unsent() -> UnsentStmt {
    UnsentStmt(
        "select u.event_id, u.order_id, u.status, e.event_id as recorded, count(*) over () as found from outbox u left join order_events e on e.order_id = u.order_id and e.step = u.step where (u.event_id, u.status, u.moment) is distinct from (e.event_id, e.status, e.moment) order by u.event_id limit $1",
        None,
    )
}
impl UnsentStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient>(
        &'s self,
        client: &'c C,
        limit: &'a i64,
    ) -> UnsentQuery<'c, 'a, 's, C, Unsent, 1> {
        UnsentQuery {
            client,
            params: [limit],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row: &tokio_postgres::Row| -> Result<Unsent, tokio_postgres::Error> {
                Ok(Unsent {
                    event_id: row.try_get(0)?,
                    order_id: row.try_get(1)?,
                    status: row.try_get(2)?,
                    recorded: row.try_get(3)?,
                    found: row.try_get(4)?,
                })
            },
            mapper: |it| Unsent::from(it),
        }
    }
}
pub struct SentInOrderStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn sent_in_order() -> SentInOrderStmt {
    SentInOrderStmt(
        "select u.order_id, min(u.event_id) as unsent, max(e.event_id) as sent, count(*) over () as found from outbox u join order_events e on e.order_id = u.order_id and e.step > u.step where not exists (select from outbox later where later.order_id = e.order_id and later.step = e.step) group by u.order_id order by u.order_id limit $1",
        None,
    )
}
impl SentInOrderStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient>(
        &'s self,
        client: &'c C,
        limit: &'a i64,
    ) -> SentInOrderQuery<'c, 'a, 's, C, SentInOrder, 1> {
        SentInOrderQuery {
            client,
            params: [limit],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row: &tokio_postgres::Row| -> Result<SentInOrder, tokio_postgres::Error> {
                Ok(SentInOrder {
                    order_id: row.try_get(0)?,
                    unsent: row.try_get(1)?,
                    sent: row.try_get(2)?,
                    found: row.try_get(3)?,
                })
            },
            mapper: |it| SentInOrder::from(it),
        }
    }
}
pub struct KeysStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn keys() -> KeysStmt {
    KeysStmt(
        "select user_id, order_id, owner, keys, count(*) over () as found from ( select k.user_id, k.order_id, o.user_id as owner, count(*) over (partition by k.order_id) as keys from idempotency_keys k left join orders o on o.id = k.order_id) named where owner is distinct from user_id or keys > 1 order by order_id, user_id limit $1",
        None,
    )
}
impl KeysStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient>(
        &'s self,
        client: &'c C,
        limit: &'a i64,
    ) -> KeysQuery<'c, 'a, 's, C, Keys, 1> {
        KeysQuery {
            client,
            params: [limit],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row: &tokio_postgres::Row| -> Result<Keys, tokio_postgres::Error> {
                Ok(Keys {
                    user_id: row.try_get(0)?,
                    order_id: row.try_get(1)?,
                    owner: row.try_get(2)?,
                    keys: row.try_get(3)?,
                    found: row.try_get(4)?,
                })
            },
            mapper: |it| Keys::from(it),
        }
    }
}
