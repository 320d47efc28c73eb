//! Carts and checkout over HTTP.

use reqwest::Client;
use serde::Deserialize;
use serde_json::json;

use super::Answer;
use super::http::{malformed, send};

/// Calls `cart`.
#[derive(Debug)]
pub(crate) struct CartClient {
    http: Client,
    base: String,
}

/// A cart with names and prices.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct CartView {
    /// By ascending sku.
    pub(crate) items: Vec<CartItem>,
    /// In cents.
    pub(crate) total_price: u64,
}

/// One line of a cart.
#[derive(Debug, Deserialize)]
pub(crate) struct CartItem {
    /// Which product.
    pub(crate) sku: i64,
    /// Its name.
    pub(crate) name: String,
    /// How many units.
    pub(crate) count: u32,
    /// In cents, of one.
    pub(crate) price: u32,
}

#[derive(Deserialize)]
struct CheckedOut {
    order_id: i64,
}

impl CartClient {
    /// A client of the cart role at `base`.
    pub(crate) fn new(http: Client, base: &str) -> Self {
        Self {
            http,
            base: base.trim_end_matches('/').to_owned(),
        }
    }

    /// Puts `count` more units into the cart.
    pub(crate) async fn add(&self, user_id: i64, sku: i64, count: u32) -> Answer<()> {
        let url = format!("{}/user/{user_id}/cart/{sku}", self.base);
        let answer = send(self.http.post(url).json(&json!({ "count": count }))).await?;
        // Read to its end, or the connection cannot be used again.
        answer.bytes().await.map_err(|error| super::http::transport(&error))?;
        Ok(())
    }

    /// Empties the cart.
    pub(crate) async fn clear(&self, user_id: i64) -> Answer<()> {
        let url = format!("{}/user/{user_id}/cart", self.base);
        send(self.http.delete(url)).await?;
        Ok(())
    }

    /// The cart; an empty one is a view without items.
    pub(crate) async fn view(&self, user_id: i64) -> Answer<CartView> {
        let url = format!("{}/user/{user_id}/cart", self.base);
        match send(self.http.get(url)).await {
            Ok(answer) => answer.json().await.map_err(|error| malformed(&error)),
            Err(fault) if fault.code.starts_with("404") => Ok(CartView::default()),
            Err(fault) => Err(fault),
        }
    }

    /// Orders what is in the cart. A repeat with the same key gives the same order.
    pub(crate) async fn checkout(&self, user_id: i64, key: &str) -> Answer<i64> {
        let url = format!("{}/checkout/{user_id}", self.base);
        let answer = send(self.http.post(url).header("idempotency-key", key)).await?;
        let body = answer.bytes().await.map_err(|error| super::http::transport(&error))?;
        let done: CheckedOut = serde_json::from_slice(&body).map_err(|error| malformed(&error))?;
        Ok(done.order_id)
    }
}
