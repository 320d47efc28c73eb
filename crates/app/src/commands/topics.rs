//! `app topics`: creates the topics of order events and of dead letters where they are missing. LOMS does
//! not do it by itself: how many copies there are and how long they are kept is an operator's decision.

use std::time::Duration;

use adapters::kafka::topics::{DEAD_LETTER_PARTITIONS, PARTITIONS, TopicShape, ensure};

use super::events::{CommandError, say};
use crate::config::Settings;

/// The help of the command.
pub(super) const ABOUT: &str = "\
Create the topics of order events and dead letters where they are missing.

Their names, copies and retention are those of the settings kafka.topic, kafka.dead_letter_topic, \
kafka.replication_factor, kafka.retention_hours and kafka.dead_letter_retention_hours. What is there \
stays as it is; what differs from the settings is told, and then nothing is created. It may be repeated. \
Exit code: 0 the topics are as they should be, 1 they are not, 2 wrong settings.";

/// Time for each step; a command has one try, on a machine that may be busy.
const STEP_TIMEOUT: Duration = Duration::from_secs(15);

/// Creates what is missing, and says so.
pub(super) async fn run(settings: &Settings) -> Result<(), CommandError> {
    let brokers = settings.brokers("app-topics")?.ok_or(CommandError::NoBrokers)?;
    let kafka = &settings.kafka;
    let shapes = [
        TopicShape {
            name: kafka.topic.clone(),
            partitions: PARTITIONS,
            replication_factor: kafka.replication_factor,
            retention: kafka.retention(),
        },
        TopicShape {
            name: kafka.dead_letter_topic.clone(),
            partitions: DEAD_LETTER_PARTITIONS,
            replication_factor: kafka.replication_factor,
            retention: kafka.dead_letter_retention(),
        },
    ];
    let created = ensure(&brokers, &shapes, STEP_TIMEOUT).await?;
    for shape in &shapes {
        let done = if created.contains(&shape.name) {
            "was created"
        } else {
            "is as it should be"
        };
        say(format!(
            "{} {done}: {} partitions, {} copies, kept {} h",
            shape.name,
            shape.partitions,
            shape.replication_factor,
            shape.retention.as_secs() / 3_600
        ))?;
    }
    Ok(())
}
