//! Traces: every request has a span with valid W3C ids, recorded for a share of them.
//!
//! A request's span is made by the OpenTelemetry SDK itself and is current while the request's
//! future is polled; that costs about a fifth of the same span made by `tracing` (0.3 µs against
//! 1.5 µs, release build). Spans that `tracing` makes inside are its children all the same, and
//! nothing is recorded below a request that is not sampled.

use std::sync::Arc;
use std::time::Duration;

use adapters::spans::{ids, remote, remote_with};
use domain::trace::TraceContext;
use opentelemetry::context::{FutureExt, WithContext};
use opentelemetry::trace::{SpanKind, Status, TraceContextExt, TraceState, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, TracerProviderBuilder};
use slog::{Logger, warn};
use tokio_util::sync::CancellationToken;
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::registry::LookupSpan;

use super::Importance;
use super::export::{Exporter, Waiting};

/// The most links of a span: those of a batch are its members.
const LINKS_MAX: u32 = 4_096;
/// The longest `tracestate` that is passed on; the standard asks for at least this.
const TRACESTATE_MAX_BYTES: usize = 512;

/// Makes the spans of requests. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tracing {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    /// Gives ids and records nothing.
    quiet: SdkTracer,
    waiting: Option<Arc<Waiting>>,
}

impl Tracing {
    /// Records this share of the requests that have no parent; others follow their parent. What is
    /// recorded goes nowhere.
    #[must_use]
    pub fn new(sample_ratio: f64) -> Self {
        Self::over(builder(sample_ratio).build(), None)
    }

    /// As [`Tracing::new`], and what is recorded goes to a collector.
    pub(super) fn exporting(sample_ratio: f64, resource: Resource, exporter: Exporter) -> Self {
        let (processor, waiting) = exporter.processor();
        let provider = builder(sample_ratio)
            .with_resource(resource)
            .with_span_processor(processor)
            .build();
        Self::over(provider, Some(waiting))
    }

    fn over(provider: SdkTracerProvider, waiting: Option<Arc<Waiting>>) -> Self {
        let quiet = SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOff).build();
        Self {
            tracer: provider.tracer("app"),
            quiet: quiet.tracer("app"),
            provider,
            waiting,
        }
    }

    /// Has whoever makes spans by the API of OpenTelemetry make them here; where nothing is exported
    /// those would be for nobody.
    pub(super) fn take_the_process_if_exported(&self) {
        if self.waiting.is_some() {
            opentelemetry::global::set_tracer_provider(self.provider.clone());
        }
    }

    /// A span for a request, below the caller's, which is found in the headers of the request. Probes
    /// and the like are recorded only where their caller's span is.
    #[must_use]
    pub fn request<'h>(
        &self,
        name: &'static str,
        importance: Importance,
        header: impl Fn(&str) -> Option<&'h str>,
    ) -> RequestSpan {
        let mut builder = self.tracer.span_builder(name);
        builder.span_kind = Some(SpanKind::Server);
        let caller = header("traceparent").and_then(TraceContext::parse);
        let parent = caller.map_or_else(Context::new, |caller| {
            let state = header("tracestate").filter(|state| state.len() <= TRACESTATE_MAX_BYTES);
            let state = state.and_then(|state| state.parse().ok());
            remote_with(caller, state.unwrap_or(TraceState::NONE))
        });
        let tracer = match importance {
            Importance::Routine if caller.is_none() => &self.quiet,
            Importance::Routine | Importance::Normal | Importance::Cancelled | Importance::Failure => &self.tracer,
        };
        let span = tracer.build_with_context(builder, &parent);
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

    /// Waits for the end, and then sends what was recorded; no longer than `within`, because a
    /// collector that does not answer must not make an orderly end a failed one.
    pub async fn flush_at_the_end(self, end: CancellationToken, within: Duration, log: Logger) {
        end.cancelled().await;
        let Some(waiting) = self.waiting.clone() else { return };
        let (done, is_done) = tokio::sync::oneshot::channel();
        let flush = move || {
            let _ = self.provider.force_flush(); // what failed was counted
            let _ = done.send(());
        };
        if std::thread::Builder::new()
            .name("last spans".to_owned())
            .spawn(flush)
            .is_ok()
        {
            let _ = tokio::time::timeout(within, is_done).await;
        }
        let left = waiting.count();
        if left > 0 {
            warn!(log, "spans were not exported before the end"; "spans" => left);
        }
    }

    /// Ends all spans, and waits no longer than `within` for their exporter.
    pub(super) fn shut_down(&self, within: Duration) {
        let _ = self.provider.shutdown_with_timeout(within); // nobody is left to be told
    }
}

fn builder(sample_ratio: f64) -> TracerProviderBuilder {
    let share = Sampler::TraceIdRatioBased(sample_ratio);
    SdkTracerProvider::builder()
        .with_max_links_per_span(LINKS_MAX)
        .with_sampler(Sampler::ParentBased(Box::new(share)))
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
            let span = Tracing::new(ratio).request("x", Importance::Normal, |_| None);
            let ids = span.ids().unwrap();
            assert_eq!(ids.flags(), u8::from(ratio > 0.5));
            assert_eq!(block_on(span.around(async { current() })), Some(ids));
            assert_eq!(current(), None);
        }
    }

    #[test]
    fn a_probe_has_ids_and_is_recorded_only_with_its_caller() {
        let probe = |parent: Option<&'static str>| {
            let request = Tracing::new(1.0).request("x", Importance::Routine, |name| {
                parent.filter(|_| name == "traceparent")
            });
            request.ids().unwrap().flags()
        };
        assert_eq!(probe(None), 0);
        assert_eq!(
            probe(Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")),
            1
        );
    }

    #[test]
    fn a_parent_gives_its_trace_and_its_decision() {
        for flags in [0, 1] {
            let parent = TraceContext::new(7, 8, flags).unwrap().to_string();
            let header = |name: &str| (name == "traceparent").then_some(&*parent);
            let ids = Tracing::new(0.5)
                .request("x", Importance::Normal, header)
                .ids()
                .unwrap();
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
            let request = tracing.request("x", Importance::Normal, |_| None);
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
        Tracing::new(0.0)
            .request("x", Importance::Normal, |_| None)
            .end(true, || {
                asked += 1;
                (String::new(), Vec::new())
            });
        assert_eq!(asked, 0);
        Tracing::new(1.0)
            .request("x", Importance::Normal, |_| None)
            .end(false, || {
                asked += 1;
                ("GET /a".to_owned(), vec![KeyValue::new("http.route", "/a")])
            });
        assert_eq!(asked, 1);
    }

    #[test]
    fn what_other_systems_said_of_a_trace_goes_on_unless_it_is_too_long_or_no_tracestate() {
        let told = |state: &str| {
            let header = |name: &str| match name {
                "traceparent" => Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
                "tracestate" => Some(state),
                _ => None,
            };
            let request = Tracing::new(0.0).request("x", Importance::Normal, header);
            block_on(request.around(async { adapters::spans::tracestate() }))
        };
        assert_eq!(told("a=1,b=2").as_deref(), Some("a=1,b=2"));
        assert_eq!(told(&format!("a={}", "1".repeat(600))), None);
        assert_eq!(told("nonsense"), None);
        assert_eq!(told(""), None);
    }
}
