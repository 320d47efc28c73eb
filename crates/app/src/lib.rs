//! The order system of a web shop: what drives the use cases, and the wiring of its roles.
//!
//! `main.rs` is only the process; everything it does is here, so that tests and benchmarks
//! reach it too.
#![recursion_limit = "256"] // the futures of the webhook's HTTP client lie deep

pub mod cli;
pub mod clock;
#[cfg(any(feature = "loms", feature = "notifier"))]
pub mod commands;
pub mod config;
pub mod engine;
#[cfg(feature = "loms")]
pub mod grpc;
pub mod healthcheck;
pub mod http;
pub mod lifecycle;
pub mod profiling;
pub mod random;
pub mod roles;
#[cfg(any(feature = "cart", feature = "loms"))]
pub mod status;
pub mod telemetry;
#[cfg(any(feature = "cart", feature = "loms", feature = "notifier"))]
pub mod wiring;
