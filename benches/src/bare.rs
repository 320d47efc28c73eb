//! The least that can answer: a bare actix-web handler with the bytes of a cart add, and a bare tonic
//! service with the messages of LOMS. What the shop costs above them is its own doing.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};

use actix_web::{App, HttpResponse, HttpServer, web};
use adapters::grpc::proto;
use proto::loms_server::{Loms, LomsServer};
use tonic::{Request, Response, Status};

use crate::error::LoadError;

/// Answers every cart add with 201 and `{}`. The body is read, as any server must, but not looked at.
pub(crate) async fn http(address: SocketAddr) -> Result<(), LoadError> {
    let server = HttpServer::new(|| App::new().route("/user/{user_id}/cart/{sku}", web::post().to(add)));
    let listening = server.bind(address).map_err(|error| not_listening(address, &error))?;
    listening.run().await.map_err(LoadError::Output)
}

async fn add(_body: web::Bytes) -> HttpResponse {
    HttpResponse::Created().content_type("application/json").body("{}")
}

/// Answers every call of LOMS with next to nothing; order ids count up.
pub(crate) async fn grpc(address: SocketAddr) -> Result<(), LoadError> {
    tonic::transport::Server::builder()
        .tcp_nodelay(true)
        .add_service(LomsServer::new(Bare::default()))
        .serve_with_shutdown(address, crate::runner::interrupted())
        .await
        .map_err(|error| not_listening(address, &error))
}

fn not_listening(address: SocketAddr, error: &dyn std::fmt::Display) -> LoadError {
    LoadError::Listen {
        address: address.to_string(),
        reason: error.to_string(),
    }
}

#[derive(Debug, Default)]
struct Bare {
    orders: AtomicI64,
}

#[tonic::async_trait]
impl Loms for Bare {
    async fn order_create(
        &self,
        _request: Request<proto::OrderCreateRequest>,
    ) -> Result<Response<proto::OrderCreateResponse>, Status> {
        let order_id = self.orders.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(Response::new(proto::OrderCreateResponse { order_id }))
    }

    async fn order_info(
        &self,
        _request: Request<proto::OrderInfoRequest>,
    ) -> Result<Response<proto::OrderInfoResponse>, Status> {
        Ok(Response::new(proto::OrderInfoResponse::default()))
    }

    async fn order_pay(
        &self,
        _request: Request<proto::OrderPayRequest>,
    ) -> Result<Response<proto::OrderPayResponse>, Status> {
        Ok(Response::new(proto::OrderPayResponse::default()))
    }

    async fn order_cancel(
        &self,
        _request: Request<proto::OrderCancelRequest>,
    ) -> Result<Response<proto::OrderCancelResponse>, Status> {
        Ok(Response::new(proto::OrderCancelResponse::default()))
    }

    async fn stocks_info(
        &self,
        _request: Request<proto::StocksInfoRequest>,
    ) -> Result<Response<proto::StocksInfoResponse>, Status> {
        Ok(Response::new(proto::StocksInfoResponse { count: 1 }))
    }
}
