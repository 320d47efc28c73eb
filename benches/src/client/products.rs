//! The catalogue, over the product service.

use reqwest::Client;
use serde::Deserialize;

use super::Answer;
use super::http::{malformed, send};

/// Products asked for at once; the most the service gives.
const PAGE: usize = 1000;

/// Calls `products`.
#[derive(Debug)]
pub(crate) struct ProductsClient {
    http: Client,
    base: String,
    api_key: String,
}

/// One product.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Product {
    /// Its number.
    pub(crate) sku: i64,
    /// Its name.
    pub(crate) name: String,
    /// In cents.
    pub(crate) price: u32,
}

impl ProductsClient {
    /// A client of the products role at `base`.
    pub(crate) fn new(http: Client, base: &str, api_key: &str) -> Self {
        Self {
            http,
            base: base.trim_end_matches('/').to_owned(),
            api_key: api_key.to_owned(),
        }
    }

    /// At most the first `count` products, by ascending sku.
    pub(crate) async fn list(&self, count: usize) -> Answer<Vec<Product>> {
        let mut all: Vec<Product> = Vec::new();
        while all.len() < count {
            let wanted = (count - all.len()).min(PAGE);
            let after = all.last().map_or(0, |product| product.sku);
            let request = self
                .http
                .get(format!("{}/product", self.base))
                .query(&[("count", wanted as i64), ("start_after_sku", after)])
                .header("x-api-key", &self.api_key);
            let page: Vec<Product> = send(request).await?.json().await.map_err(|error| malformed(&error))?;
            let last = page.len() < wanted;
            all.extend(page);
            if last {
                break;
            }
        }
        Ok(all)
    }
}
