//! Where order events go: to Kafka, or nowhere where no broker is configured.

use std::sync::Arc;

use adapters::kafka::client::KafkaClient;
use adapters::kafka::producer::KafkaPublisher;
use adapters::kafka::settings::{KafkaSettings, Login, Mechanism};
use adapters::memory::stream::MemoryStream;
use slog::{Logger, info, warn};

use super::super::{Process, StartError};
use crate::clock::SystemClock;
use crate::telemetry::chain;
use crate::wiring::loms::LomsPublisher;

/// The publisher of the settings. It connects when there is something to publish: orders do not
/// wait for a broker.
pub(super) fn open(process: &Process, log: &Logger) -> Result<LomsPublisher, StartError> {
    match process.settings.brokers("loms")? {
        None => Ok(in_memory(process, log)),
        Some(settings) => Ok(to_kafka(process, settings, log)),
    }
}

fn in_memory(process: &Process, log: &Logger) -> LomsPublisher {
    warn!(log, "no broker is configured: order events end in this process");
    process
        .health
        .optional("broker", || async { Err("none is configured".to_owned()) });
    LomsPublisher::Memory(MemoryStream::new(process.settings.notifier.stream_max))
}

fn to_kafka(process: &Process, settings: KafkaSettings, log: &Logger) -> LomsPublisher {
    info!(log, "order events go to Kafka";
        "brokers" => settings.brokers.join(","), "topic" => &settings.topic);
    let is_plain = |login: &Login| login.mechanism == Mechanism::Plain;
    if settings.security.authority.is_none() && settings.security.login.as_ref().is_some_and(is_plain) {
        warn!(
            log,
            "the password goes to the brokers as it is and in the clear: set kafka.tls_ca_file, or another kafka.sasl_mechanism"
        );
    }
    // Connections of its own: a look that is given up must not cost the publisher its own.
    let looks = Arc::new(KafkaClient::new(settings.clone()));
    process.health.optional("broker", move || {
        let looks = Arc::clone(&looks);
        async move {
            let looked = looks.look().await.map_err(|error| chain(&error));
            looked?;
            let topic = looks.partitions(&looks.settings().topic).await;
            topic.map(drop).map_err(|error| chain(&error))
        }
    });
    LomsPublisher::Kafka(KafkaPublisher::new(Arc::new(KafkaClient::new(settings)), SystemClock))
}
