//! The publisher over real brokers: what stands in the topic afterwards, and what happens when the
//! broker refuses, is frozen, is killed, or was never there.

mod support;

mod broken;
mod consume;
mod contract;
mod letters;
mod refused;
mod secure;
mod topics;
