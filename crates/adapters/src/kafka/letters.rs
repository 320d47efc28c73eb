//! Looking through the topic of dead letters. How far they were sent back is remembered by Kafka, as the
//! committed positions of a group: a look sees them, and joins nothing; its members are those who send
//! letters back (`replay`).
//!
//! It waits on the library's own threads: call it where blocking is allowed.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::clock::Moment;
use domain::notify::ports::Position;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError as LibraryError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, Timestamp, TopicPartitionList};

use super::dead_letters::{LEFT_OUT, OFFSET, PARTITION, REASON, TOPIC};
use super::librdkafka;
use super::settings::KafkaSettings;
use crate::events::EVENT_ID;

/// The longest wait for one letter.
pub(super) const POLL: Duration = Duration::from_millis(100);

/// Why letters cannot be looked through.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LettersError {
    /// The library says so.
    #[error("the dead letters cannot be looked through: {0}")]
    Library(#[from] LibraryError),
    /// There are none because there is no topic.
    #[error("there is no topic {0:?}; `app topics` creates it")]
    NoTopic(String),
    /// Nothing came.
    #[error("nothing came within {0:?}; does the broker answer?")]
    Silent(Duration),
    /// Brokers answer, and nobody is told what is his.
    #[error("the group of those who send letters back did not answer within {0:?}")]
    NoGroup(Duration),
    /// Somebody else sends them back.
    #[error("another replay is at work; nothing was sent. Wait for its end, then look with `app dlq list`")]
    Busy,
    /// Somebody else goes on with it.
    #[error("another replay has taken over, because nothing was heard of this one; the last letters may be back twice")]
    Lost,
}

/// A dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Where it stands among the dead letters.
    pub position: Position,
    /// When it was written, if that is known.
    pub written: Option<Moment>,
    /// Its key as it came.
    pub key: Option<Vec<u8>>,
    /// Its value as it came.
    pub value: Option<Vec<u8>>,
    /// Its headers, ours and those with which it came.
    pub headers: BTreeMap<String, Vec<u8>>,
}

impl Letter {
    fn text(&self, header: &str) -> Option<String> {
        let value = self.headers.get(header)?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    /// Why it is here.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        self.text(REASON)
    }

    /// The topic where it belongs.
    #[must_use]
    pub fn topic(&self) -> Option<String> {
        self.text(TOPIC)
    }

    /// Where it stood there, if it did.
    #[must_use]
    pub fn origin(&self) -> Option<Position> {
        Some(Position {
            partition: self.text(PARTITION)?.parse().ok()?,
            offset: self.text(OFFSET)?.parse().ok()?,
        })
    }

    /// Its event id.
    #[must_use]
    pub fn event_id(&self) -> Option<String> {
        self.text(EVENT_ID)
    }

    /// Why it is here without its key and value, if it is: it cannot be sent back.
    #[must_use]
    pub fn left_out(&self) -> Option<String> {
        self.text(LEFT_OUT)
    }
}

/// A partition of the dead letters.
#[derive(Debug, Clone, Copy)]
struct Part {
    number: i32,
    first: i64,
    end: i64,
    /// Behind the last one that was sent back.
    replayed: i64,
}

/// The dead letters as they were when they were opened.
pub struct Letters {
    reader: BaseConsumer,
    topic: String,
    parts: Vec<Part>,
    within: Duration,
}

impl Letters {
    /// Looks how many there are, and how far they were sent back.
    ///
    /// # Errors
    /// [`LettersError`]; `within` is the time for each step.
    pub fn open(settings: &KafkaSettings, within: Duration) -> Result<Self, LettersError> {
        let topic = settings.dead_letter_topic.clone();
        let reader: BaseConsumer = reader_config(settings).create()?;
        let metadata = reader.fetch_metadata(Some(&topic), within)?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let numbers: Vec<i32> = found
            .filter(|found| found.error().is_none())
            .map(|found| found.partitions().iter().map(|partition| partition.id()).collect())
            .unwrap_or_default();
        if numbers.is_empty() {
            return Err(LettersError::NoTopic(topic));
        }
        let mut list = TopicPartitionList::new();
        for number in &numbers {
            list.add_partition(&topic, *number);
        }
        let committed = reader.committed_offsets(list, within)?;
        let mut parts = Vec::with_capacity(numbers.len());
        for number in numbers {
            let (first, end) = reader.fetch_watermarks(&topic, number, within)?;
            let known = committed.find_partition(&topic, number).map(|element| element.offset());
            let replayed = match known {
                Some(Offset::Offset(offset)) => offset.max(first),
                _ => first,
            };
            parts.push(Part {
                number,
                first,
                end,
                replayed,
            });
        }
        Ok(Self {
            reader,
            topic,
            parts,
            within,
        })
    }

    /// Whether all of them were sent back.
    #[must_use]
    pub fn are_all_replayed(&self) -> bool {
        self.parts.iter().all(|part| part.replayed >= part.end)
    }

    pub(super) fn topic(&self) -> &str {
        &self.topic
    }

    pub(super) fn ends(&self) -> impl Iterator<Item = (i32, i64)> {
        self.parts.iter().map(|part| (part.number, part.end))
    }

    pub(super) const fn within(&self) -> Duration {
        self.within
    }

    /// Whether a letter was sent back.
    #[must_use]
    pub fn is_replayed(&self, letter: &Letter) -> bool {
        let mut parts = self.parts.iter();
        let part = parts.find(|part| part.number == letter.position.partition);
        part.is_some_and(|part| letter.position.offset < part.replayed)
    }

    /// Reads them, oldest first in each partition: all, or those that were not sent back. What is
    /// written meanwhile is not read.
    ///
    /// # Errors
    /// The first of `each`, or [`LettersError`].
    pub fn read<E: From<LettersError>>(
        &self,
        all: bool,
        mut each: impl FnMut(Letter) -> Result<(), E>,
    ) -> Result<(), E> {
        for part in &self.parts {
            let from = if all { part.first } else { part.replayed };
            if from < part.end {
                self.read_part(*part, from, &mut each)?;
            }
        }
        Ok(())
    }

    fn read_part<E: From<LettersError>>(
        &self,
        part: Part,
        from: i64,
        each: &mut impl FnMut(Letter) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut list = TopicPartitionList::new();
        let assigned = list
            .add_partition_offset(&self.topic, part.number, Offset::Offset(from))
            .and_then(|()| self.reader.assign(&list));
        assigned.map_err(LettersError::from)?;
        let mut silent = Duration::ZERO;
        loop {
            match self.reader.poll(POLL) {
                Some(Ok(message)) => {
                    silent = Duration::ZERO;
                    let last = message.offset() + 1 >= part.end;
                    if message.offset() < part.end {
                        each(copy(&message))?;
                    }
                    if last {
                        return Ok(());
                    }
                }
                Some(Err(LibraryError::PartitionEOF(_))) => return Ok(()),
                // The library tries again by itself; what counts is that nothing comes.
                Some(Err(_)) | None => silent += POLL,
            }
            if silent >= self.within {
                return Err(LettersError::Silent(self.within).into());
            }
        }
    }
}

impl std::fmt::Debug for Letters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Letters")
            .field("parts", &self.parts)
            .finish_non_exhaustive()
    }
}

/// What reads letters: nothing about positions happens by itself.
pub(super) fn reader_config(settings: &KafkaSettings) -> ClientConfig {
    let mut config = librdkafka::config(settings);
    config
        .set("group.id", format!("{}.replay", settings.dead_letter_topic))
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "earliest");
    config
}

pub(super) fn copy(message: &BorrowedMessage<'_>) -> Letter {
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    let written = match message.timestamp() {
        Timestamp::NotAvailable => None,
        Timestamp::CreateTime(millis) | Timestamp::LogAppendTime(millis) => Some(Moment::from_unix_millis(millis)),
    };
    Letter {
        position: Position {
            partition: message.partition(),
            offset: message.offset(),
        },
        written,
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers
            .map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec()))
            .collect(),
    }
}
