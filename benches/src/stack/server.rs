//! The servers that everything is measured on: those of `scripts/services.sh`, with a database of its
//! own for each side, the same stock in each, and the same waiting for the standby.

use std::collections::BTreeMap;
use std::sync::Arc;

use adapters::postgres::connect::Connector;
use adapters::postgres::testing::{Database, Servers, WholeLedger};
use tokio_postgres::{Client, Config};

use super::measure::Meter;
use super::way::SKUS;
use crate::cpu::Process;
use crate::error::LoadError;

/// Units of each sku: more than any run can sell.
const UNITS: i64 = 4_000_000_000;

/// Settings of the server that figures depend on.
const CONDITIONS: [&str; 9] = [
    "server_version",
    "fsync",
    "full_page_writes",
    "synchronous_standby_names",
    "shared_buffers",
    "max_wal_size",
    "wal_level",
    "wal_compression",
    "checkpoint_timeout",
];

/// Whether commits wait for the standby.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Standby {
    /// It follows, and nobody waits for it.
    Asynchronous,
    /// A commit waits until it has applied it.
    RemoteApply,
}

impl Standby {
    /// As it is told.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Asynchronous => "asynchronous",
            Self::RemoteApply => "remote_apply",
        }
    }

    /// What a session that writes says.
    pub(crate) fn synchronous_commit(self) -> &'static str {
        match self {
            Self::Asynchronous => "on",
            Self::RemoteApply => "remote_apply",
        }
    }
}

/// The servers while something is measured. What was changed on them is changed back by [`Stage::end`].
pub(crate) struct Stage {
    servers: Servers,
    admin: Arc<Client>,
    standby: Standby,
    names_before: String,
}

impl Stage {
    /// Takes the servers of the environment, and has commits wait for the standby or not.
    ///
    /// # Errors
    /// Where they refuse.
    ///
    /// # Panics
    /// Where the environment names no servers.
    pub(crate) async fn begin(standby: Standby) -> Result<Self, LoadError> {
        let servers = Servers::of_this_run();
        let admin = Arc::new(adapters::postgres::testing::admin(&servers.primary, "postgres").await);
        let names_before = show(&admin, "synchronous_standby_names").await?;
        if standby == Standby::RemoteApply && names_before.is_empty() {
            return Err(LoadError::Target(
                "the primary has no synchronous standby to wait for".to_owned(),
            ));
        }
        let stage = Self {
            servers,
            admin,
            standby,
            names_before,
        };
        if standby == Standby::Asynchronous {
            stage.wait_for("").await?;
        }
        Ok(stage)
    }

    /// As it was before.
    pub(crate) async fn end(self) -> Result<(), LoadError> {
        match self.standby {
            Standby::Asynchronous => self.wait_for(&self.names_before).await,
            Standby::RemoteApply => Ok(()), // nothing was changed
        }
    }

    async fn wait_for(&self, names: &str) -> Result<(), LoadError> {
        let quoted = names.replace('\'', "''");
        run(
            &self.admin,
            &format!("alter system set synchronous_standby_names = '{quoted}'"),
        )
        .await?;
        run(&self.admin, "select pg_reload_conf()").await
    }

    /// Whether commits wait for the standby.
    pub(crate) const fn standby(&self) -> Standby {
        self.standby
    }

    /// A session of the superuser on the primary.
    pub(crate) fn admin(&self) -> &Client {
        &self.admin
    }

    /// A ledger of ours over a database of its own, with stock.
    pub(crate) async fn ours(&self) -> Result<Arc<WholeLedger>, LoadError> {
        let ledger = self.bare().await;
        stock(&ledger.database.admin().await, UNITS, true).await?;
        Ok(ledger)
    }

    /// The same without stock.
    pub(crate) async fn bare(&self) -> Arc<WholeLedger> {
        let database = Database::fresh_on(self.servers.clone()).await;
        self.over(Arc::new(database)).await
    }

    /// Another instance over the same database.
    pub(crate) async fn over(&self, database: Arc<Database>) -> Arc<WholeLedger> {
        let mut settings = database.settings();
        settings.wait_for_replicas = self.standby == Standby::RemoteApply;
        Arc::new(WholeLedger::connected(Connector::new(settings), database).await)
    }

    /// A database for the usual way, with stock.
    pub(crate) async fn usual(&self) -> Result<Database, LoadError> {
        usual(self.servers.clone(), UNITS).await
    }

    /// How a session reaches a database of the primary.
    pub(crate) fn target(&self, database: &Database) -> Config {
        let mut target = self.servers.primary.clone();
        target.dbname(database.name());
        target
    }

    /// Reads the CPU time of both servers, beside what is watched already.
    pub(crate) async fn watched(&self, meter: Meter) -> Result<Meter, LoadError> {
        let standby = adapters::postgres::testing::admin(&self.servers.standby, "postgres").await;
        let (primary, standby) = (postmaster(&self.admin).await?, postmaster(&standby).await?);
        Ok(meter
            .and("Postgres", Process::Family(primary))
            .and("standby", Process::Family(standby))
            .and_wal_of(Arc::clone(&self.admin)))
    }

    /// What figures depend on.
    pub(crate) async fn conditions(&self) -> Result<BTreeMap<String, String>, LoadError> {
        let mut conditions = BTreeMap::new();
        for name in CONDITIONS {
            conditions.insert(name.to_owned(), show(&self.admin, name).await?);
        }
        conditions.insert("standby".to_owned(), self.standby.name().to_owned());
        let processors = std::thread::available_parallelism().map_or(0, usize::from);
        conditions.insert("processors".to_owned(), processors.to_string());
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        conditions.insert("load average at the start".to_owned(), load.trim().to_owned());
        Ok(conditions)
    }

    /// Has what was filled in counted and written, so that it does not fall into what is measured next.
    pub(crate) async fn settle_down(&self, database: &Database) -> Result<(), LoadError> {
        run(&database.admin().await, "vacuum analyze").await?;
        run(&self.admin, "checkpoint").await
    }
}

/// What the environment says of the services.
#[expect(
    clippy::disallowed_methods,
    reason = "services are told by the environment that `scripts/services.sh env` prints"
)]
pub(super) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// A database for the usual way, with so many units of each sku.
pub(super) async fn usual(servers: Servers, units: i64) -> Result<Database, LoadError> {
    let database = Database::bare_on(servers).await;
    let admin = database.admin().await;
    run(&admin, include_str!("../../sql/usual.sql")).await?;
    stock(&admin, units, false).await?;
    Ok(database)
}

/// Runs statements, and says which failed.
pub(crate) async fn run(client: &Client, statements: &str) -> Result<(), LoadError> {
    client.batch_execute(statements).await.map_err(|error| refused(&error))
}

/// What a server said.
pub(crate) fn refused(error: &tokio_postgres::Error) -> LoadError {
    LoadError::Target(super::drive::fault(crate::client::FaultKind::Unexpected, error).detail)
}

async fn show(client: &Client, name: &str) -> Result<String, LoadError> {
    let row = client.query_one(&format!("show {name}"), &[]).await;
    row.map(|row| row.get(0)).map_err(|error| refused(&error))
}

async fn postmaster(client: &Client) -> Result<u32, LoadError> {
    let asked = "select split_part(pg_read_file('postmaster.pid'), E'\\n', 1)";
    let row = client.query_one(asked, &[]).await.map_err(|error| refused(&error))?;
    let pid: String = row.get(0);
    pid.trim()
        .parse()
        .map_err(|_| LoadError::Target(format!("the server says its process is {pid:?}")))
}

/// So many units of every sku.
pub(super) async fn stock(admin: &Client, units: i64, with_movements: bool) -> Result<(), LoadError> {
    let mut filling =
        format!("insert into stock (sku, total_count) select n, {units} from generate_series(1, {SKUS}) n;");
    if with_movements {
        filling.push_str(
            "insert into stock_movements (sku, units, reason, moment) select sku, total_count, 'initial load', now() from stock order by sku;",
        );
    }
    filling.push_str("analyze stock");
    run(admin, &filling).await
}
