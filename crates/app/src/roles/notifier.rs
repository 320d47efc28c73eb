//! The notifier: takes order events, as a member of a consumer group of Kafka or from LOMS in the same
//! process, and passes each on.

use std::sync::Arc;

use adapters::kafka::client::KafkaClient;
use adapters::kafka::consumer::KafkaSource;
use adapters::kafka::settings::KafkaSettings;
use adapters::kafka::undelivered::KafkaDeadLetters;
use adapters::memory::stream::{MemoryDeadLetters, MemorySource, MemoryStream};
use domain::clock::Clock;
use domain::notify::handle::HandleEvent;
use domain::notify::ports::{DeadLetters, EventSource};
use slog::{Logger, info, warn};

use super::{Process, StartError, tell_a_person};
use crate::clock::SystemClock;
use crate::config::{FINISH_SHARE, LEAVE_SHARE};
use crate::engine::consumer::{Consumer, ConsumerLimits, Stream};
use crate::lifecycle::Stage;
use crate::wiring::notifier::{Sinks, member};

/// The notifier without LOMS: a member of the consumer group. Where no broker is configured it has
/// nothing to consume, and says so.
///
/// # Errors
/// [`StartError`].
pub fn start_apart(process: &Process, log: Logger) -> Result<(), StartError> {
    match process.settings.brokers("notifier")? {
        Some(kafka) => start_on_kafka(process, kafka, log),
        None => {
            warn!(log, "no broker is configured: there are no order events to consume");
            process
                .health
                .optional("broker", || async { Err("none is configured".to_owned()) });
            start(process, MemoryStream::new(1).subscribe(), log)
        }
    }
}

fn start_on_kafka(process: &Process, kafka: KafkaSettings, log: Logger) -> Result<(), StartError> {
    let settings = &process.settings.notifier;
    let leave_within = process.settings.shutdown.grace().mul_f64(LEAVE_SHARE);
    let letters = KafkaDeadLetters::new(Arc::new(KafkaClient::new(kafka.clone())), || SystemClock.now());
    let stream = Stream {
        system: "kafka",
        topic: kafka.topic.clone(),
        group: settings.group.clone(),
    };
    let source = KafkaSource::join(member(settings, kafka, leave_within))?;
    let health = source.health();
    process.health.optional("broker", move || {
        let answers = health.answers();
        async move { answers.then_some(()).ok_or_else(|| "no broker answers".to_owned()) }
    });
    info!(log, "joining the consumer group"; "group" => &settings.group, "topic" => &stream.topic);
    run(process, source, stream, letters, log)
}

/// The notifier of a stream in memory.
///
/// # Errors
/// [`StartError`] where the address cannot be had.
pub fn start(process: &Process, source: MemorySource, log: Logger) -> Result<(), StartError> {
    let settings = &process.settings.notifier;
    let letters = Arc::new(MemoryDeadLetters::new(settings.dead_letters_max));
    let source = source.holding(settings.held_max);
    let stream = Stream {
        system: "memory",
        topic: KafkaSettings::TOPIC.to_owned(),
        group: settings.group.clone(),
    };
    run(process, source, stream, letters, log)
}

fn run<D: DeadLetters + Clone>(
    process: &Process,
    source: impl EventSource,
    stream: Stream,
    letters: D,
    log: Logger,
) -> Result<(), StartError> {
    let settings = &process.settings.notifier;
    let (sinks, window) = (Sinks::new(settings, process.output.clone())?, settings.dedupe_window);
    let consumer = Consumer {
        source,
        handler: move || HandleEvent::new(sinks.one(), letters.clone(), window),
        stream,
        limits: ConsumerLimits {
            batch_max: settings.batch_max,
            held_max: settings.held_max,
            first_pause: settings.retry_pause(),
            longest_pause: settings.retry_pause_max(),
            tell_every: window,
            release_within: settings.release_within(),
            finish_within: process.settings.shutdown.grace().mul_f64(FINISH_SHARE),
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
