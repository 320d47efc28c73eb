//! Databases for tests, on the servers that `scripts/services.sh up postgres` starts: each test
//! gets a database of its own, copied from a template with the schema, and dropped with its handle.
#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "for tests: a panic is a failed test"
)]

mod whole;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use domain::types::Sku;
use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config, NoTls};

use super::connect::Connector;
use super::migrate;
use super::settings::PostgresSettings;
pub use whole::WholeLedger;

/// The lock under which the template is made; any number that nobody else uses.
const TEMPLATE_LOCK: i64 = 0x7465_6d70; // "temp"

static NEXT: AtomicU32 = AtomicU32::new(1);

/// What `scripts/services.sh env postgres` says.
#[derive(Debug, Clone)]
pub struct Servers {
    /// The primary, as its superuser.
    pub primary: Config,
    /// Its synchronous standby.
    pub standby: Config,
    /// How the servers' `cluster_name` begins.
    pub cluster: String,
}

#[allow(
    clippy::disallowed_methods,
    reason = "tests are told their servers by the environment"
)]
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run `scripts/services.sh up postgres` and `eval \"$(scripts/services.sh env postgres)\"`, or `just test`")
    })
}

impl Servers {
    /// Those of this run of the tests.
    #[must_use]
    pub fn of_this_run() -> Self {
        Self {
            primary: variable("APP_TEST_POSTGRES").parse().unwrap(),
            standby: variable("APP_TEST_POSTGRES_STANDBY").parse().unwrap(),
            cluster: variable("APP_TEST_POSTGRES_CLUSTER"),
        }
    }

    /// Those that `scripts/services.sh env postgres` tells of in these lines.
    #[must_use]
    pub fn told(lines: &str) -> Self {
        let variable = |name: &str| {
            let begin = format!("export {name}='");
            let told = lines
                .lines()
                .find_map(|line| line.strip_prefix(&begin)?.strip_suffix('\''));
            told.unwrap_or_else(|| panic!("{name} is not told"))
        };
        Self {
            primary: variable("APP_TEST_POSTGRES").parse().unwrap(),
            standby: variable("APP_TEST_POSTGRES_STANDBY").parse().unwrap(),
            cluster: variable("APP_TEST_POSTGRES_CLUSTER").to_owned(),
        }
    }

    /// All of them as one target.
    #[must_use]
    pub fn both(&self, database: &str) -> Config {
        let mut target = self.primary.clone();
        target.dbname(database);
        for host in self.standby.get_hosts() {
            match host {
                Host::Tcp(name) => target.host(name),
                #[cfg(unix)]
                Host::Unix(path) => target.host_path(path),
            };
        }
        for port in self.standby.get_ports() {
            target.port(*port);
        }
        target
    }
}

/// The certificate of the CA of the test servers, as PEM.
#[must_use]
pub fn authority() -> Vec<u8> {
    let file = variable("APP_TEST_POSTGRES_CA");
    std::fs::read(&file).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Connects as the superuser, without waiting for standbys.
pub async fn admin(target: &Config, database: &str) -> Client {
    let mut target = target.clone();
    target
        .dbname(database)
        .options("-c synchronous_commit=local -c client_min_messages=warning");
    let (client, connection) = target.connect(NoTls).await.expect("the test server answers");
    tokio::spawn(connection);
    client
}

/// A database of a test's own.
#[derive(Debug)]
pub struct Database {
    servers: Servers,
    name: String,
}

impl Database {
    /// With the schema and nothing in it.
    pub async fn fresh() -> Self {
        Self::fresh_on(Servers::of_this_run()).await
    }

    /// With the schema and nothing in it, on servers of the test's own.
    pub async fn fresh_on(servers: Servers) -> Self {
        let database = Self::empty(servers).await;
        let admin = admin(&database.servers.primary, "postgres").await;
        let template = template(&database.servers, &admin).await;
        let copy = format!("create database {} template {template}", database.name);
        admin.batch_execute(&copy).await.unwrap();
        database
    }

    /// With nothing at all.
    pub async fn bare() -> Self {
        Self::bare_on(Servers::of_this_run()).await
    }

    /// With nothing at all, on servers of the test's own.
    pub async fn bare_on(servers: Servers) -> Self {
        let database = Self::empty(servers).await;
        let admin = admin(&database.servers.primary, "postgres").await;
        admin
            .batch_execute(&format!("create database {}", database.name))
            .await
            .unwrap();
        database
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "names of databases must differ between processes"
    )]
    async fn empty(servers: Servers) -> Self {
        let admin = admin(&servers.primary, "postgres").await;
        let row = admin.query_one("show cluster_name", &[]).await.unwrap();
        let found: String = row.get(0);
        assert!(
            found.starts_with(&servers.cluster),
            "this is not the server of the tests: it is {found:?}, not {:?}",
            servers.cluster
        );
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{number}_{:08x}", std::process::id(), rand::random::<u32>());
        Self { servers, name }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its servers.
    #[must_use]
    pub const fn servers(&self) -> &Servers {
        &self.servers
    }

    /// Settings that reach it on all servers. Tests run side by side on few processors: what is not
    /// about a bound must not run into one.
    #[must_use]
    pub fn settings(&self) -> PostgresSettings {
        PostgresSettings {
            connect_timeout: Duration::from_secs(10),
            pool_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(10),
            ..PostgresSettings::new(self.servers.both(&self.name))
        }
    }

    /// The URL that tells a process of it on all servers, without TLS: what a test puts in between can
    /// read what is said.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_at(self.servers.both(&self.name).get_ports())
    }

    /// The same at other ports of this machine.
    #[must_use]
    pub fn url_at(&self, ports: &[u16]) -> String {
        let hosts: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let (user, name, hosts) = (self.servers.primary.get_user().unwrap(), &self.name, hosts.join(","));
        format!("postgres://{user}:{}@{hosts}/{name}?sslmode=disable", self.password())
    }

    /// The password in it.
    #[must_use]
    pub fn password(&self) -> &str {
        std::str::from_utf8(self.servers.primary.get_password().unwrap()).unwrap()
    }

    /// A connector with the bounds of tests.
    #[must_use]
    pub fn connector(&self) -> Arc<Connector> {
        Connector::new(self.settings())
    }

    /// A connection of the superuser to it.
    pub async fn admin(&self) -> Client {
        admin(&self.servers.primary, &self.name).await
    }

    /// Stock records, as pairs of sku and units, each with its first movement.
    pub async fn stock(&self, records: &[(i64, u32)]) {
        let admin = self.admin().await;
        for (sku, total) in records {
            let (sku, total) = (Sku::try_from(*sku).unwrap().get(), i64::from(*total));
            admin
                .execute("insert into stock (sku, total_count) values ($1, $2)", &[&sku, &total])
                .await
                .unwrap();
            admin
                .execute(
                    "insert into stock_movements (sku, units, reason, moment) values ($1, $2, 'initial load', now())",
                    &[&sku, &total],
                )
                .await
                .unwrap();
        }
    }

    /// A ledger over it.
    pub async fn ledger(self, records: &[(i64, u32)]) -> WholeLedger {
        self.stock(records).await;
        WholeLedger::over(Arc::new(self)).await
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (target, name) = (self.servers.primary.clone(), self.name.clone());
        // On a thread of its own: the runtime of the test may be gone.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let admin = admin(&target, "postgres").await;
                let gone = admin
                    .batch_execute(&format!("drop database if exists {name} with (force)"))
                    .await;
                gone.unwrap();
            });
        });
        if dropped.join().is_err() && !std::thread::panicking() {
            panic!("the test's database {} was not dropped", self.name);
        }
    }
}

/// The template of this schema, made by the first test that needs it.
async fn template(servers: &Servers, admin: &Client) -> String {
    let name = format!("template_{:016x}", migrate::fingerprint());
    admin
        .execute("select pg_advisory_lock($1)", &[&TEMPLATE_LOCK])
        .await
        .unwrap();
    let there = "select exists (select from pg_database where datname = $1 and datistemplate)";
    let there: bool = admin.query_one(there, &[&name]).await.unwrap().get(0);
    if !there {
        admin
            .batch_execute(&format!("drop database if exists {name} with (force)"))
            .await
            .unwrap();
        admin.batch_execute(&format!("create database {name}")).await.unwrap();
        let connector = Connector::new(PostgresSettings::new(servers.both(&name)));
        migrate::migrate(&connector).await.unwrap();
        let closed = format!("alter database {name} with is_template true allow_connections false");
        admin.batch_execute(&closed).await.unwrap();
    }
    admin
        .execute("select pg_advisory_unlock($1)", &[&TEMPLATE_LOCK])
        .await
        .unwrap();
    name
}
