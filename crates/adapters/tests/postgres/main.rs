//! The ledger in Postgres, on a real primary with a synchronous standby.

mod audit;
mod contract;
mod stock;
mod tls;
