//! What tests of ports and use cases share: builders, contract suites that every
//! implementation of a port must pass, and decorators that fail on demand.

pub mod build;
pub mod carts_contract;
pub mod direct_book;
pub mod faults;
pub mod ledger_contract;
pub mod loms_contract;
pub mod products_contract;
