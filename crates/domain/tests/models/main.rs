//! Random histories of the shop in memory beside naive models of it: plain maps, one command
//! at a time, written from the contract and not from the code.

mod carts;
mod checkouts;
mod ledger;
mod naive_carts;
mod naive_ledger;

use proptest::test_runner::Config;

/// So many random histories a property, from a fresh seed each run; a failing one is printed.
fn cases() -> Config {
    Config {
        cases: 512,
        failure_persistence: None,
        ..Config::default()
    }
}
