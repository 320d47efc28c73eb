//! The gRPC server: the service with health and reflection, its limits, and its orderly end.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use adapters::grpc::FILE_DESCRIPTOR_SET;
use adapters::grpc::proto::loms_server::LomsServer;
use domain::order::ports::{OrderBook, OrderQueries};
use domain::stock::ports::StockQueries;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic_health::ServingStatus;

use super::incoming::bounded;
use super::observe::Observe;
use super::service::LomsService;
use crate::telemetry::{RequestLog, Tracing};

/// The largest request, in bytes. Source: the contract.
pub const REQUEST_MAX_BYTES: usize = 256 * 1024;

/// Time for answers to leave after the last call is answered. Streams of health and reflection
/// that a client holds open would otherwise hold up the end of the process.
const STREAMS_GRACE: Duration = Duration::from_millis(500);

/// The limits of the server.
#[derive(Debug, Clone, Copy)]
pub struct GrpcLimits {
    /// Open connections; more wait to be accepted.
    pub connections_max: usize,
    /// Calls in flight on a connection.
    pub streams_max: u32,
    /// Time for a call, whatever deadline its caller has.
    pub call_timeout: Duration,
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum GrpcError {
    /// The address cannot be had.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// It ended before it was stopped.
    #[error("the gRPC server ended by itself")]
    Ended(#[source] Option<tonic::transport::Error>),
    /// The descriptors are broken: our bug.
    #[error("reflection cannot be served")]
    Reflection(#[source] tonic_reflection::server::Error),
}

/// A server that listens, and serves when it is run.
#[derive(Debug)]
pub struct GrpcServer<B, Q> {
    listener: TcpListener,
    service: LomsService<B, Q>,
    limits: GrpcLimits,
    observe: Observe,
}

impl<B: OrderBook + Clone, Q: OrderQueries + StockQueries + Clone> GrpcServer<B, Q> {
    /// Listens.
    ///
    /// # Errors
    /// [`GrpcError::Bind`].
    pub async fn bind(
        address: SocketAddr,
        service: LomsService<B, Q>,
        limits: GrpcLimits,
        tracing: Tracing,
        requests: RequestLog,
    ) -> Result<Self, GrpcError> {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| GrpcError::Bind { address, source })?;
        Ok(Self {
            listener,
            service,
            limits,
            observe: Observe::new(tracing, requests, limits.call_timeout),
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// What the system says.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until it is stopped, and then until all calls in flight are answered. A stream that a
    /// client holds open is not waited for.
    ///
    /// # Errors
    /// [`GrpcError::Reflection`] before anything is served, [`GrpcError::Ended`] where it stops serving
    /// without being told to.
    pub async fn run(self, stop: CancellationToken) -> Result<(), GrpcError> {
        let (health_reporter, health) = tonic_health::server::health_reporter();
        health_reporter.set_serving::<LomsServer<LomsService<B, Q>>>().await;
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .build_v1()
            .map_err(GrpcError::Reflection)?;
        let loms = LomsServer::new(self.service).max_decoding_message_size(REQUEST_MAX_BYTES);
        let (stopping, calls) = (stop.clone(), self.observe.calls());
        let served = Server::builder()
            .layer(self.observe)
            .max_concurrent_streams(self.limits.streams_max)
            .http2_keepalive_interval(Some(Duration::from_secs(30)))
            .http2_keepalive_timeout(Some(Duration::from_secs(10)))
            .add_service(loms)
            .add_service(health)
            .add_service(reflection)
            .serve_with_incoming_shutdown(bounded(self.listener, self.limits.connections_max), async move {
                stopping.cancelled().await;
                health_reporter.set_not_serving::<LomsServer<LomsService<B, Q>>>().await;
                health_reporter.set_service_status("", ServingStatus::NotServing).await;
            });
        let answered = async {
            stop.cancelled().await;
            calls.close();
            calls.wait().await;
            tokio::time::sleep(STREAMS_GRACE).await;
        };
        tokio::select! {
            // Errors of single connections do not end it.
            ended = served => if stop.is_cancelled() { Ok(()) } else { Err(GrpcError::Ended(ended.err())) },
            () = answered => Ok(()),
        }
    }
}
