//! Spans of what is done for a request: calls of others, batches, messages. They are made by the API
//! of OpenTelemetry, as counters are by that of `metrics`; whoever wires the process installs what
//! records them. Attributes have the names of OpenTelemetry's semantic conventions, and never a value
//! that a user sent or that is secret.
//!
//! Most requests are not sampled. For those a [`Span`] is empty: nothing is described, allocated or
//! made current, and work goes on below the span that is current already.

use std::borrow::Cow;
use std::future::Future;

use domain::trace::TraceContext;
use futures::future::Either;
use opentelemetry::context::FutureExt;
use opentelemetry::trace::{
    Link, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer,
};
use opentelemetry::{Context, KeyValue, StringValue, global};

use crate::metrics::{CANCELLED, TIMEOUT, overdue};

/// Who makes the spans.
const SCOPE: &str = "app";

/// The name of a span, and what is known of it from the beginning.
pub type Description = (Cow<'static, str>, Vec<KeyValue>);

/// A span that ends when it is dropped, or nothing where its trace is not sampled. Clones are the same span.
#[derive(Debug, Clone, Default)]
pub struct Span(Option<Context>);

impl Span {
    /// The current one, if it is sampled.
    #[must_use]
    pub fn current() -> Self {
        let is_sampled = Context::map_current(|context| context.span().span_context().is_sampled());
        Self(is_sampled.then(Context::current))
    }

    /// Begins one below the current span, where that is sampled.
    #[must_use]
    pub fn below_current(kind: SpanKind, describe: impl FnOnce() -> Description) -> Self {
        Self::current()
            .0
            .map_or_else(Self::default, |parent| begin(&parent, kind, Vec::new(), describe()))
    }

    /// Begins one below a span of another process or task, where that is sampled. Without a parent it
    /// begins a trace, which is sampled or not as those of requests are.
    #[must_use]
    pub fn below(parent: Option<TraceContext>, kind: SpanKind, describe: impl FnOnce() -> Description) -> Self {
        match parent {
            Some(parent) if !is_sampled(parent) => Self::default(),
            Some(parent) => begin(&remote(parent), kind, Vec::new(), describe()),
            None => begin(&Context::new(), kind, Vec::new(), describe()),
        }
    }

    /// Begins one for several callers at once: below the first that is sampled, with a link to each
    /// that is, and each of the others has a link to it.
    #[must_use]
    pub fn for_all<'a>(
        callers: impl Iterator<Item = &'a Self> + Clone,
        kind: SpanKind,
        describe: impl FnOnce() -> Description,
    ) -> Self {
        let mut contexts = callers.filter_map(|caller| caller.0.as_ref());
        let Some(first) = contexts.clone().next() else {
            return Self::default();
        };
        let links = contexts.clone().map(|context| context.span().span_context().clone());
        let links = links.map(|caller| Link::new(caller, Vec::new(), 0)).collect();
        let span = begin(first, kind, links, describe());
        let joined = span.0.as_ref().map(|context| context.span().span_context().clone());
        if let Some(joined) = joined {
            contexts.next(); // its child it is
            contexts.for_each(|context| context.span().add_link(joined.clone(), Vec::new()));
        }
        span
    }

    /// Its ids; `None` where it is empty.
    #[must_use]
    pub fn ids(&self) -> Option<TraceContext> {
        self.0.as_ref().and_then(ids)
    }

    /// Makes it current while the future is polled. Work that is dropped before its end has failed. An
    /// empty span gives the work back as it is: futures that hold each other several times over would
    /// outgrow the stack.
    pub fn around<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<'_, F> {
        let Some(context) = &self.0 else {
            return Either::Left(work);
        };
        let work = Box::pin(work.with_context(context.clone()));
        Either::Right(async move {
            let dropped = Dropped(self);
            let done = work.await;
            std::mem::forget(dropped);
            done
        })
    }

    /// Tells what is known only now.
    pub fn tell(&self, attributes: impl FnOnce() -> Vec<KeyValue>) {
        if let Some(context) = &self.0 {
            context.span().set_attributes(attributes());
        }
    }

    /// Marks it as failed, for a reason of a kind of which there are few. Messages of errors may quote
    /// what somebody sent, so they stay in the log.
    pub fn fail(&self, error_type: impl FnOnce() -> StringValue) {
        if let Some(context) = &self.0 {
            let span = context.span();
            span.set_attribute(KeyValue::new("error.type", error_type()));
            span.set_status(Status::error(""));
        }
    }
}

/// Marks a span as failed, unless it is forgotten.
struct Dropped<'s>(&'s Span);

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        self.0.fail(|| if overdue() { TIMEOUT } else { CANCELLED }.into());
    }
}

fn begin(parent: &Context, kind: SpanKind, links: Vec<Link>, (name, attributes): Description) -> Span {
    let builder = SpanBuilder::from_name(name)
        .with_kind(kind)
        .with_links(links)
        .with_attributes(attributes);
    let span = global::tracer(SCOPE).build_with_context(builder, parent);
    let context = parent.with_span(span);
    let is_sampled = context.span().span_context().is_sampled();
    Span(is_sampled.then_some(context))
}

const fn is_sampled(trace: TraceContext) -> bool {
    trace.flags() & 1 == 1
}

/// The ids of the span of a context.
#[must_use]
pub fn ids(context: &Context) -> Option<TraceContext> {
    let span = context.span();
    let ids = span.span_context();
    TraceContext::new(
        u128::from_be_bytes(ids.trace_id().to_bytes()),
        u64::from_be_bytes(ids.span_id().to_bytes()),
        ids.trace_flags().to_u8(),
    )
}

/// A context below a span of another process or task.
#[must_use]
pub fn remote(trace: TraceContext) -> Context {
    remote_with(trace, TraceState::NONE)
}

/// As [`remote`], with what other systems said of the trace.
#[must_use]
pub fn remote_with(trace: TraceContext, state: TraceState) -> Context {
    let (trace_id, span_id) = (TraceId::from(trace.trace_id()), SpanId::from(trace.span_id()));
    let flags = TraceFlags::new(trace.flags());
    Context::new().with_remote_span_context(SpanContext::new(trace_id, span_id, flags, true, state))
}

/// The `tracestate` of the current span; `None` where other systems said nothing of its trace.
#[must_use]
pub fn tracestate() -> Option<String> {
    Context::map_current(|context| {
        let header = context.span().span_context().trace_state().header();
        Some(header).filter(|header| !header.is_empty())
    })
}

/// Where a server is, from its `HOST:PORT`.
#[must_use]
pub fn server(name: &str) -> Vec<KeyValue> {
    match name.rsplit_once(':') {
        Some((host, port)) => match port.parse::<u16>() {
            Ok(port) => vec![
                KeyValue::new("server.address", host.to_owned()),
                KeyValue::new("server.port", i64::from(port)),
            ],
            Err(_) => vec![KeyValue::new("server.address", name.to_owned())],
        },
        None => vec![KeyValue::new("server.address", name.to_owned())],
    }
}
