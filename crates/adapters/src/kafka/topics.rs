//! The topics, as they should be: looked at, and created where they are missing. What is there stays
//! as it is: more partitions would move the keys of orders under way, and less retention deletes.
//!
//! This takes librdkafka: the client that produces can neither set nor read a topic's configuration.

use std::fmt;
use std::time::Duration;

use domain::error::{Cause, cause};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError as Error, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;

use super::librdkafka;
use super::settings::KafkaSettings;

/// How a topic should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicShape {
    /// Its name.
    pub name: String,
    /// Its partitions.
    pub partitions: i32,
    /// Copies of each of them.
    pub replication_factor: i32,
    /// How long a message is kept; how many bytes there are is no reason to drop one.
    pub retention: Duration,
}

/// Partitions of the topic of order events. Source: the contract, "Order events".
pub const PARTITIONS: i32 = 2;

/// Partitions of the topic of dead letters: there are few, and one order is easier to look through.
pub const DEAD_LETTER_PARTITIONS: i32 = 1;

/// Something of a topic that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which topic.
    pub topic: String,
    /// What of it, in Kafka's words.
    pub what: String,
    /// How it is.
    pub found: String,
    /// How it should be.
    pub wanted: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            topic,
            what,
            found,
            wanted,
        } = self;
        write!(f, "{topic} has {what} {found}, not {wanted}")
    }
}

/// Why topics are not as they should be.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TopicsError {
    /// They cannot be looked at. Nothing was created.
    #[error("the topics cannot be looked at")]
    Look(#[source] Cause),
    /// Nothing was created, because of these.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Differ(Vec<Difference>),
    /// A topic was not created; those before it may have been.
    #[error("the topic {0} cannot be created: {1}")]
    Create(String, RDKafkaErrorCode),
}

impl TopicShape {
    /// The settings of it that are stated, in Kafka's words.
    fn stated(&self) -> [(&'static str, String); 3] {
        [
            ("cleanup.policy", "delete".to_owned()),
            ("retention.ms", self.retention.as_millis().to_string()),
            ("retention.bytes", "-1".to_owned()),
        ]
    }

    fn difference(&self, what: &str, found: impl ToString, wanted: impl ToString) -> Option<Difference> {
        let (found, wanted) = (found.to_string(), wanted.to_string());
        (found != wanted).then(|| Difference {
            topic: self.name.clone(),
            what: what.to_owned(),
            found,
            wanted,
        })
    }
}

/// Makes sure that topics are as they should be; which of them were created.
///
/// # Errors
/// [`TopicsError`]. Where one differs none is created.
pub async fn ensure(
    settings: &KafkaSettings,
    shapes: &[TopicShape],
    within: Duration,
) -> Result<Vec<String>, TopicsError> {
    let look = |error: Error| TopicsError::Look(cause(error));
    let admin: AdminClient<DefaultClientContext> = librdkafka::config(settings).create().map_err(look)?;
    let options = AdminOptions::new()
        .request_timeout(Some(within))
        .operation_timeout(Some(within));
    // It blocks. All topics are asked for, because asking for one may create it.
    let looked = tokio::task::spawn_blocking(move || {
        let metadata = admin.inner().fetch_metadata(None, within);
        (admin, metadata)
    });
    let (admin, metadata) = looked.await.map_err(|error| TopicsError::Look(cause(error)))?;
    let metadata = metadata.map_err(look)?;
    let (mut missing, mut differ) = (Vec::new(), Vec::new());
    for shape in shapes {
        let topic = metadata.topics().iter().find(|topic| topic.name() == shape.name);
        if topic.is_none() {
            missing.push(shape);
            continue;
        }
        differ.extend(of_partitions(shape, &metadata));
        differ.extend(of_settings(shape, &admin, &options).await.map_err(look)?);
    }
    if !differ.is_empty() {
        return Err(TopicsError::Differ(differ));
    }
    create(&admin, &options, &missing).await
}

fn of_partitions(shape: &TopicShape, metadata: &Metadata) -> Vec<Difference> {
    let topics = metadata.topics().iter();
    let partitions = topics
        .filter(|topic| topic.name() == shape.name)
        .flat_map(|topic| topic.partitions());
    let copies: Vec<_> = partitions.map(|partition| partition.replicas().len()).collect();
    let fewest = copies.iter().min().copied().unwrap_or_default();
    shape
        .difference("partitions", copies.len(), shape.partitions)
        .into_iter()
        .chain(shape.difference("replication factor", fewest, shape.replication_factor))
        .collect()
}

async fn of_settings(
    shape: &TopicShape,
    admin: &AdminClient<DefaultClientContext>,
    options: &AdminOptions,
) -> Result<Vec<Difference>, Error> {
    let resources = admin
        .describe_configs(&[ResourceSpecifier::Topic(&shape.name)], options)
        .await?;
    let mut differ = Vec::new();
    for resource in resources {
        let resource = resource.map_err(Error::AdminOp)?;
        let found = resource.entry_map();
        for (what, wanted) in shape.stated() {
            let value = found.get(what).and_then(|entry| entry.value.as_deref());
            differ.extend(shape.difference(what, value.unwrap_or("none"), wanted));
        }
    }
    Ok(differ)
}

async fn create(
    admin: &AdminClient<DefaultClientContext>,
    options: &AdminOptions,
    missing: &[&TopicShape],
) -> Result<Vec<String>, TopicsError> {
    let mut created = Vec::new();
    for shape in missing {
        let stated = shape.stated();
        let topic = stated.iter().fold(
            NewTopic::new(
                &shape.name,
                shape.partitions,
                TopicReplication::Fixed(shape.replication_factor),
            ),
            |topic, (name, value)| topic.set(name, value),
        );
        let done = admin.create_topics([&topic], options).await;
        for done in done.map_err(|error| TopicsError::Look(cause(error)))? {
            match done {
                Ok(name) => created.push(name),
                // Somebody else has just created it, by the same command.
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((name, code)) => return Err(TopicsError::Create(name, code)),
            }
        }
    }
    Ok(created)
}
