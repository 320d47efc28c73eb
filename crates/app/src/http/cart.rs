//! The HTTP interface of the cart: routes, DTOs, and nothing that decides. Source: the
//! contract, "Cart".

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::{HttpRequest, HttpResponse, web};
use domain::cart::add_item::AddItem;
use domain::cart::clear::Clear;
use domain::cart::model::Added;
use domain::cart::remove_item::RemoveItem;
use domain::cart::view::{CartView, View};
use domain::error::Kind;
use domain::types::{IdempotencyKey, OutOfRange, Quantity, Sku, UserId};
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use super::problem::Problem;
use super::resource;
use crate::status::row;
use crate::wiring::cart::CartShop;

/// How many units to add.
#[derive(Debug, Deserialize, ToSchema)]
pub struct AddItemBody {
    /// Units, at least one.
    #[schema(minimum = 1, maximum = 4_294_967_295_u32, format = "uint32", example = 2)]
    count: u32,
}

/// Nothing more to say.
#[derive(Debug, Serialize, ToSchema)]
pub struct Empty {}

/// A line of a cart.
#[derive(Debug, Serialize, ToSchema)]
pub struct CartItem {
    /// The product.
    sku: i64,
    /// Its name.
    name: String,
    /// Its units in the cart.
    #[schema(minimum = 1, maximum = 4_294_967_295_u32, format = "uint32")]
    count: u32,
    /// Its price a unit.
    #[schema(minimum = 0, maximum = 4_294_967_295_u32, format = "uint32")]
    price: u32,
}

/// A cart.
#[derive(Debug, Serialize, ToSchema)]
pub struct CartBody {
    /// Its lines, by ascending sku.
    items: Vec<CartItem>,
    /// The sum of price × count.
    #[schema(minimum = 0, format = "uint64")]
    total_price: u64,
}

/// A placed order.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckoutBody {
    /// Its number.
    #[schema(minimum = 1, example = 1)]
    order_id: i64,
}

/// The OpenAPI document of the cart.
#[derive(Debug, OpenApi)]
#[openapi(
    info(title = "Cart", description = "Shopping carts and checkout.", license(name = "MIT")),
    servers((url = "/", description = "this server")),
    paths(add_item, remove_item, clear, view, checkout),
    components(schemas(Problem))
)]
pub struct CartApi;

/// The OpenAPI document of the cart as JSON.
#[must_use]
pub fn openapi() -> String {
    CartApi::openapi()
        .to_json()
        .expect("a document of plain data always serializes")
}

/// Mounts the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            resource("/user/{user_id}/cart/{sku}")
                .route(web::post().to(add_item))
                .route(web::delete().to(remove_item)),
        )
        .service(
            resource("/user/{user_id}/cart")
                .route(web::get().to(view))
                .route(web::delete().to(clear)),
        )
        .service(resource("/checkout/{user_id}").route(web::post().to(checkout)));
}

/// Adds units of a product to a cart.
#[utoipa::path(
    post, path = "/user/{user_id}/cart/{sku}", tag = "cart",
    params(
        ("user_id" = i64, Path, description = "who shops", minimum = 1, example = 1),
        ("sku" = i64, Path, description = "what", minimum = 1, example = 1001)
    ),
    request_body = AddItemBody,
    responses(
        (status = 201, description = "the sku was not in the cart", body = Empty),
        (status = 200, description = "the sku was in the cart; the counts were added", body = Empty),
        (status = 400, description = "bad id, count or JSON; count over uint32; over 500 lines", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "unknown sku, or not enough stock", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "body over 16 KiB", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "not application/json", body = Problem, content_type = "application/problem+json"),
        (status = 500, description = "our bug", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "nothing was done, repeat freely", body = Problem, content_type = "application/problem+json")
    )
)]
async fn add_item(
    shop: web::Data<CartShop>,
    path: web::Path<(i64, i64)>,
    body: web::Json<AddItemBody>,
) -> Result<HttpResponse, Problem> {
    let (user, sku) = path.into_inner();
    let (user, sku) = (parse::<UserId>(user)?, parse::<Sku>(sku)?);
    let quantity = Quantity::try_from(body.count).map_err(|error| Problem::invalid(error.to_string()))?;
    let add = AddItem {
        carts: &*shop.carts,
        products: &*shop.products,
        loms: &*shop.loms,
    };
    let done = in_time(shop.request_timeout, add.run(user, sku, quantity)).await;
    shop.numbers.added(done.as_ref().ok());
    match done?.map_err(|error| shop.problem(&error))? {
        Added::New => Ok(HttpResponse::Created().json(Empty {})),
        Added::Increased => Ok(HttpResponse::Ok().json(Empty {})),
    }
}

/// Takes a product out of a cart.
#[utoipa::path(
    delete, path = "/user/{user_id}/cart/{sku}", tag = "cart",
    params(
        ("user_id" = i64, Path, description = "who shops", minimum = 1, example = 1),
        ("sku" = i64, Path, description = "what", minimum = 1, example = 1001)
    ),
    responses(
        (status = 204, description = "it is not in the cart, whether or not it was"),
        (status = 400, description = "bad id", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "nothing was done, repeat freely", body = Problem, content_type = "application/problem+json")
    )
)]
async fn remove_item(shop: web::Data<CartShop>, path: web::Path<(i64, i64)>) -> Result<HttpResponse, Problem> {
    let (user, sku) = path.into_inner();
    let (user, sku) = (parse::<UserId>(user)?, parse::<Sku>(sku)?);
    RemoveItem { carts: &*shop.carts }
        .run(user, sku)
        .await
        .map_err(|error| shop.problem(&error))?;
    Ok(HttpResponse::NoContent().finish())
}

/// Empties a cart.
#[utoipa::path(
    delete, path = "/user/{user_id}/cart", tag = "cart",
    params(("user_id" = i64, Path, description = "who shops", minimum = 1, example = 1)),
    responses(
        (status = 204, description = "it is empty, whether or not it was"),
        (status = 400, description = "bad id", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "nothing was done, repeat freely", body = Problem, content_type = "application/problem+json")
    )
)]
async fn clear(shop: web::Data<CartShop>, path: web::Path<i64>) -> Result<HttpResponse, Problem> {
    let user = parse::<UserId>(path.into_inner())?;
    Clear { carts: &*shop.carts }
        .run(user)
        .await
        .map_err(|error| shop.problem(&error))?;
    Ok(HttpResponse::NoContent().finish())
}

/// Shows a cart.
#[utoipa::path(
    get, path = "/user/{user_id}/cart", tag = "cart",
    params(("user_id" = i64, Path, description = "who shops", minimum = 1, example = 1)),
    responses(
        (status = 200, description = "what is in it, by ascending sku", body = CartBody),
        (status = 400, description = "bad id", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "the cart is empty", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "a product is no longer in the catalogue, or the total is over uint64", body = Problem, content_type = "application/problem+json"),
        (status = 500, description = "our bug", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "repeat freely", body = Problem, content_type = "application/problem+json")
    )
)]
async fn view(shop: web::Data<CartShop>, path: web::Path<i64>) -> Result<HttpResponse, Problem> {
    let user = parse::<UserId>(path.into_inner())?;
    let view = View {
        carts: &*shop.carts,
        products: &*shop.products,
        concurrency: shop.products_concurrency,
    };
    let cart = in_time(shop.request_timeout, view.run(user))
        .await?
        .map_err(|error| shop.problem(&error))?;
    Ok(HttpResponse::Ok().json(CartBody::from(cart)))
}

/// Orders what is in a cart.
#[utoipa::path(
    post, path = "/checkout/{user_id}", tag = "cart",
    params(
        ("user_id" = i64, Path, description = "who shops", minimum = 1, example = 1),
        ("Idempotency-Key" = Option<String>, Header, description = "a repeat with the same key answers the same order", min_length = 1, max_length = 64, pattern = "^[!-~]{1,64}$")
    ),
    responses(
        (status = 200, description = "the order; its counts have left the cart", body = CheckoutBody),
        (status = 400, description = "bad id or Idempotency-Key", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "the cart is empty", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "not enough stock; the cart is unchanged", body = Problem, content_type = "application/problem+json"),
        (status = 500, description = "our bug", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "nothing was done, repeat freely", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "outcome unknown: repeat to learn it", body = Problem, content_type = "application/problem+json")
    )
)]
async fn checkout(
    shop: web::Data<CartShop>,
    path: web::Path<i64>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let user = parse::<UserId>(path.into_inner())?;
    let key = idempotency_key(request.headers())?;
    // The checkout itself goes on; only this caller stops waiting.
    let waited = tokio::time::timeout(shop.request_timeout, shop.checkout.run(user, key)).await;
    shop.numbers.checked_out(waited.as_ref().ok());
    let order = waited
        .map_err(|_| Problem::outcome_unknown())?
        .map_err(|error| shop.problem(&error))?;
    Ok(HttpResponse::Ok().json(CheckoutBody { order_id: order.get() }))
}

/// An id of the path.
fn parse<T: TryFrom<i64, Error = OutOfRange>>(n: i64) -> Result<T, Problem> {
    T::try_from(n).map_err(|error| Problem::invalid(error.to_string()))
}

impl CartShop {
    /// What the shopper is told of an error, whose causes only the log sees.
    fn problem(&self, error: &impl Kind) -> Problem {
        self.failures.tell(error);
        let status = StatusCode::from_u16(row(error.kind()).cart).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Problem::new(status, error.to_string())
    }
}

/// The caller's own key, if it has one.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    let mut values = headers.get_all("idempotency-key");
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::invalid("send one Idempotency-Key, not several"));
    }
    let text = value.to_str().unwrap_or_default();
    IdempotencyKey::new(text)
        .map(Some)
        .map_err(|error| Problem::invalid(error.to_string()))
}

/// Bounds a request that does nothing before its last step.
async fn in_time<T>(timeout: Duration, work: impl Future<Output = T>) -> Result<T, Problem> {
    let waited = tokio::time::timeout(timeout, work).await;
    waited.map_err(|_| Problem::unavailable())
}

impl From<CartView> for CartBody {
    fn from(view: CartView) -> Self {
        let items = view.lines.into_iter().map(|line| CartItem {
            sku: line.product.sku.get(),
            name: line.product.name.as_ref().to_owned(),
            count: line.quantity.get(),
            price: line.product.price.0,
        });
        Self {
            items: items.collect(),
            total_price: view.total.get(),
        }
    }
}
