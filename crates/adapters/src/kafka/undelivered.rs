//! The dead letters of the notifier, in the dead-letter topic. One that the broker refuses, because it
//! is too long with what is written on it, is kept without its value: where the whole is, it says
//! itself. While nobody answers, the event waits.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::clock::Moment;
use domain::error::{Cause, cause};
use domain::notify::ports::{DeadLetters, Delivery};

use super::client::KafkaClient;
use super::dead_letters::{LEFT_OUT, letter, put};
use super::record::Outgoing;
use crate::events::EVENT_ID;

/// The most bytes of an event id on a letter that has lost its value.
const EVENT_ID_MAX_BYTES: usize = 256;

/// Writes dead letters. Cheap to clone.
#[derive(Debug, Clone)]
pub struct KafkaDeadLetters {
    client: Arc<KafkaClient>,
    now: fn() -> Moment,
}

impl KafkaDeadLetters {
    /// Of deliveries of the topic that the client is set to; `now` gives the time of a letter.
    #[must_use]
    pub const fn new(client: Arc<KafkaClient>, now: fn() -> Moment) -> Self {
        Self { client, now }
    }

    async fn write(
        &self,
        record: Outgoing,
        delivery: &Delivery,
        reason: &str,
    ) -> Result<(), super::errors::KafkaError> {
        let topic = &self.client.settings().topic;
        let sent = record.sent;
        put(
            &self.client,
            letter(record, topic, Some(delivery.position), reason, sent),
        )
        .await
    }
}

impl DeadLetters for KafkaDeadLetters {
    async fn put(&self, delivery: &Delivery, reason: &str) -> Result<(), Cause> {
        let sent = (self.now)();
        let whole = Outgoing {
            key: delivery.key.as_deref().map(Into::into),
            value: delivery.value.as_deref().map(Into::into),
            headers: delivery.headers.clone(),
            sent,
        };
        match self.write(whole, delivery, reason).await {
            Err(error) if error.is_refusal() => {
                let event_id = delivery.headers.get(EVENT_ID);
                let event_id = event_id.filter(|event_id| event_id.len() <= EVENT_ID_MAX_BYTES);
                let mut headers = BTreeMap::from([(LEFT_OUT.to_owned(), error.to_string().into_bytes())]);
                headers.extend(event_id.map(|event_id| (EVENT_ID.to_owned(), event_id.clone())));
                let rest = Outgoing {
                    key: None,
                    value: None,
                    headers,
                    sent,
                };
                self.write(rest, delivery, reason).await.map_err(cause)
            }
            other => other.map_err(cause),
        }
    }
}
