//! The settings of librdkafka for a member of the group. Everything that the library would do by
//! itself about positions is off; what it keeps in memory is bounded.

use std::io;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError as LibraryError;

use super::ConsumerSettings;
use crate::kafka::librdkafka;

/// The longest pause between two signs of life, and between two looks at the topic.
const HEARTBEAT_MAX: Duration = Duration::from_secs(3);
const LOOK_AT_TOPIC: Duration = Duration::from_secs(10);
/// How long a fetch waits for events: a partition that goes on after a pause waits for the one before.
const FETCH_WITHIN: Duration = Duration::from_millis(100);
/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// A poll that is longer away than this is a bug of ours.
const POLL_WITHIN: Duration = Duration::from_secs(300);
/// What is fetched ahead: events of a partition, and bytes of all.
const AHEAD_MAX: u32 = 10_000;
const AHEAD_MAX_KIB: u32 = 16 * 1024;
const FETCH_MAX_BYTES: u32 = 8 * 1024 * 1024;
const PARTITION_FETCH_MAX_BYTES: u32 = 1024 * 1024;

/// Why there is no consumer.
#[derive(Debug, thiserror::Error)]
pub enum CannotBuild {
    /// The library refuses its settings.
    #[error("the consumer of Kafka cannot be made: {0}")]
    Refused(#[from] LibraryError),
    /// The system refuses a thread.
    #[error("the consumer of Kafka has no thread")]
    Thread(#[source] io::Error),
}

/// What a member of the group is told. It has no static membership: such members do not leave when
/// they end, and nobody would go on with their partitions until the session timeout.
pub(super) fn member_config(settings: &ConsumerSettings) -> ClientConfig {
    let heartbeat = (settings.session_timeout / 3).min(HEARTBEAT_MAX);
    let mut config = librdkafka::config(&settings.kafka);
    config
        .set("socket.keepalive.enable", "true")
        .set("socket.nagle.disable", "true")
        .set("socket.timeout.ms", millis(ANSWER_WITHIN))
        .set_log_level(RDKafkaLogLevel::Warning)
        .set("group.id", &settings.group)
        .set("group.protocol", "classic")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("session.timeout.ms", millis(settings.session_timeout))
        .set("heartbeat.interval.ms", millis(heartbeat))
        .set(
            "max.poll.interval.ms",
            millis(POLL_WITHIN.max(settings.session_timeout)),
        )
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("check.crcs", "true")
        .set("topic.metadata.refresh.interval.ms", millis(LOOK_AT_TOPIC))
        .set("queued.min.messages", AHEAD_MAX.to_string())
        .set("queued.max.messages.kbytes", AHEAD_MAX_KIB.to_string())
        .set("fetch.max.bytes", FETCH_MAX_BYTES.to_string())
        .set("fetch.message.max.bytes", PARTITION_FETCH_MAX_BYTES.to_string())
        .set("fetch.wait.max.ms", millis(FETCH_WITHIN))
        .set("fetch.error.backoff.ms", "100")
        .set("statistics.interval.ms", "1000");
    config
}

fn millis(duration: Duration) -> String {
    duration.as_millis().to_string()
}
