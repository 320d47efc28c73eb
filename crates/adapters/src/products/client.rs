//! The HTTP client of products: at most so many requests a second for the whole process, retries of
//! 420 and 429, a time limit for each request, and a bound on what it reads. Anything but a product
//! or a clear "unknown" is an error, never a guess: an answer about another sku is garbage.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::cart::ports::{Product, Products, ProductsError};
use domain::clock::Clock;
use domain::error::cause;
use domain::trace::TraceContext;
use domain::types::{Price, Sku};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Response, StatusCode, Url};
use reqwest_middleware::ClientWithMiddleware;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::limiter::Turnstile;
use super::metrics::{Measured, UrlTemplate};
use super::retry::{Retry, is_overload};
use super::traced::Traced;
use crate::outgoing::Outgoing;

/// Products of the longest page.
pub const PAGE_MAX: usize = 1000;
/// Bytes of a product that are read.
const PRODUCT_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a page that are read.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Connections that are kept open while nobody needs them, and for how long: less than servers do.
const IDLE_CONNECTIONS_MAX: usize = 16;
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// How products are reached.
#[derive(Clone)]
pub struct HttpProductsSettings {
    /// Base URL, `http` only.
    pub url: String,
    /// What is sent as `X-API-KEY`.
    pub api_key: String,
    /// Requests a second of the whole process, retries and lists included.
    pub requests_per_second: u32,
    /// Requests that may wait for their turn; one more is `Unavailable` at once.
    pub queue_max: usize,
    /// Time for one request from its turn to the end of its answer.
    pub request_timeout: Duration,
    /// Retries after 420 or 429.
    pub retries_max: u32,
    /// Pause before the first retry; it doubles.
    pub retry_pause: Duration,
    /// The longest pause, also where `Retry-After` asks for more.
    pub retry_pause_max: Duration,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The base URL is no `http` URL.
    #[error("{0:?} is not the http URL of a service")]
    Url(String),
    /// The API key cannot be sent.
    #[error("the API key of products cannot be sent as a header")]
    ApiKey,
    /// The HTTP client could not be made.
    #[error("the HTTP client of products could not be made")]
    Client(#[source] reqwest::Error),
}

/// Why a request gave nothing; the log sees it as the cause of `Unavailable`.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("no answer")]
    NoAnswer(#[from] reqwest_middleware::Error),
    #[error("the answer broke off")]
    BrokenOff(#[from] reqwest::Error),
    #[error("answered {0}")]
    Status(StatusCode),
    #[error("answered more than {0} bytes")]
    TooLong(usize),
    #[error("answered what is not the JSON of products")]
    Json(#[from] serde_json::Error),
    #[error("answered about sku {0}, which was not asked for")]
    OtherSku(i64),
    #[error("answered {0} products to a request for fewer")]
    TooMany(usize),
}

impl From<Fault> for ProductsError {
    fn from(fault: Fault) -> Self {
        Self::Unavailable(cause(fault))
    }
}

/// A product on the wire. Unknown fields are ignored.
#[derive(Deserialize)]
struct ProductBody {
    name: String,
    price: u32,
    sku: i64,
}

/// The client. One a process: its limit counts what goes through it.
#[derive(Debug)]
pub struct HttpProducts {
    http: ClientWithMiddleware,
    products: String,
    answers: AtomicBool,
}

impl HttpProducts {
    /// A client; `trace` tells the trace of whoever asks. Make it inside the runtime that lives as long
    /// as it does, after the metrics recorder was installed.
    ///
    /// # Errors
    /// [`ClientError`] where the settings cannot work.
    pub fn new(
        settings: &HttpProductsSettings,
        clock: Arc<dyn Clock>,
        trace: fn() -> Option<TraceContext>,
    ) -> Result<Self, ClientError> {
        let base = settings.url.trim_end_matches('/');
        let url = Url::parse(base)
            .ok()
            .filter(|url| url.scheme() == "http" && url.has_host() && url.query().is_none());
        url.ok_or_else(|| ClientError::Url(settings.url.clone()))?;
        let clock = Shared(clock);
        let retry = Retry::new(
            settings.retries_max,
            settings.retry_pause,
            settings.retry_pause_max,
            clock.clone(),
        );
        let turnstile = Turnstile::new(settings.requests_per_second, settings.queue_max, clock);
        let http = reqwest_middleware::ClientBuilder::new(bare_client(settings)?)
            .with(retry)
            .with(turnstile)
            .with(Measured(Outgoing::new()))
            .with(Traced { trace })
            .build();
        Ok(Self {
            http,
            products: format!("{base}/product"),
            answers: AtomicBool::new(true),
        })
    }

    /// Whether the last request that ended was answered as it should be; true before the first.
    /// For readiness, which shall not use up turns.
    #[must_use]
    pub fn answers(&self) -> bool {
        self.answers.load(Ordering::Relaxed)
    }

    /// At most `count` products (1 to [`PAGE_MAX`]) with skus above `start_after`, ascending.
    ///
    /// # Errors
    /// [`ProductsError`], as for one product.
    pub async fn list(&self, start_after: i64, count: usize) -> Result<Vec<Product>, ProductsError> {
        let url = format!("{}?count={count}&start_after_sku={start_after}", self.products);
        let page = self.page(url, start_after, count).await;
        self.note(page)
    }

    async fn page(&self, url: String, start_after: i64, count: usize) -> Result<Vec<Product>, ProductsError> {
        let answer = self.get(url, "/product").await?;
        if answer.status() != StatusCode::OK {
            return Err(refusal(answer.status()));
        }
        let bodies: Vec<ProductBody> = read(answer, PAGE_BYTES_MAX).await?;
        if bodies.len() > count {
            return Err(Fault::TooMany(bodies.len()).into());
        }
        let mut last = start_after;
        let products = bodies.into_iter().map(|body| {
            let ascends = body.sku > last;
            last = body.sku;
            if ascends {
                checked(body)
            } else {
                Err(Fault::OtherSku(last).into())
            }
        });
        products.collect()
    }

    async fn one(&self, sku: Sku) -> Result<Option<Product>, ProductsError> {
        let answer = self.get(format!("{}/{sku}", self.products), "/product/{sku}").await?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            other => return Err(refusal(other)),
        }
        let body: ProductBody = read(answer, PRODUCT_BYTES_MAX).await?;
        if body.sku != sku.get() {
            return Err(Fault::OtherSku(body.sku).into());
        }
        checked(body).map(Some)
    }

    async fn get(&self, url: String, template: &'static str) -> Result<Response, Fault> {
        let request = self.http.get(url).with_extension(UrlTemplate(template));
        Ok(request.send().await?)
    }

    fn note<T>(&self, answer: Result<T, ProductsError>) -> Result<T, ProductsError> {
        self.answers.store(answer.is_ok(), Ordering::Relaxed);
        answer
    }
}

impl Products for HttpProducts {
    async fn product(&self, sku: Sku) -> Result<Option<Product>, ProductsError> {
        self.note(self.one(sku).await)
    }
}

/// A clock that the middlewares share.
#[derive(Clone)]
struct Shared(Arc<dyn Clock>);

impl Clock for Shared {
    fn now(&self) -> domain::clock::Moment {
        self.0.now()
    }
}

/// A client that sends exactly what it is told: no redirects, no retries of its own, and no proxy
/// that it finds in the environment.
fn bare_client(settings: &HttpProductsSettings) -> Result<reqwest::Client, ClientError> {
    let mut key = HeaderValue::from_str(&settings.api_key).map_err(|_| ClientError::ApiKey)?;
    key.set_sensitive(true);
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .default_headers(HeaderMap::from_iter([(API_KEY, key)]))
        .timeout(settings.request_timeout)
        .connect_timeout(settings.request_timeout)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .build()
        .map_err(ClientError::Client)
}

/// What a status means that is neither success nor "unknown".
fn refusal(status: StatusCode) -> ProductsError {
    match status {
        status if is_overload(status) => ProductsError::Overloaded(status.as_u16()),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ProductsError::Unauthorized,
        other => Fault::Status(other).into(),
    }
}

/// Reads a body of JSON, of at most `bytes_max`.
async fn read<T: DeserializeOwned>(mut answer: Response, bytes_max: usize) -> Result<T, Fault> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > bytes_max {
            return Err(Fault::TooLong(bytes_max));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(serde_json::from_slice(&body)?)
}

fn checked(body: ProductBody) -> Result<Product, ProductsError> {
    let sku = Sku::try_from(body.sku).map_err(|_| Fault::OtherSku(body.sku))?;
    Ok(Product {
        sku,
        name: body.name.into(),
        price: Price(body.price),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_have_their_meaning() {
        let of = |status| refusal(StatusCode::from_u16(status).unwrap());
        assert!(matches!(of(420), ProductsError::Overloaded(420)));
        assert!(matches!(of(429), ProductsError::Overloaded(429)));
        assert!(matches!(of(401), ProductsError::Unauthorized));
        assert!(matches!(of(403), ProductsError::Unauthorized));
        for other in [204, 302, 400, 418, 500, 503] {
            assert!(matches!(of(other), ProductsError::Unavailable(_)), "{other}");
        }
    }
}
