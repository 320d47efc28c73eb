//! The HTTP interface of the products stand-in: two routes over the catalogue, and one to make it
//! misbehave. Source: the contract, "Products". The key is looked at before anything else, which is
//! why these handlers read path and query themselves.

pub mod misbehave;

use std::fmt;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use adapters::products::catalogue::Catalogue;
use domain::cart::ports::Product;
use domain::clock::Clock;
use domain::types::Sku;
use rand::rngs::SmallRng;
use serde::{Deserialize, Serialize};

use self::misbehave::Misbehaviour;
use super::problem::Problem;
use super::resource;
use crate::config::MisbehaveSettings;

/// The header that carries the key.
const API_KEY: &str = "X-API-KEY";
/// The most products of a page.
const COUNT_MAX: usize = 1000;

/// What the routes need.
pub struct ProductsShop {
    catalogue: Catalogue,
    api_key: String,
    misbehaviour: Misbehaviour,
}

impl fmt::Debug for ProductsShop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProductsShop")
            .field("products", &self.catalogue.len())
            .finish_non_exhaustive()
    }
}

impl ProductsShop {
    /// The stand-in over a catalogue, with the key that callers must send. `random` decides which
    /// requests meet a fault.
    pub fn new(
        catalogue: Catalogue,
        api_key: impl Into<String>,
        faults: MisbehaveSettings,
        clock: Arc<dyn Clock>,
        random: SmallRng,
    ) -> Self {
        Self {
            catalogue,
            api_key: api_key.into(),
            misbehaviour: Misbehaviour::new(faults, clock, random),
        }
    }

    fn check_key(&self, request: &HttpRequest) -> Result<(), Problem> {
        let sent = request.headers().get(API_KEY);
        if sent.is_some_and(|sent| sent.as_bytes() == self.api_key.as_bytes()) {
            return Ok(());
        }
        Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            format!("the header {API_KEY} is missing or wrong"),
        ))
    }
}

/// A product on the wire.
#[derive(Serialize)]
struct ProductBody<'a> {
    name: &'a str,
    price: u32,
    sku: i64,
}

impl<'a> From<&'a Product> for ProductBody<'a> {
    fn from(product: &'a Product) -> Self {
        Self {
            name: &product.name,
            price: product.price.0,
            sku: product.sku.get(),
        }
    }
}

/// Which page; left out, the first ten.
#[derive(Deserialize)]
struct PageQuery {
    #[serde(default = "first_ten")]
    count: i64,
    #[serde(default)]
    start_after_sku: i64,
}

const fn first_ten() -> i64 {
    10
}

/// Mounts the routes; they need [`ProductsShop`] as `web::Data`.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/product/{sku}").route(web::get().to(one)))
        .service(resource("/product").route(web::get().to(list)))
        .service(
            resource("/misbehave")
                .route(web::get().to(faults))
                .route(web::put().to(set_faults)),
        );
}

async fn one(shop: web::Data<ProductsShop>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    shop.check_key(&request)?;
    if let Some(fault) = shop.misbehaviour.meet().await {
        return Ok(fault);
    }
    let sku = sku_of(request.match_info().query("sku"))?;
    let product = shop
        .catalogue
        .get(sku)
        .ok_or_else(|| Problem::not_found(format!("sku {sku} is unknown")))?;
    Ok(HttpResponse::Ok().json(ProductBody::from(product)))
}

async fn list(shop: web::Data<ProductsShop>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    shop.check_key(&request)?;
    if let Some(fault) = shop.misbehaviour.meet().await {
        return Ok(fault);
    }
    let (start_after, count) = page_of(request.query_string())?;
    let products = shop.catalogue.list(start_after, count);
    Ok(HttpResponse::Ok().json(products.iter().map(ProductBody::from).collect::<Vec<_>>()))
}

async fn faults(shop: web::Data<ProductsShop>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    shop.check_key(&request)?;
    Ok(HttpResponse::Ok().json(shop.misbehaviour.settings()))
}

async fn set_faults(
    shop: web::Data<ProductsShop>,
    request: HttpRequest,
    body: web::Bytes,
) -> Result<HttpResponse, Problem> {
    shop.check_key(&request)?;
    let settings = misbehave::parse(&body).map_err(Problem::invalid)?;
    shop.misbehaviour.set(settings.clone());
    Ok(HttpResponse::Ok().json(settings))
}

fn sku_of(text: &str) -> Result<Sku, Problem> {
    let number: i64 = text
        .parse()
        .map_err(|_| Problem::invalid("sku must be a positive 64-bit integer"))?;
    Sku::try_from(number).map_err(|error| Problem::invalid(error.to_string()))
}

/// After which sku, and how many.
fn page_of(query: &str) -> Result<(i64, usize), Problem> {
    let page = web::Query::<PageQuery>::from_query(query);
    let page = page
        .map_err(|error| Problem::invalid(format!("invalid query: {error}")))?
        .into_inner();
    let count = usize::try_from(page.count)
        .ok()
        .filter(|count| (1..=COUNT_MAX).contains(count));
    let count = count.ok_or_else(|| Problem::invalid(format!("count must be from 1 to {COUNT_MAX}")))?;
    if page.start_after_sku < 0 {
        return Err(Problem::invalid("start_after_sku must not be negative"));
    }
    Ok((page.start_after_sku, count))
}

#[cfg(test)]
mod tests;
