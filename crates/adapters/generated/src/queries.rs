// This file was generated with `cornucopia`. Do not modify.

pub mod audit;
pub mod keys;
pub mod nodes;
pub mod operate;
pub mod outbox;
pub mod reads;
pub mod stock;
pub mod turns;
pub mod unit;
