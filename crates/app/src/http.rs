//! HTTP as every role serves it: one server with its limits, one middleware that traces, counts
//! and logs, one form of error, and the endpoints of operations.
//!
//! Routes are [`resource`]s with the methods they know: actix then answers 405 with `Allow` for the
//! others, and the middleware gives the answer its body.

#[cfg(feature = "cart")]
pub mod cart;
pub mod debug;
mod faults;
#[cfg(feature = "loms")]
pub mod gateway;
mod measured;
mod observe;
pub mod ops;
pub mod problem;
#[cfg(feature = "products")]
pub mod products;
pub mod server;
pub mod swagger;

pub use ops::{Health, Ops};
pub use problem::{ErrorStyle, Problem};
pub use server::{ServeError, Server};

/// A resource whose name is its template: so metrics find the template of a request without making a string.
fn resource(template: &str) -> actix_web::Resource {
    actix_web::web::resource(template).name(template)
}
