//! Settings of the products stand-in, and how it misbehaves on demand.

use super::describe::settings;
use super::values::{Listen, Secret, header_text};

settings! {
    /// The products stand-in.
    ProductsSettings {
        /// The key that callers must send as `X-API-KEY`.
        api_key: Secret = Secret::new("testToken"), "1 to 256 visible ASCII characters", (custom(header_text));
        /// A JSON file of products instead of the built-in catalogue.
        catalogue_file: String = String::new(), "empty, or a file that can be read", (skip);
    }
    groups {
        /// Where it listens.
        http: Listen = Listen::on(8082);
        /// How it misbehaves.
        misbehave: MisbehaveSettings = MisbehaveSettings::default();
    }
}

settings! {
    /// Faults of the stand-in, for tests; they can be changed at run time.
    MisbehaveSettings {
        /// Requests a second above which it answers 429.
        rate_limit_per_second: u32 = 0, "0 to 1000000 (0: no limit)", (range(max = 1_000_000));
        /// Delay of every answer.
        delay_ms: u64 = 0, "0 to 60000", (range(max = 60_000)) => delay from_millis;
        /// Share of requests that are answered 420.
        share_420: f64 = 0.0, "0.0 to 1.0", (range(min = 0.0, max = 1.0));
        /// Share of requests that are answered 429.
        share_429: f64 = 0.0, "0.0 to 1.0", (range(min = 0.0, max = 1.0));
        /// Share of requests that are answered 500; the three shares together at most 1.
        share_500: f64 = 0.0, "0.0 to 1.0", (range(min = 0.0, max = 1.0));
    }
    groups {}
}
