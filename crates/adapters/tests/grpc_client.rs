//! The client of LOMS against a server that answers as it is told, and against sockets that do
//! worse: what it claims to be certain must be certain.
#![cfg(all(feature = "cart", feature = "loms"))]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use adapters::grpc::client::GrpcLoms;
use adapters::grpc::proto::loms_server::{Loms as Service, LomsServer};
use adapters::grpc::proto::{
    OrderCancelRequest, OrderCancelResponse, OrderCreateRequest, OrderCreateResponse, OrderInfoRequest,
    OrderInfoResponse, OrderPayRequest, OrderPayResponse, StocksInfoRequest, StocksInfoResponse,
};
use domain::cart::ports::{Loms, LomsError};
use domain::testing::build::{key, lines, order_id, sku, user};
use domain::trace::TraceContext;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Response, Status};

const TIMEOUT: Duration = Duration::from_millis(500);

/// Answers every call with one code, or well, or never.
#[derive(Clone, Default)]
struct Told {
    code: Option<Code>,
    never: bool,
    seen: Arc<Mutex<Option<(MetadataMap, OrderCreateRequest)>>>,
}

impl Told {
    async fn answer<T>(&self, good: T) -> Result<Response<T>, Status> {
        if self.never {
            std::future::pending::<()>().await;
        }
        match self.code {
            Some(code) => Err(Status::new(code, "as told")),
            None => Ok(Response::new(good)),
        }
    }
}

#[tonic::async_trait]
impl Service for Told {
    async fn order_create(
        &self,
        request: Request<OrderCreateRequest>,
    ) -> Result<Response<OrderCreateResponse>, Status> {
        let (metadata, _, message) = request.into_parts();
        *self.seen.lock() = Some((metadata, message));
        self.answer(OrderCreateResponse { order_id: 42 }).await
    }
    async fn order_info(&self, _: Request<OrderInfoRequest>) -> Result<Response<OrderInfoResponse>, Status> {
        Err(Status::unimplemented("not called"))
    }
    async fn order_pay(&self, _: Request<OrderPayRequest>) -> Result<Response<OrderPayResponse>, Status> {
        Err(Status::unimplemented("not called"))
    }
    async fn order_cancel(&self, _: Request<OrderCancelRequest>) -> Result<Response<OrderCancelResponse>, Status> {
        Err(Status::unimplemented("not called"))
    }
    async fn stocks_info(&self, _: Request<StocksInfoRequest>) -> Result<Response<StocksInfoResponse>, Status> {
        self.answer(StocksInfoResponse { count: 7 }).await
    }
}

fn trace() -> Option<TraceContext> {
    TraceContext::new(1, 2, 1)
}

fn client(address: SocketAddr) -> GrpcLoms {
    GrpcLoms::new(&format!("http://{address}"), TIMEOUT, trace).unwrap()
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn serve(told: Told) -> GrpcLoms {
    let (listener, address) = listener().await;
    let connections = futures::stream::unfold(listener, |listener| async {
        let accepted = listener.accept().await.map(|(stream, _)| stream);
        Some((accepted, listener))
    });
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(LomsServer::new(told))
            .serve_with_incoming(connections),
    );
    client(address)
}

async fn create(client: &GrpcLoms) -> Result<i64, LomsError> {
    let made = client.create(user(3), lines(&[(2, 1), (1, 5)]), key("my-key")).await;
    made.map(domain::types::OrderId::get)
}

#[tokio::test]
async fn passes_on_lines_key_trace_and_deadline() {
    let told = Told::default();
    let client = serve(told.clone()).await;
    assert_eq!(create(&client).await.unwrap(), order_id(42).get());
    assert_eq!(client.free_stock(sku(1)).await.unwrap(), Some(7));
    let (metadata, message) = told.seen.lock().take().unwrap();
    assert_eq!(
        message
            .items
            .iter()
            .map(|item| (item.sku, item.count))
            .collect::<Vec<_>>(),
        [(1, 5), (2, 1)]
    );
    assert_eq!(metadata.get("idempotency-key").unwrap(), "my-key");
    assert_eq!(
        metadata.get("traceparent").unwrap(),
        trace().unwrap().to_string().as_str()
    );
    assert!(metadata.contains_key("grpc-timeout"));
}

#[tokio::test]
async fn every_code_of_a_creation_means_what_it_proves() {
    for number in 1..=16 {
        let code = Code::from_i32(number);
        let error = create(
            &serve(Told {
                code: Some(code),
                ..Told::default()
            })
            .await,
        )
        .await
        .unwrap_err();
        let right = match code {
            Code::FailedPrecondition => matches!(&error, LomsError::Refused(message) if message == "as told"),
            Code::Unavailable => matches!(error, LomsError::Unavailable(_)),
            Code::InvalidArgument
            | Code::AlreadyExists
            | Code::ResourceExhausted
            | Code::Unimplemented
            | Code::PermissionDenied
            | Code::Unauthenticated => matches!(error, LomsError::Rejected(_)),
            _ => matches!(error, LomsError::Unknown(_)),
        };
        assert!(right, "{code:?}: {error:?}");
    }
}

#[tokio::test]
async fn stock_is_unknown_or_unavailable() {
    let missing = serve(Told {
        code: Some(Code::NotFound),
        ..Told::default()
    })
    .await;
    assert_eq!(missing.free_stock(sku(1)).await.unwrap(), None);
    let down = serve(Told {
        code: Some(Code::Internal),
        ..Told::default()
    })
    .await;
    assert!(matches!(down.free_stock(sku(1)).await, Err(LomsError::Unavailable(_))));
}

#[tokio::test]
async fn an_answer_that_never_comes_is_unknown_in_time() {
    let client = serve(Told {
        never: true,
        ..Told::default()
    })
    .await;
    let bound = tokio::time::timeout(TIMEOUT * 4, create(&client))
        .await
        .expect("bounded");
    assert!(matches!(bound, Err(LomsError::Unknown(_))), "{bound:?}");
}

#[tokio::test]
async fn a_connection_that_was_never_made_proves_that_nothing_was_done() {
    let (listener, address) = listener().await;
    drop(listener);
    let error = create(&client(address)).await.unwrap_err();
    assert!(matches!(error, LomsError::Unavailable(_)), "{error:?}");
}

#[tokio::test]
async fn a_connection_that_breaks_leaves_the_outcome_unknown() {
    use tokio::io::AsyncReadExt;
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = [0; 1024];
            let _ = stream.read(&mut bytes).await; // and hang up
        }
    });
    let error = create(&client(address)).await.unwrap_err();
    assert!(matches!(error, LomsError::Unknown(_)), "{error:?}");
}
