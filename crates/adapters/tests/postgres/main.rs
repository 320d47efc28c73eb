//! The ledger in Postgres, on a real primary with a synchronous standby.

mod audit;
mod constraints;
mod contract;
mod instances;
mod migrations;
mod outcomes;
mod plans;
mod proxy;
mod queries;
mod reading;
mod retention;
mod servers;
mod sessions;
mod stock;
mod support;
mod tls;
mod turns;
mod unit;
