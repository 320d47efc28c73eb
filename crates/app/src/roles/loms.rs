//! LOMS: the ledger in memory, the order book and the relay over it, gRPC and its gateway.

use std::sync::Arc;

use adapters::memory::ledger::MemoryLedger;

use crate::engine::batcher::Batcher;
use crate::grpc::service::LomsService;

/// The service as it is wired here.
pub type Service = LomsService<Batcher, Arc<MemoryLedger>>;
