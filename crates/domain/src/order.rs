//! Orders: the state machine, the ledger port, and the pure rules that decide whole batches.

pub mod batch;
pub mod cancel;
pub mod create;
pub mod event;
pub mod expire;
pub mod info;
pub mod loaded;
pub mod model;
pub mod pay;
pub mod place;
pub mod ports;
pub mod settle;
pub mod status;
