//! The shop in memory: carts, the ledger of orders and stock with its outbox, and the stream
//! of events between LOMS and the notifier. Everything is bounded.

#[cfg(feature = "cart")]
pub mod carts;
#[cfg(feature = "loms")]
pub mod ledger;
#[cfg(feature = "loms")]
mod orders;
#[cfg(feature = "loms")]
pub mod stock_file;
#[cfg(feature = "events")]
pub mod stream;

#[cfg(feature = "model-check")]
#[path = "memory/sync_model.rs"]
pub mod sync;
#[cfg(not(feature = "model-check"))]
pub mod sync;
