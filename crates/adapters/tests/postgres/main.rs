//! The ledger in Postgres, on a real primary with a synchronous standby.

mod contract;
mod stock;
mod tls;
