//! The publisher over real brokers: what stands in the topic afterwards, and what happens when the
//! broker refuses, is frozen, is killed, or was never there.

mod support;

mod broken;
mod contract;
mod refused;
mod secure;
mod topics;
