//! The composition roots: one a role, and one that puts all of them into one process. This is
//! the only place that knows which adapter stands behind which port.

#[cfg(all(feature = "products", feature = "cart", feature = "loms", feature = "notifier"))]
pub mod all;
#[cfg(feature = "cart")]
pub mod cart;
#[cfg(feature = "loms")]
pub mod loms;
#[cfg(feature = "notifier")]
pub mod notifier;
#[cfg(feature = "products")]
pub mod products;

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;

use slog::Logger;

use crate::config::{Role, Settings};
use crate::http::debug::DebugPages;
use crate::http::{ErrorStyle, Health, Ops, ServeError, Server};
use crate::lifecycle::{Lifecycle, Stage};
use crate::telemetry::{Metrics, Output, RequestLog, Tracing};

/// The share of the time to end that may go into the last spans.
const LAST_SPANS_SHARE: f64 = 0.25;

/// What every role is given by the process.
#[derive(Debug, Clone)]
pub struct Process {
    /// The settings.
    pub settings: Settings,
    /// The life of the process.
    pub life: Lifecycle,
    /// The readiness of the process.
    pub health: Health,
    /// What of its inside is shown.
    pub debug: DebugPages,
    /// Its metrics.
    pub metrics: Metrics,
    /// What makes spans.
    pub tracing: Tracing,
    /// Where lines go that are the work of a role.
    pub output: Output,
}

/// Why a role does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A server cannot listen.
    #[error(transparent)]
    Http(#[from] ServeError),
    /// The gRPC server cannot listen.
    #[cfg(feature = "loms")]
    #[error(transparent)]
    Grpc(#[from] crate::grpc::server::GrpcError),
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file of products is refused.
    #[cfg(feature = "products")]
    #[error("{path}: {source}")]
    Catalogue {
        /// Which.
        path: String,
        /// Why.
        source: adapters::products::catalogue::CatalogueError,
    },
    /// A file of stock is refused.
    #[cfg(feature = "loms")]
    #[error("{path}: {source}")]
    Stock {
        /// Which.
        path: String,
        /// Why.
        source: adapters::memory::stock_file::StockFileError,
    },
    /// The database of the ledger is configured wrongly.
    #[cfg(feature = "loms")]
    #[error(transparent)]
    Database(#[from] crate::config::DatabaseError),
    /// Kafka is configured wrongly.
    #[cfg(any(feature = "loms", feature = "notifier"))]
    #[error(transparent)]
    Brokers(#[from] crate::config::BrokersError),
    /// The schema of the ledger is not ready.
    #[cfg(feature = "loms")]
    #[error(transparent)]
    Migrate(#[from] adapters::postgres::migrate::MigrateError),
    /// The pools of the ledger cannot be made.
    #[cfg(feature = "loms")]
    #[error(transparent)]
    Pool(#[from] adapters::postgres::pool::BuildError),
    /// The notifier cannot consume.
    #[cfg(feature = "notifier")]
    #[error(transparent)]
    Consumer(#[from] adapters::kafka::consumer::CannotBuild),
    /// The webhook of the notifier cannot be used.
    #[cfg(feature = "notifier")]
    #[error(transparent)]
    Webhook(#[from] adapters::webhook::WebhookError),
    /// The client of products cannot be made.
    #[cfg(feature = "cart")]
    #[error(transparent)]
    Products(#[from] adapters::products::client::ClientError),
    /// The client of LOMS cannot be made.
    #[cfg(feature = "cart")]
    #[error(transparent)]
    Loms(#[from] adapters::grpc::client::BadUrl),
}

/// Starts the role of the settings.
///
/// # Errors
/// [`StartError`]; the process is to end.
pub async fn start(process: &Process, logger_of: impl Fn(&'static str) -> Logger) -> Result<(), StartError> {
    let metrics = process.metrics.clone();
    process.life.spawn(
        Stage::Telemetry,
        "metrics upkeep",
        metrics.keep(process.settings.role().name(), process.life.token(Stage::Telemetry)),
    );
    let last_spans = process.tracing.clone().flush_at_the_end(
        process.life.token(Stage::Telemetry),
        process.life.grace().mul_f64(LAST_SPANS_SHARE),
        logger_of("app"),
    );
    process.life.spawn(Stage::Telemetry, "last spans", last_spans);
    if let Some(listen) = process.settings.ops.addr.0 {
        let server = Server {
            ops: Some(process.ops()),
            ..process.server("ops", listen, logger_of("ops"))
        };
        server.start(&process.life, |_| {})?;
    }
    match process.settings.role() {
        #[cfg(feature = "products")]
        Role::Products => products::start(process, &products::catalogue(&process.settings)?, logger_of("products")),
        #[cfg(feature = "cart")]
        Role::Cart => cart::start_apart(process, logger_of("cart")),
        #[cfg(feature = "loms")]
        Role::Loms => loms::start_apart(process, logger_of("loms")).await.map(drop),
        #[cfg(feature = "notifier")]
        Role::Notifier => notifier::start_apart(process, logger_of("notifier")),
        #[cfg(all(feature = "products", feature = "cart", feature = "loms", feature = "notifier"))]
        Role::All => all::start(process, logger_of).await,
    }
}

impl Process {
    fn ops(&self) -> Ops {
        Ops {
            metrics: self.metrics.clone(),
            health: self.health.clone(),
            debug: self.debug.clone(),
        }
    }

    /// An HTTP server of a role, to be changed where it differs, and started.
    fn server(&self, service: &'static str, listen: SocketAddr, log: Logger) -> Server {
        let own_ops = self.settings.ops.addr.0.is_none();
        Server {
            service,
            listen,
            limits: self.settings.http.clone(),
            body_max_bytes: crate::http::server::BODY_MAX_BYTES,
            style: ErrorStyle::PROBLEM,
            ops: own_ops.then(|| self.ops()),
            tracing: self.tracing.clone(),
            requests: RequestLog::new(log.clone(), self.settings.log.requests_per_second_max),
            log,
        }
    }
}

/// Tells a person at a terminal where to look. Nobody else: standard error stays empty.
fn tell_a_person(line: &str) {
    let mut stderr = std::io::stderr().lock();
    if std::io::stdout().is_terminal() || stderr.is_terminal() {
        let _ = writeln!(stderr, "{line}"); // a terminal that is gone has no reader
    }
}
