// This file was generated with `cornucopia`. Do not modify.

#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    pub standby: bool,
    pub standby_name: Option<String>,
}
pub struct StandingBorrowed<'a> {
    pub standby: bool,
    pub standby_name: Option<&'a str>,
}
impl<'a> From<StandingBorrowed<'a>> for Standing {
    fn from(StandingBorrowed { standby, standby_name }: StandingBorrowed<'a>) -> Self {
        Self {
            standby,
            standby_name: standby_name.map(|v| v.into()),
        }
    }
}
#[derive(Debug, Clone, PartialEq, Copy)]
pub struct Writing {
    pub takes_writes: bool,
    pub written: i64,
}
#[derive(Debug, Clone, PartialEq)]
pub struct SynchronousStandbys {
    pub name: String,
    pub replayed: Option<i64>,
}
pub struct SynchronousStandbysBorrowed<'a> {
    pub name: &'a str,
    pub replayed: Option<i64>,
}
impl<'a> From<SynchronousStandbysBorrowed<'a>> for SynchronousStandbys {
    fn from(SynchronousStandbysBorrowed { name, replayed }: SynchronousStandbysBorrowed<'a>) -> Self {
        Self {
            name: name.into(),
            replayed,
        }
    }
}
use crate::client::async_::GenericClient;
use futures::{self, StreamExt, TryStreamExt};
pub struct Optioni32Query<'c, 'a, 's, C: GenericClient, T, const N: usize> {
    client: &'c C,
    params: [&'a (dyn postgres_types::ToSql + Sync); N],
    query: &'static str,
    cached: Option<&'s tokio_postgres::Statement>,
    extractor: fn(&tokio_postgres::Row) -> Result<Option<i32>, tokio_postgres::Error>,
    mapper: fn(Option<i32>) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> Optioni32Query<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(Option<i32>) -> R) -> Optioni32Query<'c, 'a, 's, C, R, N> {
        Optioni32Query {
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
    extractor: fn(&tokio_postgres::Row) -> Result<StandingBorrowed, tokio_postgres::Error>,
    mapper: fn(StandingBorrowed) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> StandingQuery<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(StandingBorrowed) -> R) -> StandingQuery<'c, 'a, 's, C, R, N> {
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
pub struct WritingQuery<'c, 'a, 's, C: GenericClient, T, const N: usize> {
    client: &'c C,
    params: [&'a (dyn postgres_types::ToSql + Sync); N],
    query: &'static str,
    cached: Option<&'s tokio_postgres::Statement>,
    extractor: fn(&tokio_postgres::Row) -> Result<Writing, tokio_postgres::Error>,
    mapper: fn(Writing) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> WritingQuery<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(Writing) -> R) -> WritingQuery<'c, 'a, 's, C, R, N> {
        WritingQuery {
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
pub struct SynchronousStandbysQuery<'c, 'a, 's, C: GenericClient, T, const N: usize> {
    client: &'c C,
    params: [&'a (dyn postgres_types::ToSql + Sync); N],
    query: &'static str,
    cached: Option<&'s tokio_postgres::Statement>,
    extractor: fn(&tokio_postgres::Row) -> Result<SynchronousStandbysBorrowed, tokio_postgres::Error>,
    mapper: fn(SynchronousStandbysBorrowed) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> SynchronousStandbysQuery<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(SynchronousStandbysBorrowed) -> R) -> SynchronousStandbysQuery<'c, 'a, 's, C, R, N> {
        SynchronousStandbysQuery {
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
pub struct TimelineStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn timeline() -> TimelineStmt {
    TimelineStmt(
        "select case when not pg_is_in_recovery() then cast(cast('x' || lpad(substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8), 8, '0') as bit(32)) as integer) end as timeline",
        None,
    )
}
impl TimelineStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient>(
        &'s self,
        client: &'c C,
    ) -> Optioni32Query<'c, 'a, 's, C, Option<i32>, 0> {
        Optioni32Query {
            client,
            params: [],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row| Ok(row.try_get(0)?),
            mapper: |it| it,
        }
    }
}
pub struct StandingStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn standing() -> StandingStmt {
    StandingStmt(
        "select pg_is_in_recovery() as standby, (select coalesce(substring(conninfo from '(?:^|\\s)application_name=(\\S+)'), nullif(current_setting('cluster_name'), ''), 'walreceiver') from pg_stat_wal_receiver where status = 'streaming') as standby_name",
        None,
    )
}
impl StandingStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient>(&'s self, client: &'c C) -> StandingQuery<'c, 'a, 's, C, Standing, 0> {
        StandingQuery {
            client,
            params: [],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row: &tokio_postgres::Row| -> Result<StandingBorrowed, tokio_postgres::Error> {
                Ok(StandingBorrowed {
                    standby: row.try_get(0)?,
                    standby_name: row.try_get(1)?,
                })
            },
            mapper: |it| Standing::from(it),
        }
    }
}
pub struct WritingStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn writing() -> WritingStmt {
    WritingStmt(
        "select not cast(current_setting('transaction_read_only') as boolean) and not exists ( select from pg_db_role_setting, unnest(setconfig) as setting where setdatabase in (0, (select oid from pg_database where datname = current_database())) and setrole in (0, (select oid from pg_roles where rolname = current_user)) and lower(setting) in ('default_transaction_read_only=on', 'default_transaction_read_only=true', 'default_transaction_read_only=yes', 'default_transaction_read_only=1')) as takes_writes, cast(pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') as bigint) as written",
        None,
    )
}
impl WritingStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient>(&'s self, client: &'c C) -> WritingQuery<'c, 'a, 's, C, Writing, 0> {
        WritingQuery {
            client,
            params: [],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row: &tokio_postgres::Row| -> Result<Writing, tokio_postgres::Error> {
                Ok(Writing {
                    takes_writes: row.try_get(0)?,
                    written: row.try_get(1)?,
                })
            },
            mapper: |it| Writing::from(it),
        }
    }
}
pub struct SynchronousStandbysStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn synchronous_standbys() -> SynchronousStandbysStmt {
    SynchronousStandbysStmt(
        "select application_name as name, cast(pg_wal_lsn_diff(replay_lsn, '0/0') as bigint) as replayed from pg_stat_replication where sync_state = 'sync' and state = 'streaming'",
        None,
    )
}
impl SynchronousStandbysStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient>(
        &'s self,
        client: &'c C,
    ) -> SynchronousStandbysQuery<'c, 'a, 's, C, SynchronousStandbys, 0> {
        SynchronousStandbysQuery {
            client,
            params: [],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row: &tokio_postgres::Row| -> Result<SynchronousStandbysBorrowed, tokio_postgres::Error> {
                Ok(SynchronousStandbysBorrowed {
                    name: row.try_get(0)?,
                    replayed: row.try_get(1)?,
                })
            },
            mapper: |it| SynchronousStandbys::from(it),
        }
    }
}
