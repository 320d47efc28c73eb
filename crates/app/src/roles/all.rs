//! The whole shop in one process: LOMS, products and events are reached without a wire, by the
//! same ports as over it. Nothing outlives the process, but for the ledger where it is in Postgres, and
//! events where a broker is configured: then they take the way through it.

use adapters::in_process::InProcessLoms;
use adapters::memory::stream::MemoryStream;
use slog::Logger;

use super::{Process, StartError, cart, loms, notifier, products};
use crate::telemetry::trace;
use crate::wiring::links::{LomsLink, ProductsLink};

/// Starts all roles.
///
/// # Errors
/// [`StartError`] of the first that does not start.
pub async fn start(process: &Process, logger_of: impl Fn(&'static str) -> Logger) -> Result<(), StartError> {
    let catalogue = products::catalogue(&process.settings)?;
    let loms = if process.settings.kafka.brokers.is_empty() {
        let events = MemoryStream::new(process.settings.notifier.stream_max);
        let source = events.subscribe();
        let loms = loms::start_beside(process, events, logger_of("loms")).await?;
        notifier::start(process, source, logger_of("notifier"))?;
        loms
    } else {
        let loms = loms::start_apart(process, logger_of("loms")).await?;
        notifier::start_apart(process, logger_of("notifier"))?;
        loms
    };
    products::start(process, &catalogue, logger_of("products"))?;
    let loms = LomsLink::InProcess(InProcessLoms::new(loms.book, loms.reads, trace::current));
    cart::start(process, ProductsLink::InProcess(catalogue), loms, logger_of("cart"))
}
