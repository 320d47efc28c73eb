//! A LOMS with few skus, on free ports, and its log.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use adapters::grpc::proto::loms_client::LomsClient;
use adapters::grpc::proto::{Item, OrderCreateRequest};
use adapters::memory::ledger::{LedgerLimits, MemoryLedger, StockRecord};
use app::clock::SystemClock;
use app::config::{LogSettings, Settings};
use app::engine::batcher::{BatchLimits, order_book};
use app::grpc::server::{GrpcLimits, GrpcServer, REQUEST_MAX_BYTES};
use app::grpc::service::LomsService;
use app::http::{Server, gateway};
use app::lifecycle::{Lifecycle, Stage};
use app::telemetry::{RequestLog, Tracing};
use domain::clock::Clock;
use domain::order::ports::{OrderBook, OrderQueries};
use domain::stock::model::Stock;
use domain::stock::ports::StockQueries;
use domain::testing::build::sku;
use parking_lot::Mutex;
use slog::{Drain, Logger, o};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
