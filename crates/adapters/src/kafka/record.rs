//! What is appended to a topic, and how many bytes of a request it takes.

use std::collections::BTreeMap;

use domain::clock::Moment;
use rskafka::chrono::DateTime;
use rskafka::record::Record;

/// The most bytes of a produce request. The client writes a longer one in two parts without
/// TCP_NODELAY, and the second part then waits for the delayed acknowledgement of the first: 44 ms.
pub const FRAME_MAX_BYTES: usize = 8 * 1024;

/// What a request takes beside its records: its header with the name of the client, the name of the
/// topic, the head of the batch.
const FRAME_HEAD_BYTES: usize = 192;

/// What a record takes at most beside its key, value and headers: nine numbers of variable length.
const RECORD_HEAD_BYTES: usize = 32;

/// What a header takes beside its name and value.
const HEADER_HEAD_BYTES: usize = 10;

/// A record to be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Whose records share a partition.
    pub key: Option<Vec<u8>>,
    /// What it says.
    pub value: Option<Vec<u8>>,
    /// By name.
    pub headers: BTreeMap<String, Vec<u8>>,
    /// When it is sent: from here on the topic keeps it for its retention.
    pub sent: Moment,
}

impl Outgoing {
    /// The most bytes that it takes in a request.
    #[must_use]
    pub fn bytes_max(&self) -> usize {
        let length = |part: &Option<Vec<u8>>| part.as_ref().map_or(0, Vec::len);
        let headers = self.headers.iter();
        let headers: usize = headers
            .map(|(name, value)| name.len() + value.len() + HEADER_HEAD_BYTES)
            .sum();
        RECORD_HEAD_BYTES + length(&self.key) + length(&self.value) + headers
    }
}

impl From<Outgoing> for Record {
    fn from(outgoing: Outgoing) -> Self {
        Self {
            key: outgoing.key,
            value: outgoing.value,
            headers: outgoing.headers,
            // A moment is between the years 1970 and 9999.
            timestamp: DateTime::from_timestamp_millis(outgoing.sent.unix_millis()).unwrap_or_default(),
        }
    }
}

/// Splits what goes to one partition, in its order, into parts that fit a request each. What is too
/// long for any is a part of its own.
pub fn fill<T>(topic: &str, items: Vec<T>, bytes_max: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let room = FRAME_MAX_BYTES.saturating_sub(FRAME_HEAD_BYTES + topic.len());
    let (mut parts, mut taken) = (Vec::<Vec<T>>::new(), 0);
    for item in items {
        let bytes = bytes_max(&item);
        match parts.last_mut() {
            Some(part) if taken + bytes <= room => {
                part.push(item);
                taken += bytes;
            }
            _ => {
                parts.push(vec![item]);
                taken = bytes;
            }
        }
    }
    parts
}
