//! What the roles expose as metrics: real processes of `app` are scraped while they work. The table of
//! `docs/metrics.md` and what comes are held together both ways; what clients send makes no series; what
//! fails, takes too long or is given up counts as such.

mod cardinality;
mod failures;
#[path = "../support/harness.rs"]
#[allow(dead_code, reason = "shared: each test target uses a part of it")]
mod harness;
mod scrape;
mod shop;
mod table;
