//! Kafka, from the side that writes and from the one that reads.
//!
//! - [`settings`]: where the brokers are, how to speak to them, and the bounds of every wait;
//! - [`record`]: what is appended to a topic, and its size on the wire;
//! - [`client`]: connections that are made when needed and dropped after any failure;
//! - [`producer`]: the publisher of order events, in order per order;
//! - `consumer`: a member of the consumer group of the notifier;
//! - [`dead_letters`]: what a topic could not take, with the reason;
//! - `undelivered`: what the notifier could not handle; `letters`: looking at it; `replay`: sending it back;
//! - `topics`: the topics themselves, where the notifier's client is built in (`librdkafka`).
//!
//! Which partition an order has is in [`crate::events`], because the stream in memory has
//! partitions too.

pub mod client;
#[cfg(feature = "notifier")]
pub mod consumer;
pub mod dead_letters;
pub mod errors;
#[cfg(feature = "notifier")]
pub mod letters;
#[cfg(any(feature = "notifier", feature = "testing"))]
pub mod librdkafka;
mod measured;
pub mod producer;
pub mod record;
#[cfg(feature = "notifier")]
pub mod replay;
pub mod settings;
mod spans;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "notifier")]
pub mod topics;
#[cfg(feature = "notifier")]
pub mod undelivered;
