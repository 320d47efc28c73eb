//! The notifier: takes order events and writes a line for each.

use adapters::lines::LineSink;
use adapters::memory::stream::{MemoryDeadLetters, MemorySource, MemoryStream};
use domain::clock::Clock;
use domain::notify::handle::HandleEvent;
use slog::{Logger, warn};

use super::{Process, StartError, tell_a_person};
use crate::clock::SystemClock;
use crate::engine::consumer::{Consumer, ConsumerLimits};
use crate::lifecycle::Stage;

/// The notifier without LOMS. There is no broker yet: it has nothing to consume, and says so.
///
/// # Errors
/// [`StartError`].
pub fn start_apart(process: &Process, log: Logger) -> Result<(), StartError> {
    warn!(log, "no broker is configured: there are no order events to consume");
    process
        .health
        .optional("broker", || async { Err("none is configured".to_owned()) });
    start(process, MemoryStream::new(1).subscribe(), log)
}

/// The notifier of a stream.
///
/// # Errors
/// [`StartError`] where the address cannot be had.
pub fn start(process: &Process, source: MemorySource, log: Logger) -> Result<(), StartError> {
    let settings = &process.settings.notifier;
    let sink = LineSink::new(process.output.clone(), || SystemClock.now().to_string());
    let letters = MemoryDeadLetters::new(settings.dead_letters_max);
    let consumer = Consumer {
        source,
        handler: HandleEvent::new(sink, letters, settings.dedupe_window),
        limits: ConsumerLimits {
            batch_max: settings.batch_max,
            first_pause: settings.retry_pause(),
            longest_pause: settings.retry_pause_max(),
        },
        log: log.clone(),
    };
    let address = process
        .server("notifier", settings.http.address(), log)
        .start(&process.life, |_| {})?;
    tell_a_person(&format!("notifier     http://{address}/readyz"));
    process.life.spawn(
        Stage::Commit,
        "consumer",
        consumer.run(process.life.token(Stage::Commit)),
    );
    Ok(())
}
