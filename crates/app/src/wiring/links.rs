//! How a cart reaches products and LOMS: in the same process or over the wire. The use cases
//! cannot tell.

use adapters::grpc::client::GrpcLoms;
#[cfg(feature = "loms")]
use adapters::in_process::InProcessLoms;
use adapters::products::cache::CachedProducts;
#[cfg(feature = "products")]
use adapters::products::catalogue::Catalogue;
use adapters::products::client::HttpProducts;
use domain::cart::ports::{Loms, LomsError, Product, Products, ProductsError};
use domain::order::model::Lines;
use domain::types::{IdempotencyKey, OrderId, Sku, UserId};

#[cfg(feature = "loms")]
use super::loms::LomsReads;
#[cfg(feature = "loms")]
use crate::engine::batcher::Batcher;

/// The way to products.
#[derive(Debug)]
pub enum ProductsLink {
    /// In this process.
    #[cfg(feature = "products")]
    InProcess(Catalogue),
    /// Over HTTP.
    Http(CachedProducts<HttpProducts>),
}

impl Products for ProductsLink {
    async fn product(&self, sku: Sku) -> Result<Option<Product>, ProductsError> {
        match self {
            #[cfg(feature = "products")]
            Self::InProcess(catalogue) => catalogue.product(sku).await,
            Self::Http(client) => client.product(sku).await,
        }
    }
}

/// The way to LOMS.
#[derive(Debug)]
pub enum LomsLink {
    /// In this process.
    #[cfg(feature = "loms")]
    InProcess(InProcessLoms<Batcher, LomsReads>),
    /// Over gRPC.
    Grpc(GrpcLoms),
}

impl Loms for LomsLink {
    async fn free_stock(&self, sku: Sku) -> Result<Option<u32>, LomsError> {
        match self {
            #[cfg(feature = "loms")]
            Self::InProcess(loms) => loms.free_stock(sku).await,
            Self::Grpc(loms) => loms.free_stock(sku).await,
        }
    }

    async fn create(&self, user: UserId, lines: Lines, key: IdempotencyKey) -> Result<OrderId, LomsError> {
        match self {
            #[cfg(feature = "loms")]
            Self::InProcess(loms) => loms.create(user, lines, key).await,
            Self::Grpc(loms) => loms.create(user, lines, key).await,
        }
    }
}
