//! Starts an HTTP server of a role in the running runtime, with its limits, and has the end of
//! the process stop it: it accepts no more, answers what it has taken, and is gone.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{App, HttpServer};
use slog::{Logger, info};

use super::faults;
use super::observe::{Observe, Shared};
use super::ops::Ops;
use super::problem::ErrorStyle;
use crate::config::HttpSettings;
use crate::lifecycle::{Lifecycle, Stage};
use crate::telemetry::{RequestLog, Tracing};

/// The most bytes of a body where a role does not say otherwise.
pub const BODY_MAX_BYTES: usize = 16 * 1024;

/// A server to be started.
#[derive(Debug, Clone)]
pub struct Server {
    /// The role it is of; a label of its metrics.
    pub service: &'static str,
    /// Where it listens; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Its limits.
    pub limits: HttpSettings,
    /// The most bytes of a request's body; more is 413.
    pub body_max_bytes: usize,
    /// How errors look that no handler makes.
    pub style: ErrorStyle,
    /// The endpoints of operations, unless they have an address of their own.
    pub ops: Option<Ops>,
    /// What makes its spans.
    pub tracing: Tracing,
    /// Where it tells of requests.
    pub requests: RequestLog,
    /// Where it tells of itself.
    pub log: Logger,
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
#[error("{service} cannot listen for HTTP on {listen}: {source}")]
pub struct ServeError {
    service: &'static str,
    listen: SocketAddr,
    source: io::Error,
}

impl Server {
    /// Starts it with the routes of `configure`, as a task of the stage [`Stage::Accept`]; the
    /// address it listens on.
    ///
    /// # Errors
    /// [`ServeError`] where the address cannot be taken.
    pub fn start(
        self,
        life: &Lifecycle,
        configure: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    ) -> Result<SocketAddr, ServeError> {
        let refused = |source| ServeError {
            service: self.service,
            listen: self.listen,
            source,
        };
        let (limits, style, body_max_bytes) = (self.limits.clone(), self.style, self.body_max_bytes);
        let workers = limits.workers_or_processors();
        let observe = Observe(Arc::new(Shared {
            service: self.service,
            tracing: self.tracing.clone(),
            log: self.requests.clone(),
            style,
            answer_timeout: limits.answer_timeout(),
        }));
        let ops = self.ops.clone();
        let factory = move || {
            App::new()
                .configure(|config| faults::configure(config, style, body_max_bytes))
                .configure(|config| ops.iter().for_each(|ops| ops.mount(config)))
                .configure(configure.clone())
                .app_data(Data::new(style))
                .default_service(web::to(faults::no_route))
                .wrap(observe.clone())
        };
        let server = HttpServer::new(factory)
            .workers(workers)
            .max_connections(limits.max_connections.div_ceil(workers))
            .keep_alive(limits.keep_alive())
            .client_request_timeout(limits.request_head_timeout())
            .client_disconnect_timeout(limits.disconnect_timeout())
            // Later than the grace period, whose end is for the lifecycle to tell: code 1, not 0.
            .shutdown_timeout(life.grace().as_secs() + 2)
            .disable_signals()
            .bind(self.listen)
            .map_err(refused)?;
        let address = server.addrs().first().copied().unwrap_or(self.listen);
        info!(self.log, "listening for HTTP"; "address" => %address);
        run(life, self.service, server.run());
        Ok(address)
    }
}

/// Runs the server until the end reaches its stage; one that ends before is a failure.
fn run(life: &Lifecycle, service: &'static str, server: actix_web::dev::Server) {
    let (handle, stop) = (server.handle(), life.token(Stage::Accept));
    let stopped = stop.clone();
    life.spawn(Stage::Accept, "http stop", async move {
        stopped.cancelled().await;
        handle.stop(true).await;
    });
    let failing = life.clone();
    life.spawn(Stage::Accept, "http server", async move {
        let ended = server.await;
        if let Err(error) = ended {
            failing.fail(&format!("the HTTP server of {service} ended: {error}"));
        } else if !stop.is_cancelled() {
            failing.fail(&format!("the HTTP server of {service} ended"));
        }
    });
}

#[cfg(test)]
mod tests;
