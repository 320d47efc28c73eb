//! Order events as messages of the topic `loms.order-events`: key, value, headers, partition.
//! The stream in memory carries the same messages as Kafka, so that what reads them is tested
//! without a broker. Source: the contract, "Order events".

use std::collections::BTreeMap;

use domain::clock::Moment;
use domain::notify::ports::{Received, Unreadable};
use domain::order::event::OrderEvent;
use domain::order::status::OrderStatus;
use domain::trace::TraceContext;
use domain::types::OrderId;
use serde::{Deserialize, Serialize};

/// The type of the value.
pub const CONTENT_TYPE: &str = "application/json";

/// The longest event id: ids are remembered, and memory is bounded.
const EVENT_ID_MAX_BYTES: usize = 256;

/// The value, exactly these fields.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Value<'a> {
    order_id: i64,
    #[serde(borrow)]
    status: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    moment: std::borrow::Cow<'a, str>,
}

/// Header: tells a repeat.
pub const EVENT_ID: &str = "event-id";
/// Header: the type of the value.
pub const CONTENT_TYPE_NAME: &str = "content-type";
/// Header: the trace that caused the event.
pub const TRACEPARENT: &str = "traceparent";

/// An event as it travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The order id in decimal.
    pub key: Box<[u8]>,
    /// JSON.
    pub value: Box<[u8]>,
    /// Header `event-id`.
    pub event_id: Box<str>,
    /// Header `traceparent`.
    pub trace: Option<TraceContext>,
}

impl Message {
    /// The message of an event.
    #[must_use]
    pub fn encode(event: &OrderEvent) -> Self {
        let change = &event.change;
        let moment = change.moment.to_string();
        let status = change.status.as_str();
        // The three fields need no escaping: digits, a word of ours, a moment.
        let value = format!(
            r#"{{"order_id":{},"status":"{status}","moment":"{moment}"}}"#,
            change.order
        );
        Self {
            key: change.order.to_string().into_bytes().into(),
            value: value.into_bytes().into(),
            event_id: event.id.to_string().into(),
            trace: change.trace,
        }
    }

    /// Its headers by name, as the contract has them.
    #[must_use]
    pub fn headers(&self) -> BTreeMap<String, Vec<u8>> {
        let mut headers = BTreeMap::from([
            (EVENT_ID.to_owned(), self.event_id.as_bytes().to_vec()),
            (CONTENT_TYPE_NAME.to_owned(), CONTENT_TYPE.as_bytes().to_vec()),
        ]);
        if let Some(trace) = &self.trace {
            headers.insert(TRACEPARENT.to_owned(), trace.to_string().into_bytes());
        }
        headers
    }

    /// The event of a message.
    ///
    /// # Errors
    /// [`Unreadable`] says what is wrong with it.
    pub fn decode(&self) -> Result<Received, Unreadable> {
        let value: Value<'_> = serde_json::from_slice(&self.value).map_err(|error| Unreadable(error.to_string()))?;
        let order = OrderId::try_from(value.order_id).map_err(|error| Unreadable(error.to_string()))?;
        let status = OrderStatus::parse(&value.status);
        let status = status.ok_or_else(|| Unreadable(format!("unknown status {:?}", value.status)))?;
        let moment = Moment::parse(&value.moment).map_err(|error| Unreadable(format!("moment: {error}")))?;
        if self.event_id.is_empty() || self.event_id.len() > EVENT_ID_MAX_BYTES {
            let reason = format!(
                "the header {EVENT_ID} has {} bytes, not 1 to {EVENT_ID_MAX_BYTES}",
                self.event_id.len()
            );
            return Err(Unreadable(reason));
        }
        Ok(Received {
            event_id: self.event_id.clone(),
            order,
            status,
            moment,
            trace: self.trace,
        })
    }
}

/// The partition that Kafka's Java client chooses for a key among `partitions` ones: murmur2,
/// sign bit cleared, modulo. Written here because no crate of Kafka's clients exposes it.
#[must_use]
pub fn partition_of(key: &[u8], partitions: u32) -> u32 {
    (murmur2(key) & 0x7fff_ffff) % partitions.max(1)
}

/// MurmurHash2, 32 bits, with the seed of Kafka's client. Source: Austin Appleby's reference.
fn murmur2(key: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    const SEED: u32 = 0x9747_b28c;
    // Keys are far shorter than 4 GiB; the hash only mixes the length in.
    let mut hash = SEED ^ u32::try_from(key.len()).unwrap_or(u32::MAX);
    let (words, rest) = key.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k = (k ^ (k >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    if !rest.is_empty() {
        for (at, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * at);
        }
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use domain::order::event::StatusChange;
    use domain::types::EventId;

    use super::*;

    fn event() -> OrderEvent {
        let change = StatusChange {
            order: OrderId::try_from(1).unwrap(),
            status: OrderStatus::AwaitingPayment,
            moment: Moment::parse("2026-01-02T03:04:05.678Z").unwrap(),
            trace: TraceContext::new(1, 2, 1),
        };
        OrderEvent {
            id: EventId::try_from(7).unwrap(),
            change,
        }
    }

    #[test]
    fn the_value_is_that_of_the_contract() {
        let message = Message::encode(&event());
        let value = std::str::from_utf8(&message.value).unwrap();
        assert_eq!(
            value,
            r#"{"order_id":1,"status":"awaiting payment","moment":"2026-01-02T03:04:05.678Z"}"#
        );
        assert_eq!((&*message.key, &*message.event_id), (&b"1"[..], "7"));
    }

    #[test]
    fn reads_what_it_writes() {
        let received = Message::encode(&event()).decode().unwrap();
        let change = event().change;
        assert_eq!((received.order, received.status), (change.order, change.status));
        assert_eq!((received.moment, received.trace), (change.moment, change.trace));
    }

    #[test]
    fn refuses_what_is_no_event() {
        let with = |value: &str| Message {
            value: value.as_bytes().into(),
            ..Message::encode(&event())
        };
        for bad in [
            "",
            "[]",
            r#"{"order_id":1,"status":"new"}"#,
            r#"{"order_id":0,"status":"new","moment":"2026-01-02T03:04:05.678Z"}"#,
            r#"{"order_id":1,"status":"paid","moment":"2026-01-02T03:04:05.678Z"}"#,
            r#"{"order_id":1,"status":"new","moment":"now"}"#,
            r#"{"order_id":1,"status":"new","moment":"2026-01-02T03:04:05.678Z","more":1}"#,
        ] {
            assert!(with(bad).decode().is_err(), "{bad}");
        }
        assert!(
            Message {
                event_id: "".into(),
                ..Message::encode(&event())
            }
            .decode()
            .is_err()
        );
    }

    #[test]
    fn murmur2_agrees_with_the_vectors_of_kafkas_own_test() {
        // From UtilsTest.testMurmur2 of Apache Kafka.
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key}");
        }
    }
}
