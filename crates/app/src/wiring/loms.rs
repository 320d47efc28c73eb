//! LOMS as it is wired in this process.

use std::sync::Arc;

use adapters::memory::ledger::MemoryLedger;

use crate::engine::batcher::Batcher;
use crate::grpc::service::LomsService;

/// The service that gRPC and the gateway call.
pub type Service = LomsService<Batcher, Arc<MemoryLedger>>;
