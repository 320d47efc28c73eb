//! LOMS: its ledger, the order book, relay and housekeeping over it, gRPC and its gateway.

mod housekeeping;
mod publisher;
mod store;

use std::sync::Arc;
use std::time::Duration;

use adapters::memory::stream::MemoryStream;
use domain::clock::Clock;
use domain::order::ports::Outbox;
use slog::{Logger, info};
use tokio::sync::Notify;

use self::store::Store;
use super::{Process, StartError, tell_a_person};
use crate::clock::SystemClock;
use crate::config::Settings;
use crate::engine::backlog::{BacklogLimits, BacklogWatch};
use crate::engine::batcher::{BatchLimits, Batcher, order_book};
use crate::engine::relay::{Relay, RelayLimits};
use crate::grpc::server::{GrpcLimits, GrpcServer, REQUEST_MAX_BYTES};
use crate::grpc::service::LomsService;
use crate::http::gateway;
use crate::http::swagger::Swagger;
use crate::lifecycle::Stage;
use crate::telemetry::names::{OUTBOX_AGE, OUTBOX_BACKLOG};
use crate::telemetry::{RequestLog, chain};
use crate::wiring::loms::{LomsOutbox, LomsPublisher, LomsReads, Service};

/// What a cart in the same process needs of LOMS.
#[derive(Debug, Clone)]
pub struct Loms {
    /// The order book.
    pub book: Batcher,
    /// The ledger, to be read.
    pub reads: LomsReads,
}

/// How often the gauges of the outbox are set.
const GAUGE_INTERVAL: Duration = Duration::from_secs(1);
/// Calls in flight on one gRPC connection.
const STREAMS_MAX: u32 = 1024;

/// LOMS without the rest of the shop.
///
/// # Errors
/// [`StartError`].
pub async fn start_apart(process: &Process, log: Logger) -> Result<Loms, StartError> {
    let publisher = publisher::open(process, &log)?;
    let store = store::open(process, &log).await?;
    start(process, store, publisher, log).await
}

/// LOMS beside the other roles, whose relay publishes to `events`.
///
/// # Errors
/// [`StartError`].
pub async fn start_beside(process: &Process, events: MemoryStream, log: Logger) -> Result<Loms, StartError> {
    let store = store::open(process, &log).await?;
    start(process, store, LomsPublisher::Memory(events), log).await
}

async fn start(process: &Process, store: Store, publisher: LomsPublisher, log: Logger) -> Result<Loms, StartError> {
    let settings = &process.settings;
    let committed = Arc::new(Notify::new());
    let limits = BatchLimits {
        batch_max: settings.loms.batch_max,
        queue_max: settings.loms.queue_max,
        lanes: store.lanes,
        held_pause: settings.loms.held_pause(),
    };
    let (book, batches) = order_book(limits, store.ledger.clone(), SystemClock, Arc::clone(&committed));
    let loms = Loms {
        book,
        reads: store.reads.clone(),
    };
    let service = LomsService::new(loms.book.clone(), loms.reads.clone(), log.clone());
    let grpc = bind_grpc(process, service.clone(), &log).await?;
    serve_gateway(process, service, &log)?;

    let life = &process.life;
    life.spawn(Stage::Relay, "batches", batches.run(life.token(Stage::Relay)));
    let relay = Relay {
        outbox: store.outbox.clone(),
        publisher,
        committed,
        limits: relay_limits(settings),
        log: log.clone(),
    };
    life.spawn(Stage::Relay, "relay", relay.run(life.token(Stage::Relay)));
    life.spawn(
        Stage::Telemetry,
        "outbox gauges",
        watch_outbox(process.clone(), store.outbox.clone(), log.clone()),
    );
    housekeeping::start(process, &loms, &store, &log);
    let (stop, failing) = (life.token(Stage::Accept), life.clone());
    life.spawn(Stage::Accept, "grpc server", async move {
        if let Err(error) = grpc.run(stop).await {
            failing.fail(&format!("the gRPC server ended: {}", chain(&error)));
        }
    });
    Ok(loms)
}

async fn bind_grpc(
    process: &Process,
    service: Service,
    log: &Logger,
) -> Result<GrpcServer<Batcher, LomsReads>, StartError> {
    let settings = &process.settings;
    let limits = GrpcLimits {
        connections_max: settings.loms.max_connections,
        streams_max: STREAMS_MAX,
        call_timeout: settings.http.answer_timeout(),
    };
    let requests = RequestLog::new(log.clone(), settings.log.requests_per_second_max);
    let tracing = process.tracing.clone();
    let server = GrpcServer::bind(settings.loms.grpc.address(), service, limits, tracing, requests).await?;
    if let Ok(address) = server.address() {
        info!(log, "listening for gRPC"; "address" => %address);
        tell_a_person(&format!("loms gRPC    {address} (with reflection)"));
    }
    Ok(server)
}

fn serve_gateway(process: &Process, service: Service, log: &Logger) -> Result<(), StartError> {
    let mut server = process.server("loms", process.settings.loms.http.address(), log.clone());
    server.style = gateway::STYLE;
    server.body_max_bytes = REQUEST_MAX_BYTES;
    let (service, swagger) = (actix_web::web::Data::new(service), Swagger::of(gateway::OPENAPI));
    let address = server.start(&process.life, move |config| {
        swagger.mount(config);
        config.app_data(service.clone());
        gateway::routes(config);
    })?;
    tell_a_person(&format!(
        "loms         http://{address}/swagger/  metrics http://{address}/metrics"
    ));
    Ok(())
}

fn relay_limits(settings: &Settings) -> RelayLimits {
    RelayLimits {
        batch_max: settings.relay.batch_max,
        poll_interval: settings.relay.poll_interval(),
        first_pause: settings.relay.retry_pause(),
        longest_pause: settings.relay.retry_pause_max(),
    }
}

async fn watch_outbox(process: Process, outbox: LomsOutbox, log: Logger) {
    let limits = BacklogLimits {
        events: process.settings.relay.warn_backlog(),
        age: process.settings.relay.warn_age(),
    };
    let watch = BacklogWatch::new(limits, log);
    let stop = process.life.token(Stage::Telemetry);
    let (events, age) = (metrics::gauge!(OUTBOX_BACKLOG.name), metrics::gauge!(OUTBOX_AGE.name));
    while stop
        .run_until_cancelled(tokio::time::sleep(GAUGE_INTERVAL))
        .await
        .is_some()
    {
        if let Ok(backlog) = outbox.backlog().await {
            #[expect(clippy::cast_precision_loss, reason = "a backlog is far below 2^52")]
            events.set(backlog.events as f64);
            let oldest = backlog
                .oldest
                .map_or(Duration::ZERO, |oldest| SystemClock.now().since(oldest));
            age.set(oldest.as_secs_f64());
            watch.look(backlog.events, oldest);
        }
    }
}
