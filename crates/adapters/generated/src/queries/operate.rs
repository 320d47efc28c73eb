// This file was generated with `cornucopia`. Do not modify.

#[derive(Debug, Clone, PartialEq)]
pub struct ServerState {
    pub standby: bool,
    pub timeline: Option<i32>,
    pub takes_writes: bool,
    pub server_version: String,
    pub waits_for: String,
    pub connections: i64,
    pub connections_max: i32,
    pub commits_waiting: i64,
}
pub struct ServerStateBorrowed<'a> {
    pub standby: bool,
    pub timeline: Option<i32>,
    pub takes_writes: bool,
    pub server_version: &'a str,
    pub waits_for: &'a str,
    pub connections: i64,
    pub connections_max: i32,
    pub commits_waiting: i64,
}
impl<'a> From<ServerStateBorrowed<'a>> for ServerState {
    fn from(
        ServerStateBorrowed {
            standby,
            timeline,
            takes_writes,
            server_version,
            waits_for,
            connections,
            connections_max,
            commits_waiting,
        }: ServerStateBorrowed<'a>,
    ) -> Self {
        Self {
            standby,
            timeline,
            takes_writes,
            server_version: server_version.into(),
            waits_for: waits_for.into(),
            connections,
            connections_max,
            commits_waiting,
        }
    }
}
#[derive(Debug, Clone, PartialEq)]
pub struct Standbys {
    pub name: String,
    pub state: String,
    pub sync_state: String,
    pub lag_bytes: Option<i64>,
    pub lag_seconds: Option<f64>,
}
pub struct StandbysBorrowed<'a> {
    pub name: &'a str,
    pub state: &'a str,
    pub sync_state: &'a str,
    pub lag_bytes: Option<i64>,
    pub lag_seconds: Option<f64>,
}
impl<'a> From<StandbysBorrowed<'a>> for Standbys {
    fn from(
        StandbysBorrowed {
            name,
            state,
            sync_state,
            lag_bytes,
            lag_seconds,
        }: StandbysBorrowed<'a>,
    ) -> Self {
        Self {
            name: name.into(),
            state: state.into(),
            sync_state: sync_state.into(),
            lag_bytes,
            lag_seconds,
        }
    }
}
#[derive(Debug, Clone, PartialEq)]
pub struct WaitsFor {
    pub names: String,
    pub source: String,
    pub read_at: time::OffsetDateTime,
    pub commits_waiting: i64,
}
pub struct WaitsForBorrowed<'a> {
    pub names: &'a str,
    pub source: &'a str,
    pub read_at: time::OffsetDateTime,
    pub commits_waiting: i64,
}
impl<'a> From<WaitsForBorrowed<'a>> for WaitsFor {
    fn from(
        WaitsForBorrowed {
            names,
            source,
            read_at,
            commits_waiting,
        }: WaitsForBorrowed<'a>,
    ) -> Self {
        Self {
            names: names.into(),
            source: source.into(),
            read_at,
            commits_waiting,
        }
    }
}
#[derive(Debug, Clone, PartialEq, Copy)]
pub struct MayAlterSystem {
    pub may_set: bool,
    pub may_reload: bool,
}
use crate::client::async_::GenericClient;
use futures::{self, StreamExt, TryStreamExt};
pub struct ServerStateQuery<'c, 'a, 's, C: GenericClient, T, const N: usize> {
    client: &'c C,
    params: [&'a (dyn postgres_types::ToSql + Sync); N],
    query: &'static str,
    cached: Option<&'s tokio_postgres::Statement>,
    extractor: fn(&tokio_postgres::Row) -> Result<ServerStateBorrowed, tokio_postgres::Error>,
    mapper: fn(ServerStateBorrowed) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> ServerStateQuery<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(ServerStateBorrowed) -> R) -> ServerStateQuery<'c, 'a, 's, C, R, N> {
        ServerStateQuery {
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
pub struct StandbysQuery<'c, 'a, 's, C: GenericClient, T, const N: usize> {
    client: &'c C,
    params: [&'a (dyn postgres_types::ToSql + Sync); N],
    query: &'static str,
    cached: Option<&'s tokio_postgres::Statement>,
    extractor: fn(&tokio_postgres::Row) -> Result<StandbysBorrowed, tokio_postgres::Error>,
    mapper: fn(StandbysBorrowed) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> StandbysQuery<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(StandbysBorrowed) -> R) -> StandbysQuery<'c, 'a, 's, C, R, N> {
        StandbysQuery {
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
pub struct WaitsForQuery<'c, 'a, 's, C: GenericClient, T, const N: usize> {
    client: &'c C,
    params: [&'a (dyn postgres_types::ToSql + Sync); N],
    query: &'static str,
    cached: Option<&'s tokio_postgres::Statement>,
    extractor: fn(&tokio_postgres::Row) -> Result<WaitsForBorrowed, tokio_postgres::Error>,
    mapper: fn(WaitsForBorrowed) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> WaitsForQuery<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(WaitsForBorrowed) -> R) -> WaitsForQuery<'c, 'a, 's, C, R, N> {
        WaitsForQuery {
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
pub struct MayAlterSystemQuery<'c, 'a, 's, C: GenericClient, T, const N: usize> {
    client: &'c C,
    params: [&'a (dyn postgres_types::ToSql + Sync); N],
    query: &'static str,
    cached: Option<&'s tokio_postgres::Statement>,
    extractor: fn(&tokio_postgres::Row) -> Result<MayAlterSystem, tokio_postgres::Error>,
    mapper: fn(MayAlterSystem) -> T,
}
impl<'c, 'a, 's, C, T: 'c, const N: usize> MayAlterSystemQuery<'c, 'a, 's, C, T, N>
where
    C: GenericClient,
{
    pub fn map<R>(self, mapper: fn(MayAlterSystem) -> R) -> MayAlterSystemQuery<'c, 'a, 's, C, R, N> {
        MayAlterSystemQuery {
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
pub struct ServerStateStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn server_state() -> ServerStateStmt {
    ServerStateStmt(
        "select pg_is_in_recovery() as standby, case when not pg_is_in_recovery() then cast(cast('x' || lpad(substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8), 8, '0') as bit(32)) as integer) end as timeline, not cast(current_setting('transaction_read_only') as boolean) as takes_writes, current_setting('server_version') as server_version, current_setting('synchronous_standby_names') as waits_for, (select count(*) from pg_stat_activity where datname = current_database() and backend_type = 'client backend') as connections, cast(current_setting('max_connections') as integer) as connections_max, (select count(*) from pg_stat_activity where wait_event = 'SyncRep') as commits_waiting",
        None,
    )
}
impl ServerStateStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient>(
        &'s self,
        client: &'c C,
    ) -> ServerStateQuery<'c, 'a, 's, C, ServerState, 0> {
        ServerStateQuery {
            client,
            params: [],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row: &tokio_postgres::Row| -> Result<ServerStateBorrowed, tokio_postgres::Error> {
                Ok(ServerStateBorrowed {
                    standby: row.try_get(0)?,
                    timeline: row.try_get(1)?,
                    takes_writes: row.try_get(2)?,
                    server_version: row.try_get(3)?,
                    waits_for: row.try_get(4)?,
                    connections: row.try_get(5)?,
                    connections_max: row.try_get(6)?,
                    commits_waiting: row.try_get(7)?,
                })
            },
            mapper: |it| ServerState::from(it),
        }
    }
}
pub struct StandbysStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn standbys() -> StandbysStmt {
    StandbysStmt(
        "select application_name as name, coalesce(state, '?') as state, coalesce(sync_state, '?') as sync_state, cast(pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_receive_lsn() else pg_current_wal_lsn() end, replay_lsn) as bigint) as lag_bytes, cast(extract(epoch from replay_lag) as double precision) as lag_seconds from pg_stat_replication order by application_name",
        None,
    )
}
impl StandbysStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient>(&'s self, client: &'c C) -> StandbysQuery<'c, 'a, 's, C, Standbys, 0> {
        StandbysQuery {
            client,
            params: [],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row: &tokio_postgres::Row| -> Result<StandbysBorrowed, tokio_postgres::Error> {
                Ok(StandbysBorrowed {
                    name: row.try_get(0)?,
                    state: row.try_get(1)?,
                    sync_state: row.try_get(2)?,
                    lag_bytes: row.try_get(3)?,
                    lag_seconds: row.try_get(4)?,
                })
            },
            mapper: |it| Standbys::from(it),
        }
    }
}
pub struct WaitsForStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn waits_for() -> WaitsForStmt {
    WaitsForStmt(
        "select setting as names, source, pg_conf_load_time() as read_at, (select count(*) from pg_stat_activity where wait_event = 'SyncRep') as commits_waiting from pg_settings where name = 'synchronous_standby_names'",
        None,
    )
}
impl WaitsForStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient>(&'s self, client: &'c C) -> WaitsForQuery<'c, 'a, 's, C, WaitsFor, 0> {
        WaitsForQuery {
            client,
            params: [],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row: &tokio_postgres::Row| -> Result<WaitsForBorrowed, tokio_postgres::Error> {
                Ok(WaitsForBorrowed {
                    names: row.try_get(0)?,
                    source: row.try_get(1)?,
                    read_at: row.try_get(2)?,
                    commits_waiting: row.try_get(3)?,
                })
            },
            mapper: |it| WaitsFor::from(it),
        }
    }
}
pub struct MayAlterSystemStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn may_alter_system() -> MayAlterSystemStmt {
    MayAlterSystemStmt(
        "select has_parameter_privilege('synchronous_standby_names', 'alter system') as may_set, has_function_privilege('pg_reload_conf()', 'execute') as may_reload",
        None,
    )
}
impl MayAlterSystemStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient>(
        &'s self,
        client: &'c C,
    ) -> MayAlterSystemQuery<'c, 'a, 's, C, MayAlterSystem, 0> {
        MayAlterSystemQuery {
            client,
            params: [],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row: &tokio_postgres::Row| -> Result<MayAlterSystem, tokio_postgres::Error> {
                Ok(MayAlterSystem {
                    may_set: row.try_get(0)?,
                    may_reload: row.try_get(1)?,
                })
            },
            mapper: |it| MayAlterSystem::from(it),
        }
    }
}
pub struct ReloadSettingsStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn reload_settings() -> ReloadSettingsStmt {
    ReloadSettingsStmt("select pg_reload_conf() as done", None)
}
impl ReloadSettingsStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient>(&'s self, client: &'c C) -> BoolQuery<'c, 'a, 's, C, bool, 0> {
        BoolQuery {
            client,
            params: [],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row| Ok(row.try_get(0)?),
            mapper: |it| it,
        }
    }
}
pub struct TryCommitStmt(&'static str, Option<tokio_postgres::Statement>);
pub fn try_commit() -> TryCommitStmt {
    TryCommitStmt(
        "select cast(pg_logical_emit_message(true, 'loms', 'is anybody there?') as text) as position",
        None,
    )
}
impl TryCommitStmt {
    pub async fn prepare<'a, C: GenericClient>(mut self, client: &'a C) -> Result<Self, tokio_postgres::Error> {
        self.1 = Some(client.prepare(self.0).await?);
        Ok(self)
    }
    pub fn bind<'c, 'a, 's, C: GenericClient>(&'s self, client: &'c C) -> StringQuery<'c, 'a, 's, C, String, 0> {
        StringQuery {
            client,
            params: [],
            query: self.0,
            cached: self.1.as_ref(),
            extractor: |row| Ok(row.try_get(0)?),
            mapper: |it| it.into(),
        }
    }
}
