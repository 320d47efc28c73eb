//! A span around the handling of each delivery, all its tries included, below the one that sent it.

use adapters::events::{EVENT_ID, TRACEPARENT};
use adapters::spans::Span;
use domain::notify::handle::Handled;
use domain::notify::ports::Delivery;
use domain::trace::TraceContext;
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanKind;

use super::Stream;

/// The span of a delivery.
pub(super) fn of_delivery(stream: &Stream, delivery: &Delivery) -> Span {
    // Also of one that is no event.
    let header = |name: &str| {
        delivery
            .headers
            .get(name)
            .and_then(|value| std::str::from_utf8(value).ok())
    };
    let sender = match &delivery.content {
        Ok(event) => event.trace,
        Err(_) => header(TRACEPARENT).and_then(TraceContext::parse),
    };
    Span::below(sender, SpanKind::Consumer, || {
        let mut attributes = vec![
            KeyValue::new("messaging.system", stream.system),
            KeyValue::new("messaging.destination.name", stream.topic.clone()),
            KeyValue::new("messaging.operation.name", "process"),
            KeyValue::new("messaging.operation.type", "process"),
            KeyValue::new("messaging.consumer.group.name", stream.group.clone()),
            KeyValue::new(
                "messaging.destination.partition.id",
                delivery.position.partition.to_string(),
            ),
            KeyValue::new("messaging.kafka.offset", delivery.position.offset),
        ];
        let event_id = match &delivery.content {
            Ok(event) => Some(&*event.event_id),
            Err(_) => header(EVENT_ID),
        };
        attributes.extend(event_id.map(|event_id| KeyValue::new("messaging.message.id", event_id.to_owned())));
        (format!("process {}", stream.topic).into(), attributes)
    })
}

/// Tells what became of it; `None` where it was given up, and comes again.
pub(super) fn note(span: &Span, outcome: Option<&Handled>) {
    let told = match outcome {
        Some(Handled::Delivered { .. }) => "delivered",
        Some(Handled::Repeat) => "repeat",
        Some(Handled::DeadLettered(_)) => "dead_lettered",
        None => "given_up",
    };
    span.tell(|| vec![KeyValue::new("notifier.outcome", told)]);
    match outcome {
        Some(Handled::Delivered { .. } | Handled::Repeat) => {}
        Some(Handled::DeadLettered(_)) | None => span.fail(|| told.into()),
    }
}
