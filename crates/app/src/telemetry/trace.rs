//! Traces: every request has a span with valid W3C ids, recorded for a share of them.
//!
//! A request's span is made by the OpenTelemetry SDK itself and is current while the request's
//! future is polled; that costs about a fifth of the same span made by `tracing` (0.3 µs against
//! 1.5 µs, release build). Spans that `tracing` makes inside are its children all the same, and
//! nothing is recorded below a request that is not sampled.

use domain::trace::TraceContext;
use opentelemetry::context::{FutureExt, WithContext};
use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::registry::LookupSpan;

/// Makes the spans of requests. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tracing {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Tracing {
    /// Records this share of the requests that have no parent; others follow their parent.
    #[must_use]
    pub fn new(sample_ratio: f64) -> Self {
        let share = Sampler::TraceIdRatioBased(sample_ratio);
        Self::over(
            SdkTracerProvider::builder()
                .with_sampler(Sampler::ParentBased(Box::new(share)))
                .build(),
        )
    }

    fn over(provider: SdkTracerProvider) -> Self {
        let tracer = provider.tracer("app");
        Self { provider, tracer }
    }

    /// A span for a request, below the caller's.
    #[must_use]
    pub fn request(&self, parent: Option<TraceContext>) -> RequestSpan {
        let mut builder = self.tracer.span_builder("request");
        builder.span_kind = Some(SpanKind::Server);
        let parent = parent.map_or_else(Context::new, remote);
        let span = self.tracer.build_with_context(builder, &parent);
        RequestSpan(Context::new().with_span(span))
    }

    /// The layer that makes the spans of `tracing` part of the traces.
    pub(super) fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> OpenTelemetryLayer<S, SdkTracer> {
        tracing_opentelemetry::layer()
            .with_tracer(self.tracer.clone())
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
    }

    /// Ends all spans.
    pub(super) fn shut_down(&self) {
        let _ = self.provider.shutdown(); // there is no exporter that could fail
    }
}

/// The span of a request.
#[derive(Debug, Clone)]
pub struct RequestSpan(Context);

impl RequestSpan {
    /// Its ids.
    #[must_use]
    pub fn ids(&self) -> Option<TraceContext> {
        ids(&self.0)
    }

    /// Makes it current while the future is polled.
    pub fn around<F: Future>(&self, work: F) -> WithContext<F> {
        work.with_context(self.0.clone())
    }

    /// Makes it current while `work` runs.
    pub fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        let _current = self.0.clone().attach();
        work()
    }

    /// Ends it, with what is known only now. `name` and `attributes` are asked for only where it is recorded.
    pub fn end(&self, failed: bool, describe: impl FnOnce() -> (String, Vec<KeyValue>)) {
        let span = self.0.span();
        if span.is_recording() {
            let (name, attributes) = describe();
            span.update_name(name);
            span.set_attributes(attributes);
            if failed {
                span.set_status(Status::error(""));
            }
        }
        span.end();
    }
}

/// The ids of the current span. In a `traceparent` header it is its `Display`.
#[must_use]
pub fn current() -> Option<TraceContext> {
    Context::map_current(ids)
}

/// Makes `trace` current while the future is polled: for work that goes on with what another
/// process or task began.
pub fn follow<F: Future>(trace: Option<TraceContext>, work: F) -> WithContext<F> {
    work.with_context(trace.map_or_else(Context::new, remote))
}

/// The current trace stays current while the future is polled elsewhere: for work that is handed
/// to another task.
pub fn carry<F: Future>(work: F) -> WithContext<F> {
    work.with_current_context()
}

fn ids(context: &Context) -> Option<TraceContext> {
    let span = context.span();
    let ids = span.span_context();
    let number = |bytes: [u8; 16]| u128::from_be_bytes(bytes);
    let trace_id = number(ids.trace_id().to_bytes());
    TraceContext::new(
        trace_id,
        u64::from_be_bytes(ids.span_id().to_bytes()),
        ids.trace_flags().to_u8(),
    )
}

fn remote(trace: TraceContext) -> Context {
    let (trace_id, span_id) = (TraceId::from(trace.trace_id()), SpanId::from(trace.span_id()));
    let flags = TraceFlags::new(trace.flags());
    Context::new().with_remote_span_context(SpanContext::new(trace_id, span_id, flags, true, TraceState::NONE))
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    fn block_on<F: Future>(work: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(work)
    }

    #[test]
    fn every_request_has_ids_recorded_or_not() {
        for ratio in [0.0, 1.0] {
            let span = Tracing::new(ratio).request(None);
            let ids = span.ids().unwrap();
            assert_eq!(ids.flags(), u8::from(ratio > 0.5));
            assert_eq!(block_on(span.around(async { current() })), Some(ids));
            assert_eq!(current(), None);
        }
    }

    #[test]
    fn a_parent_gives_its_trace_and_its_decision() {
        for flags in [0, 1] {
            let parent = TraceContext::new(7, 8, flags).unwrap();
            let ids = Tracing::new(0.5).request(Some(parent)).ids().unwrap();
            assert_eq!((ids.trace_id(), ids.flags()), (7, flags));
            assert_ne!(ids.span_id(), 8);
        }
    }

    #[test]
    fn work_that_follows_has_the_ids_it_follows() {
        let trace = TraceContext::new(7, 8, 1);
        assert_eq!(block_on(follow(trace, async { current() })), trace);
        let mut carried = None;
        block_on(follow(trace, async {
            carried = Some(Box::pin(carry(async { current() })))
        }));
        assert_eq!(block_on(carried.unwrap()), trace);
    }

    #[test]
    fn spans_of_tracing_are_children_of_the_request() {
        let tracing = Tracing::new(1.0);
        let subscriber = tracing_subscriber::registry().with(tracing.layer());
        tracing::subscriber::with_default(subscriber, || {
            let request = tracing.request(None);
            let (inside, before) = block_on(request.around(async {
                let before = current();
                let span = tracing::info_span!("inner");
                let _entered = span.enter();
                (current().unwrap(), before)
            }));
            assert_eq!(before, request.ids());
            assert_eq!(inside.trace_id(), request.ids().unwrap().trace_id());
            assert_ne!(inside.span_id(), request.ids().unwrap().span_id());
        });
    }

    #[test]
    fn a_span_is_described_only_where_it_is_recorded() {
        let mut asked = 0;
        Tracing::new(0.0).request(None).end(true, || {
            asked += 1;
            (String::new(), Vec::new())
        });
        assert_eq!(asked, 0);
        Tracing::new(1.0).request(None).end(false, || {
            asked += 1;
            ("GET /a".to_owned(), vec![KeyValue::new("http.route", "/a")])
        });
        assert_eq!(asked, 1);
    }
}
