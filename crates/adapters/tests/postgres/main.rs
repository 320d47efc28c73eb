//! The ledger in Postgres, on a real primary with a synchronous standby.

mod constraints;
mod contract;
mod instances;
mod migrations;
mod outcomes;
mod proxy;
mod queries;
mod reading;
mod support;
mod unit;
