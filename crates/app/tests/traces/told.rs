//! Spans as the collector was told them, and the tree that they make.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};

/// Attributes as text, by name.
pub(crate) type Attributes = BTreeMap<String, String>;

/// A span.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) resource: Attributes,
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty for the first of a trace.
    pub(crate) parent: String,
    pub(crate) state: String,
    /// The spans that it is linked to, by their ids.
    pub(crate) links: Vec<String>,
    pub(crate) attributes: Attributes,
    pub(crate) failed: bool,
    pub(crate) took: (u64, u64),
    /// Everything there is of it, to look for what must not be there.
    pub(crate) whole: String,
}

impl Told {
    /// The role that made it.
    pub(crate) fn service(&self) -> &str {
        &self.resource["service.name"]
    }

    /// An attribute; empty where there is none.
    pub(crate) fn of(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    /// As one line: who, what kind, what, and how it failed.
    fn line(&self) -> String {
        let failure = match self.failed {
            true => format!(" ! {}", self.of("error.type")),
            false => String::new(),
        };
        format!("{} {} {}{failure}", self.service(), self.kind, self.name)
    }
}

/// The spans of what a process sent at once.
pub(crate) fn spans(request: ExportTraceServiceRequest) -> Vec<Told> {
    request.resource_spans.into_iter().flat_map(of_resource).collect()
}

fn of_resource(all: ResourceSpans) -> Vec<Told> {
    let resource = attributes(&all.resource.unwrap_or_default().attributes);
    let spans = all.scope_spans.into_iter().flat_map(|scope| scope.spans);
    spans.map(|span| told(resource.clone(), span)).collect()
}

fn told(resource: Attributes, span: Span) -> Told {
    let whole = format!("{span:?}");
    let status = span.status.as_ref().map_or(StatusCode::Unset, |status| status.code());
    let links = span.links.iter().map(|link| hex(&link.span_id)).collect();
    Told {
        kind: match span.kind() {
            SpanKind::Internal => "INTERNAL",
            SpanKind::Server => "SERVER",
            SpanKind::Client => "CLIENT",
            SpanKind::Producer => "PRODUCER",
            SpanKind::Consumer => "CONSUMER",
            SpanKind::Unspecified => "UNSPECIFIED",
        },
        attributes: attributes(&span.attributes),
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        failed: status == StatusCode::Error,
        took: (span.start_time_unix_nano, span.end_time_unix_nano),
        resource,
        name: span.name,
        state: span.trace_state,
        links,
        whole,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn attributes(all: &[KeyValue]) -> Attributes {
    let text = |value: &Option<AnyValue>| match value.as_ref().and_then(|value| value.value.clone()) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    let read: Attributes = all.iter().map(|one| (one.key.clone(), text(&one.value))).collect();
    assert_eq!(read.len(), all.len(), "an attribute stands twice: {all:?}");
    read
}

/// The spans below a parent as a tree, a line each, siblings by their text.
pub(crate) fn tree(spans: &[Told], parent: &str) -> Vec<String> {
    let mut siblings: Vec<Vec<String>> = spans
        .iter()
        .filter(|span| span.parent == parent)
        .map(|span| {
            let below = tree(spans, &span.id).into_iter().map(|line| format!("  {line}"));
            std::iter::once(span.line()).chain(below).collect()
        })
        .collect();
    siblings.sort();
    siblings.concat()
}
