//! A LOMS with few skus, on free ports.

use std::sync::Arc;
use std::time::Duration;

use adapters::grpc::proto::loms_client::LomsClient;
use adapters::grpc::proto::{Item, OrderCreateRequest};
use adapters::memory::ledger::{LedgerLimits, MemoryLedger, StockRecord};
use app::clock::SystemClock;
use app::config::HttpSettings;
use app::engine::batcher::{BatchLimits, order_book};
use app::grpc::server::{GrpcLimits, GrpcServer, REQUEST_MAX_BYTES};
use app::grpc::service::LomsService;
use app::http::{Server, gateway};
use app::lifecycle::{Lifecycle, Stage};
use app::telemetry::{RequestLog, Tracing};
use app::wiring::loms::LomsReads;
use domain::clock::Clock;
use domain::order::ports::OrderBook;
use domain::stock::model::Stock;
use domain::testing::build::sku;
use slog::{Logger, o};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

/// The bound of a call in these tests.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(1);
/// Nothing here may take longer.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// A gRPC server under test.
pub(crate) struct Running {
    pub(crate) url: String,
    pub(crate) stop: CancellationToken,
    pub(crate) ended: JoinHandle<bool>,
}

impl Running {
    /// Over this order book, with this log.
    pub(crate) async fn over(book: impl OrderBook + Clone, log: Logger) -> Self {
        Self::start(book, ledger(), log).await
    }

    async fn start(book: impl OrderBook + Clone, ledger: Arc<MemoryLedger>, log: Logger) -> Self {
        let service = LomsService::new(book, ledger, log.clone());
        let limits = GrpcLimits {
            connections_max: 4,
            streams_max: 64,
            call_timeout: CALL_TIMEOUT,
        };
        let requests = RequestLog::new(log, 1_000);
        let bound = GrpcServer::bind(
            "127.0.0.1:0".parse().unwrap(),
            service,
            limits,
            Tracing::new(0.0),
            requests,
        );
        let server = bound.await.unwrap();
        let url = format!("http://{}", server.address().unwrap());
        let stop = CancellationToken::new();
        let ended = tokio::spawn({
            let stop = stop.clone();
            async move { server.run(stop).await.is_ok() }
        });
        Self { url, stop, ended }
    }

    /// The whole of it, in memory.
    pub(crate) async fn whole() -> Self {
        let ledger = ledger();
        let (book, batches) = order_book(BATCHES, Arc::clone(&ledger), SystemClock, Arc::new(Notify::new()));
        tokio::spawn(batches.run(CancellationToken::new()));
        Self::start(book, ledger, quiet()).await
    }

    pub(crate) async fn channel(&self) -> Channel {
        let endpoint = Channel::from_shared(self.url.clone()).unwrap();
        tokio::time::timeout(SOON, endpoint.connect())
            .await
            .expect("soon")
            .unwrap()
    }

    pub(crate) async fn client(&self) -> LomsClient<Channel> {
        LomsClient::new(self.channel().await)
    }
}

const BATCHES: BatchLimits = BatchLimits {
    batch_max: 8,
    queue_max: 64,
    lanes: 1,
    held_pause: std::time::Duration::from_secs(1),
};

/// The gateway under test: its base URL, and what ends it.
pub(crate) async fn gateway() -> (String, Lifecycle) {
    let life = Lifecycle::new(quiet(), SOON);
    let ledger = ledger();
    let (book, batches) = order_book(BATCHES, Arc::clone(&ledger), SystemClock, Arc::new(Notify::new()));
    life.spawn(Stage::Relay, "batches", batches.run(life.token(Stage::Relay)));
    let service = actix_web::web::Data::new(LomsService::new(book, LomsReads::Memory(ledger), quiet()));
    let server = Server {
        service: "loms",
        listen: "127.0.0.1:0".parse().unwrap(),
        limits: HttpSettings {
            workers: 1,
            ..HttpSettings::default()
        },
        body_max_bytes: REQUEST_MAX_BYTES,
        style: gateway::STYLE,
        ops: None,
        tracing: Tracing::new(0.0),
        requests: RequestLog::new(quiet(), 100),
        log: quiet(),
    };
    let address = server.start(&life, move |config| {
        config.app_data(service.clone());
        gateway::routes(config);
    });
    (format!("http://{}", address.unwrap()), life)
}

pub(crate) fn quiet() -> Logger {
    Logger::root(slog::Discard, o!())
}

/// Ten units of each of the skus 1 and 2, and more than can be counted of 3.
fn ledger() -> Arc<MemoryLedger> {
    let limits = LedgerLimits {
        orders_max: 1_000,
        outbox_max: 10_000,
        keys_kept: Duration::from_secs(86_400),
    };
    let record = |(n, total)| StockRecord {
        sku: sku(n),
        stock: Stock::new(total, 0).unwrap(),
    };
    let stock = [(1, 10), (2, 10), (3, u32::MAX)].map(record);
    Arc::new(MemoryLedger::new(limits, stock, SystemClock.now()))
}

/// An order of a user 7.
pub(crate) fn order(items: &[(i64, u32)]) -> OrderCreateRequest {
    OrderCreateRequest {
        user_id: 7,
        items: items.iter().map(|&(sku, count)| Item { sku, count }).collect(),
    }
}
