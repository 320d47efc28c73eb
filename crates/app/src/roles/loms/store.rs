//! Where the ledger is kept: in memory, or in Postgres where a server is configured.

use std::sync::Arc;

use adapters::memory::ledger::{LedgerLimits, MemoryLedger, StockRecord};
use adapters::memory::stock_file;
use adapters::postgres::cluster::Cluster;
use adapters::postgres::connect::Connector;
use adapters::postgres::ledger::PostgresLedger;
use adapters::postgres::migrate::migrate;
use adapters::postgres::outbox::PostgresOutbox;
use adapters::postgres::pool::WritePool;
use adapters::postgres::reads::PostgresReads;
use adapters::postgres::settings::PostgresSettings;
use adapters::postgres::turn::{Job, Turn};
use domain::clock::Clock;
use domain::order::ports::Outbox;
use slog::{Logger, info, warn};
use tokio_util::sync::CancellationToken;

use super::super::{Process, StartError};
use super::GAUGE_INTERVAL;
use crate::clock::SystemClock;
use crate::config::Settings;
use crate::lifecycle::Stage;
use crate::telemetry::chain;
use crate::wiring::loms::{LomsLedger, LomsOutbox, LomsReads};
use crate::wiring::postgres;

/// The ports of a ledger.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) ledger: LomsLedger,
    pub(super) reads: LomsReads,
    pub(super) outbox: LomsOutbox,
    /// Batches in flight at the same time.
    pub(super) lanes: usize,
    /// The turn at housekeeping; there is one where several instances share a ledger.
    pub(super) turn: Option<Arc<Turn>>,
    /// How the ledger is reached; there is one where it is in Postgres.
    pub(super) connector: Option<Arc<Connector>>,
}

/// The ledger of the settings.
pub(super) async fn open(process: &Process, log: &Logger) -> Result<Store, StartError> {
    match postgres::settings(&process.settings)? {
        None => in_memory(process),
        Some(settings) => in_postgres(process, settings, log).await,
    }
}

/// A ledger of this process, with the stock of the settings.
fn in_memory(process: &Process) -> Result<Store, StartError> {
    let settings = &process.settings;
    let limits = LedgerLimits {
        orders_max: settings.loms.orders_max,
        outbox_max: settings.loms.outbox_max,
        keys_kept: settings.loms.idempotency_ttl(),
    };
    let stock = stock(settings)?;
    let ledger = Arc::new(MemoryLedger::new(limits, stock, SystemClock.now()));
    let checked = Arc::clone(&ledger);
    process.health.required("ledger", move || {
        let ledger = Arc::clone(&checked);
        async move { ledger.backlog().await.map(drop).map_err(|error| chain(&error)) }
    });
    Ok(Store {
        ledger: LomsLedger::Memory(Arc::clone(&ledger)),
        reads: LomsReads::Memory(Arc::clone(&ledger)),
        outbox: LomsOutbox::Memory(ledger),
        // The order of arrival is the order of decisions.
        lanes: 1,
        turn: None,
        connector: None,
    })
}

fn stock(settings: &Settings) -> Result<Vec<StockRecord>, StartError> {
    let path = &settings.loms.stock_file;
    let refused = |source| StartError::Stock {
        path: path.clone(),
        source,
    };
    if path.is_empty() {
        return stock_file::builtin().map_err(refused);
    }
    let json = std::fs::read(path).map_err(|source| StartError::File {
        path: path.clone(),
        source,
    })?;
    stock_file::parse(&json).map_err(refused)
}

/// The ledger of a cluster, whose schema is brought up to date first. Its stock is not touched:
/// `app stock import` loads it.
async fn in_postgres(process: &Process, settings: PostgresSettings, log: &Logger) -> Result<Store, StartError> {
    if !process.settings.loms.stock_file.is_empty() {
        warn!(
            log,
            "loms.stock_file is for a ledger in memory: `app stock import` loads the stock of this one"
        );
    }
    let connector = Connector::new(settings);
    let schema = migrate(&connector).await?;
    info!(log, "the schema is ready"; "version" => schema.version, "migrations_applied" => schema.applied);
    let ledger = Arc::new(PostgresLedger::new(Arc::clone(&connector))?);
    let mut cluster = Cluster::new(Arc::clone(&connector));
    cluster.look().await;
    let reads = Arc::new(PostgresReads::new(Arc::clone(&connector), &cluster)?);
    report_health(process, &cluster, ledger.writes());
    let stop = process.life.token(Stage::Telemetry);
    process.life.spawn(Stage::Telemetry, "cluster", async move {
        stop.run_until_cancelled(cluster.keep()).await;
    });
    let stop = process.life.token(Stage::Telemetry);
    process.life.spawn(
        Stage::Telemetry,
        "pool gauges",
        watch_pools(stop, ledger.writes().clone(), Arc::clone(&reads)),
    );
    let relay = Arc::new(Turn::new(Arc::clone(&connector), Job::Relay));
    Ok(Store {
        outbox: LomsOutbox::Postgres(PostgresOutbox::fenced(relay, Arc::clone(&reads))),
        ledger: LomsLedger::Postgres(ledger),
        reads: LomsReads::Postgres(reads),
        lanes: process.settings.loms.lanes,
        turn: Some(Arc::new(Turn::new(Arc::clone(&connector), Job::Housekeeping))),
        connector: Some(connector),
    })
}

/// Shows how the pools are used, once a second.
async fn watch_pools(stop: CancellationToken, writes: WritePool, reads: Arc<PostgresReads>) {
    while stop
        .run_until_cancelled(tokio::time::sleep(GAUGE_INTERVAL))
        .await
        .is_some()
    {
        writes.show();
        reads.show();
    }
}

/// The primary must take writes; a replica that is not in step is only named.
fn report_health(process: &Process, cluster: &Cluster, writes: &WritePool) {
    let (view, writes) = (cluster.view(), writes.clone());
    process.health.required("ledger", move || {
        let good = view.borrow().takes_writes && !writes.is_exhausted() && !writes.is_stuck();
        async move {
            if good {
                Ok(())
            } else {
                Err("the primary takes no writes".to_owned())
            }
        }
    });
    let view = cluster.view();
    process.health.optional("replica", move || {
        let good = !view.borrow().replicas.is_empty();
        async move {
            if good {
                Ok(())
            } else {
                Err("no replica is in step".to_owned())
            }
        }
    });
}
