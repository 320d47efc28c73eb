//! A collector: takes spans by OTLP over gRPC and keeps them. It may be frozen: then it takes
//! connections and answers nothing.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use crate::harness::PATIENCE;
use crate::told::{Told, spans};

/// The server, until it is dropped.
pub(crate) struct Collector {
    kept: Arc<Mutex<Vec<Told>>>,
    frozen: watch::Sender<bool>,
    task: JoinHandle<()>,
    pub(crate) url: String,
}

struct Service {
    kept: Arc<Mutex<Vec<Told>>>,
    frozen: watch::Receiver<bool>,
}

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut frozen = self.frozen.clone();
        let thawed = frozen.wait_for(|frozen| !frozen).await;
        thawed.map_err(|_| Status::unavailable("the test is over"))?;
        self.kept.lock().unwrap().extend(spans(request.into_inner()));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    /// On any port.
    pub(crate) async fn start() -> Self {
        Self::at(0).await
    }

    /// On this port.
    pub(crate) async fn at(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (kept, frozen) = (Arc::<Mutex<Vec<Told>>>::default(), watch::Sender::new(false));
        let service = Service {
            kept: Arc::clone(&kept),
            frozen: frozen.subscribe(),
        };
        let server = Server::builder().add_service(TraceServiceServer::new(service));
        let task = tokio::spawn(async move {
            server
                .serve_with_incoming(TcpListenerStream::new(listener))
                .await
                .unwrap();
        });
        Self {
            kept,
            frozen,
            task,
            url,
        }
    }

    /// Has it answer nothing from now on, or again.
    pub(crate) fn freeze(&self, frozen: bool) {
        self.frozen.send_replace(frozen);
    }

    /// What it was told so far.
    pub(crate) fn told(&self) -> Vec<Told> {
        self.kept.lock().unwrap().clone()
    }

    /// The spans of one trace.
    pub(crate) fn of_trace(&self, trace: &str) -> Vec<Told> {
        let told = self.told();
        told.into_iter().filter(|span| span.trace == trace).collect()
    }

    /// Waits until something holds of what it was told.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&[Told]) -> bool) {
        let waited = tokio::time::timeout(PATIENCE, async {
            while !holds(&self.told()) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        if waited.await.is_err() {
            let told: Vec<_> = self.told().iter().map(|span| span.name.clone()).collect();
            panic!("never came: {what}; told: {told:?}");
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}
