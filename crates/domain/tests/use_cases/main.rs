//! The use cases, a module each: what they do over the stores in memory, and what they answer
//! when a port fails, which mocks force. One target, so that it is linked once.

mod add_item;
mod cancel;
mod checkout;
mod clear;
mod create;
mod expire;
mod handle_event;
mod order_info;
mod pay;
mod remove_item;
mod stock_info;
mod support;
mod view;
