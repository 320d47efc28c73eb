//! The ways of a cart to LOMS and to products, in process and over the wire, pass the same
//! contract suites: its use cases cannot tell them apart.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use adapters::grpc::client::GrpcLoms;
use adapters::in_process::InProcessLoms;
use adapters::memory::ledger::{LedgerLimits, MemoryLedger, StockRecord};
use adapters::products::cache::{CacheSettings, CachedProducts};
use adapters::products::catalogue::Catalogue;
use adapters::products::client::{HttpProducts, HttpProductsSettings};
use app::clock::SystemClock;
use app::config::{HttpSettings, MisbehaveSettings};
use app::engine::batcher::{BatchLimits, Batcher, order_book};
use app::grpc::server::{GrpcLimits, GrpcServer};
use app::grpc::service::LomsService;
use app::http::products::{self, ProductsShop};
use app::http::{ErrorStyle, Server};
use app::lifecycle::Lifecycle;
use app::telemetry::{RequestLog, Tracing};
use domain::clock::Clock;
use domain::stock::model::Stock;
use domain::testing::build::sku;
use domain::{loms_contract, products_contract};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use slog::Logger;
use tokio_util::sync::CancellationToken;

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

fn quiet() -> Logger {
    Logger::root(slog::Discard, slog::o!())
}

/// A LOMS whose batches run until the test ends.
fn loms(stock: &[(i64, u32)]) -> (Batcher, Arc<MemoryLedger>) {
    let records = stock.iter().map(|(n, total)| StockRecord {
        sku: sku(*n),
        stock: Stock::new(*total, 0).unwrap(),
    });
    let limits = LedgerLimits {
        orders_max: 100,
        outbox_max: 100,
        keys_kept: Duration::from_secs(24 * 3600),
    };
    let ledger = Arc::new(MemoryLedger::new(limits, records, SystemClock.now()));
    let limits = BatchLimits {
        batch_max: 8,
        queue_max: 8,
        lanes: 1,
        held_pause: std::time::Duration::from_secs(1),
    };
    let (book, batches) = order_book(limits, Arc::clone(&ledger), SystemClock, Arc::default());
    tokio::spawn(batches.run(CancellationToken::new()));
    (book, ledger)
}

async fn in_process(stock: &[(i64, u32)]) -> InProcessLoms<Batcher, Arc<MemoryLedger>> {
    let (book, ledger) = loms(stock);
    InProcessLoms::new(book, ledger, || None)
}

async fn over_grpc(stock: &[(i64, u32)]) -> GrpcLoms {
    let (book, ledger) = loms(stock);
    let limits = GrpcLimits {
        connections_max: 8,
        streams_max: 8,
        call_timeout: Duration::from_secs(5),
    };
    let service = LomsService::new(book, ledger, quiet());
    let requests = RequestLog::new(quiet(), 0);
    let server = GrpcServer::bind(ANY_PORT, service, limits, Tracing::new(0.0), requests)
        .await
        .unwrap();
    let url = format!("http://{}", server.address().unwrap());
    tokio::spawn(server.run(CancellationToken::new()));
    GrpcLoms::new(&url, Duration::from_secs(5), || None).unwrap()
}

fn catalogue(products: &[(i64, &str, u32)]) -> Catalogue {
    let json: Vec<_> = products
        .iter()
        .map(|(sku, name, price)| serde_json::json!({ "sku": sku, "name": name, "price": price }))
        .collect();
    Catalogue::parse(&serde_json::to_vec(&json).unwrap()).unwrap()
}

async fn from_the_catalogue(products: &[(i64, &str, u32)]) -> Catalogue {
    catalogue(products)
}

async fn over_http(products: &[(i64, &str, u32)]) -> CachedProducts<HttpProducts> {
    let random = SmallRng::seed_from_u64(1);
    let faults = MisbehaveSettings::default();
    let shop = Data::new(ProductsShop::new(
        catalogue(products),
        "key",
        faults,
        Arc::new(SystemClock),
        random,
    ));
    let server = Server {
        service: "products",
        listen: ANY_PORT,
        limits: HttpSettings {
            workers: 1,
            ..HttpSettings::default()
        },
        body_max_bytes: 1024,
        style: ErrorStyle::PROBLEM,
        ops: None,
        tracing: Tracing::new(0.0),
        requests: RequestLog::new(quiet(), 0),
        log: quiet(),
    };
    let life = Lifecycle::new(quiet(), Duration::from_secs(1));
    let address = server.start(&life, move |config| {
        config.app_data(shop.clone());
        products::routes(config);
    });
    let settings = HttpProductsSettings {
        url: format!("http://{}", address.unwrap()),
        api_key: "key".to_owned(),
        requests_per_second: 10,
        queue_max: 100,
        request_timeout: Duration::from_secs(5),
        retries_max: 0,
        retry_pause: Duration::from_millis(1),
        retry_pause_max: Duration::from_millis(1),
    };
    let client = HttpProducts::new(&settings, Arc::new(SystemClock), || None).unwrap();
    let kept = Duration::from_secs(60);
    CachedProducts::new(
        client,
        CacheSettings {
            entries_max: 100,
            ttl: kept,
            unknown_ttl: kept,
        },
    )
}

loms_contract!(loms_in_process, in_process);
loms_contract!(loms_over_grpc, over_grpc);
products_contract!(products_in_process, from_the_catalogue);
products_contract!(products_over_http, over_http);
