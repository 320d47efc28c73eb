//! Neighbours that misbehave, connections that break, queues that are full, an end under load:
//! the caller gets the answer of the contract, and nothing is lost or done twice.

mod cut;
mod fake_products;
mod full;
mod outcomes;
mod products;
mod proxy;
mod shutdown;
