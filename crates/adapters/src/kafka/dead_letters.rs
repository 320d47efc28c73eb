//! Dead letters: what a topic did not take, or what could not be handled of it, as a record of the
//! dead-letter topic. Key, value and headers stay as they are; headers of ours tell the rest.

use domain::clock::Moment;
use domain::notify::ports::Position;

use super::client::KafkaClient;
use super::errors::KafkaError;
use super::record::Outgoing;
use super::spans;
use crate::events::partition_of;

/// Header: why it is here.
pub const REASON: &str = "dlq-reason";
/// Header: the topic where it belongs.
pub const TOPIC: &str = "dlq-topic";
/// Header: its partition there, where it has one.
pub const PARTITION: &str = "dlq-partition";
/// Header: its offset there, where it has one.
pub const OFFSET: &str = "dlq-offset";

/// Header: it is here without its key and value, because the broker refused the whole, for this reason.
pub const LEFT_OUT: &str = "dlq-left-out";

/// The most bytes of a reason.
const REASON_MAX_BYTES: usize = 1_024;

/// The record of a dead letter.
#[must_use]
pub fn letter(mut record: Outgoing, topic: &str, position: Option<Position>, reason: &str, sent: Moment) -> Outgoing {
    record.sent = sent;
    let headers = &mut record.headers;
    let reason = &reason[..reason.floor_char_boundary(REASON_MAX_BYTES)];
    headers.insert(REASON.to_owned(), reason.into());
    headers.insert(TOPIC.to_owned(), topic.into());
    if let Some(position) = position {
        headers.insert(PARTITION.to_owned(), position.partition.to_string().into());
        headers.insert(OFFSET.to_owned(), position.offset.to_string().into());
    }
    record
}

/// Appends a dead letter to its topic.
///
/// # Errors
/// [`KafkaError`], which says whether it may have been written.
pub async fn put(client: &KafkaClient, letter: Outgoing) -> Result<(), KafkaError> {
    let settings = client.settings();
    let topic = &settings.dead_letter_topic;
    let partitions = client.partitions(topic).await?;
    let partition = partition_of(letter.key.as_deref().unwrap_or_default(), partitions);
    let span = spans::of_letter(settings, &letter);
    let appended = client.append(topic, partition, vec![letter], settings.publish_timeout);
    match appended.await {
        Ok(offset) => spans::appended(&span, partition, offset),
        Err(error) => {
            span.fail(|| error.error_type().into());
            return Err(error);
        }
    }
    Ok(())
}
