//! Races whose winners are counted.

mod carts;
mod checkouts;
mod orders;
mod settle;
