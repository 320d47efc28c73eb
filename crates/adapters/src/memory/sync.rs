//! The locks and counters of the memory stores. The model checker builds them on its own instead
//! (`sync_model.rs`), so that it owns every interleaving.

pub use std::sync::atomic::{AtomicUsize, Ordering};

pub use parking_lot::{Mutex, MutexGuard, RwLock};
