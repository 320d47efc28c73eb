//! Shopping carts: what is in them, and the way from a cart to an order.

pub mod add_item;
pub mod checkout;
pub mod clear;
pub mod model;
pub mod ports;
pub mod remove_item;
pub mod view;
