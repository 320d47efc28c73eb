//! The client of LOMS against answers that LOMS itself never gave: of something between, of the
//! transport, or garbage. None of them proves that no order was made.
#![cfg(all(feature = "cart", feature = "loms"))]

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};
use std::time::Duration;

use adapters::grpc::client::GrpcLoms;
use domain::cart::ports::{Loms, LomsError};
use domain::testing::build::{key, lines, user};
use http::{Request, Response};
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::server::NamedService;

const TIMEOUT: Duration = Duration::from_millis(800);

/// Answers every call with one HTTP answer.
#[derive(Clone)]
struct Raw(fn() -> Response<Body>);

impl NamedService for Raw {
    const NAME: &'static str = "loms.v1.Loms";
}

impl Service<Request<Body>> for Raw {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        ready(Ok((self.0)()))
    }
}

async fn create(answer: fn() -> Response<Body>) -> LomsError {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let connections = futures::stream::unfold(listener, |listener| async {
        let accepted = listener.accept().await.map(|(stream, _)| stream);
        Some((accepted, listener))
    });
    let server = tonic::transport::Server::builder()
        .add_service(Raw(answer))
        .serve_with_incoming(connections);
    tokio::spawn(server);
    let client = GrpcLoms::new(&url, TIMEOUT, || None).unwrap();
    let made = tokio::time::timeout(TIMEOUT * 4, client.create(user(1), lines(&[(1, 1)]), key("k"))).await;
    made.expect("bounded").unwrap_err()
}

fn http(status: u16) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
    response
}

/// An OK answer with this body.
fn grpc(body: &str) -> Response<Body> {
    let mut response = Response::new(Body::new(body.to_owned()));
    let headers = response.headers_mut();
    headers.insert("content-type", http::HeaderValue::from_static("application/grpc"));
    response
}

#[tokio::test]
async fn what_a_proxy_says_proves_nothing() {
    let answers: [fn() -> Response<Body>; 7] = [
        || http(502),
        || http(503),
        || http(504),
        || http(429),
        || http(404),
        || http(403),
        || http(400),
    ];
    for answer in answers {
        let error = create(answer).await;
        assert!(
            matches!(error, LomsError::Unknown(_)),
            "{}: {error:?}",
            answer().status()
        );
    }
}

#[tokio::test]
async fn an_answer_that_is_no_message_leaves_the_outcome_unknown() {
    // Field 1 of wire type 7, which does not exist; half a frame; nothing at all.
    let answers: [fn() -> Response<Body>; 3] = [|| grpc("\0\0\0\0\u{2}\u{f}\u{f}"), || grpc("\0\0\0"), || grpc("")];
    for answer in answers {
        let error = create(answer).await;
        assert!(matches!(error, LomsError::Unknown(_)), "{error:?}");
    }
}
