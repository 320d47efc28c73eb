//! The shop without its machinery: values that carry their proof, rules as pure functions,
//! ports that say what an implementation must do, and one use case a file.
//!
//! Nothing here knows a runtime, a wire format or a store. A request goes
//! use case → port → adapter; `ARCHITECTURE.md` draws the picture.

pub mod audit;
pub mod cart;
pub mod clock;
pub mod error;
pub mod notify;
pub mod order;
pub mod stock;
pub mod task_group;
#[cfg(feature = "testing")]
pub mod testing;
pub mod trace;
pub mod turn;
pub mod types;
