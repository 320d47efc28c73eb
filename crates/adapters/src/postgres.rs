//! The ledger in Postgres: a primary that takes writes, and standbys that answer reads while the
//! primary waits for them.
//!
//! - [`settings`]: where the servers are ([`url`]), and the bounds of everything; [`tls`] encrypts;
//! - [`connect`]: finds the primary, refuses a deposed one; [`pool`] keeps connections to it;
//! - [`ledger`]: the unit of work, two round trips a batch; [`ids`] numbers orders;
//! - [`cluster`]: looks at all servers in turn; [`reads`] asks those that are in step;
//! - [`turn`]: work that one instance at a time does; [`outbox`]: what the relay reads;
//! - [`retention`]: what may be forgotten; [`audit`]: what must hold;
//! - [`stock`]: what operators do with stock; [`status`], [`standbys`]: with the servers;
//! - [`migrate`]: the schema; `measured` counts and times what is sent.

pub mod audit;
pub mod cluster;
pub mod connect;
pub mod errors;
pub mod ids;
pub mod ledger;
mod measured;
pub mod migrate;
pub mod outbox;
pub mod pool;
pub mod reads;
pub mod retention;
mod rows;
pub mod settings;
mod spans;
pub mod standbys;
pub mod status;
pub mod stock;
#[cfg(feature = "testing")]
pub mod testing;
pub mod tls;
pub mod turn;
mod unit;
pub mod url;
mod waits;
