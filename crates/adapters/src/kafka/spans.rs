//! Spans of messages on their way to a topic. A message carries the context of its span, so that who
//! handles it stands below it.

use domain::order::event::OrderEvent;
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanKind;

use super::record::Outgoing;
use super::settings::KafkaSettings;
use crate::events::EVENT_ID;
use crate::metrics::TIMEOUT;
use crate::spans::{Description, Span};

/// The sending of one event. What is dropped before its end is known has failed.
#[derive(Debug)]
pub(super) struct Sending {
    span: Span,
    has_ended: bool,
}

impl Sending {
    /// Below the request that caused the event. One that was caused by no request has no span.
    pub(super) fn of(settings: &KafkaSettings, event: &OrderEvent) -> Self {
        let span = match event.change.trace {
            None => Span::default(),
            cause => Span::below(cause, SpanKind::Producer, || {
                describe(settings, &settings.topic, Some(event.id.to_string()))
            }),
        };
        Self { span, has_ended: false }
    }

    pub(super) const fn span(&self) -> &Span {
        &self.span
    }

    /// It stands there.
    pub(super) fn appended(&mut self, partition: u32, offset: i64) {
        appended(&self.span, partition, offset);
        self.has_ended = true;
    }

    pub(super) fn failed(&mut self, error_type: &'static str) {
        self.span.fail(|| error_type.into());
        self.has_ended = true;
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if !self.has_ended {
            self.failed(TIMEOUT);
        }
    }
}

/// A span around the sending of a dead letter, below the handling of its event. The letter carries
/// the context that its event had, and so it is a call and no new message.
pub(super) fn of_letter(settings: &KafkaSettings, letter: &Outgoing) -> Span {
    Span::below_current(SpanKind::Client, || {
        let event_id = letter.headers.get(EVENT_ID);
        let event_id = event_id.and_then(|event_id| String::from_utf8(event_id.clone()).ok());
        describe(settings, &settings.dead_letter_topic, event_id)
    })
}

/// Tells where a message stands now.
pub(super) fn appended(span: &Span, partition: u32, offset: i64) {
    span.tell(|| {
        vec![
            KeyValue::new("messaging.destination.partition.id", partition.to_string()),
            KeyValue::new("messaging.kafka.offset", offset),
        ]
    });
}

fn describe(settings: &KafkaSettings, topic: &str, event_id: Option<String>) -> Description {
    let mut attributes = vec![
        KeyValue::new("messaging.system", "kafka"),
        KeyValue::new("messaging.destination.name", topic.to_owned()),
        KeyValue::new("messaging.operation.name", "send"),
        KeyValue::new("messaging.operation.type", "send"),
        KeyValue::new("messaging.client.id", settings.client_id),
    ];
    attributes.extend(event_id.map(|event_id| KeyValue::new("messaging.message.id", event_id)));
    (format!("send {topic}").into(), attributes)
}
