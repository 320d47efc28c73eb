//! Settings of the cart: its own, and how it reaches products and LOMS.

use super::describe::settings;
use super::values::{Listen, Secret, base_url, header_text};

settings! {
    /// The cart.
    CartSettings {
        /// Carts held; one more is answered 503.
        max_carts: usize = 1_000_000, "1 to 100000000", (range(min = 1, max = 100_000_000));
        /// Deadline of a shopper's request, calls of other services included.
        request_timeout_ms: u64 = 5_000, "50 to 120000", (range(min = 50, max = 120_000)) => request_timeout from_millis;
        /// Products of one cart that are fetched at the same time.
        products_concurrency: usize = 16, "1 to 500", (range(min = 1, max = 500));
    }
    groups {
        /// Where it listens.
        http: Listen = Listen::on(8080);
        /// Checkout.
        checkout: CheckoutSettings = CheckoutSettings::default();
        /// The client of products.
        products: ProductsClientSettings = ProductsClientSettings::default();
        /// The client of LOMS.
        loms: LomsClientSettings = LomsClientSettings::default();
    }
}

settings! {
    /// Checkouts.
    CheckoutSettings {
        /// Checkouts in flight, one a user; one more is answered 503.
        in_flight_max: usize = 10_000, "1 to 1000000", (range(min = 1, max = 1_000_000));
        /// Pause between rounds that resolve checkouts whose outcome is unknown.
        resolve_interval_ms: u64 = 1_000, "10 to 600000", (range(min = 10, max = 600_000)) => resolve_interval from_millis;
        /// Checkouts that are resolved in a round.
        resolve_batch_max: usize = 100, "1 to 10000", (range(min = 1, max = 10_000));
        /// Checkouts that are resolved at the same time.
        resolve_concurrency: usize = 8, "1 to 256", (range(min = 1, max = 256));
        /// Answers kept for repeats with an `Idempotency-Key`; the oldest go first.
        answers_max: usize = 100_000, "1 to 100000000", (range(min = 1, max = 100_000_000));
    }
    groups {}
}

settings! {
    /// How products are asked (in `all` they are in the same process, and this does not apply).
    ProductsClientSettings {
        /// Where products answer.
        url: String = "http://127.0.0.1:8082".to_owned(), "http://HOST:PORT", (custom(base_url));
        /// The key they ask for.
        api_key: Secret = Secret::new("testToken"), "1 to 256 visible ASCII characters", (custom(header_text));
        /// Requests a second of the whole process, retries included.
        requests_per_second: u32 = 10, "1 to 10", (range(min = 1, max = 10));
        /// Time for one request, without the wait for its turn.
        request_timeout_ms: u64 = 1_000, "10 to 60000", (range(min = 10, max = 60_000)) => request_timeout from_millis;
        /// Retries after 420 or 429.
        retries_max: u32 = 3, "0 to 10", (range(max = 10));
        /// Pause before the first retry; it doubles.
        retry_pause_ms: u64 = 100, "1 to 10000", (range(min = 1, max = 10_000)) => retry_pause from_millis;
        /// Requests that may wait for their turn; one more is answered 503.
        queue_max: usize = 1_000, "1 to 100000", (range(min = 1, max = 100_000));
        /// Products kept; the least recently used go first.
        cache_max_entries: u64 = 100_000, "1 to 10000000", (range(min = 1, max = 10_000_000));
        /// How long a product is kept.
        cache_ttl_seconds: u64 = 300, "1 to 86400", (range(min = 1, max = 86_400)) => cache_ttl from_secs;
        /// How long it is kept that a sku is unknown.
        cache_unknown_ttl_seconds: u64 = 5, "1 to 3600", (range(min = 1, max = 3_600)) => cache_unknown_ttl from_secs;
        /// Whether the list of products is fetched at the start.
        warm_up: bool = true, "true, false", (skip);
    }
    groups {}
}

settings! {
    /// How LOMS is called (in `all` it is in the same process, and this does not apply).
    LomsClientSettings {
        /// Where its gRPC answers.
        url: String = "http://127.0.0.1:8083".to_owned(), "http://HOST:PORT", (custom(base_url));
        /// Deadline of a call.
        timeout_ms: u64 = 2_000, "10 to 60000", (range(min = 10, max = 60_000)) => timeout from_millis;
    }
    groups {}
}
