//! Stock: how many units of a sku there are, and how many of them are promised to orders.

pub mod adjust;
pub mod import;
pub mod info;
pub mod model;
pub mod ports;
