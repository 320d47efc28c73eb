//! Sends spans to a collector, by OTLP over gRPC, and never holds up who makes them.
//!
//! The batching is that of OpenTelemetry's SDK. Two things are added to it. What waits is counted
//! here, the batch that is being sent included, so that more than the bound is dropped and told: the
//! SDK counts that for itself. And the connection lives on a runtime of its own, because it must not
//! wait for a busy one, and must outlive that of the process for the last spans.
//!
//! A collector that is away costs what waits, within the bound: a batch is tried for
//! `trace.export_timeout_ms` and then dropped. It is told when that begins, rarer and rarer while it
//! lasts, and when it is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use metrics::{Counter, counter};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanProcessor};
use rand::{Rng, SeedableRng};
use slog::{Logger, info, warn};
use tokio::runtime::Runtime;
use tonic::transport::Endpoint;

use super::chain;
use super::names::{SPANS_DROPPED, SPANS_EXPORTED};
use crate::config::{Role, TraceSettings};

/// Why there is no exporter.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The collector's URL is none.
    #[error("the URL of the collector cannot be used")]
    Url(#[source] tonic::transport::Error),
    /// The system has no thread left.
    #[error("the exporter of spans has no thread")]
    Thread(#[source] std::io::Error),
    /// The exporter refuses its settings.
    #[error("the exporter of spans cannot be made")]
    Build(#[source] ExporterBuildError),
}

/// Spans that wait for the collector's answer, and what became of others.
#[derive(Debug)]
pub(super) struct Waiting {
    waiting: AtomicUsize,
    max: usize,
    overflowed: AtomicU64,
    dropped_full: Counter,
}

impl Waiting {
    /// How many spans wait.
    pub(super) fn count(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Takes a place; `false` where there is none.
    fn enter(&self) -> bool {
        if self.waiting.fetch_add(1, Ordering::Relaxed) < self.max {
            return true;
        }
        self.leave(1);
        self.overflowed.fetch_add(1, Ordering::Relaxed);
        self.dropped_full.increment(1);
        false
    }

    fn leave(&self, spans: usize) {
        self.waiting.fetch_sub(spans, Ordering::Relaxed);
    }
}

/// Sends batches to the collector.
#[derive(Debug)]
pub(super) struct Exporter {
    inner: Arc<SpanExporter>,
    /// Taken when it is dropped: a runtime must not be waited for then.
    runtime: Option<Runtime>,
    settings: TraceSettings,
    waiting: Arc<Waiting>,
    failures: AtomicU64,
    lost: AtomicU64,
    overflow_told: AtomicU64,
    exported: Counter,
    dropped_failed: Counter,
    log: Logger,
}

impl Exporter {
    /// For the collector of the settings; it is connected to when there is something to send.
    pub(super) fn new(settings: &TraceSettings, log: Logger) -> Result<Self, ExportError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("otlp")
            .enable_all()
            .build()
            .map_err(ExportError::Thread)?;
        let timeout = settings.export_timeout();
        let endpoint = Endpoint::from_shared(settings.otlp_endpoint.clone()).map_err(ExportError::Url)?;
        let channel = {
            let _inside = runtime.enter();
            endpoint.connect_timeout(timeout).timeout(timeout).connect_lazy()
        };
        let inner = SpanExporter::builder()
            .with_tonic()
            .with_channel(channel)
            .with_timeout(timeout)
            .build()
            .map_err(ExportError::Build)?;
        let (exported, dropped_full, dropped_failed) = counters();
        let waiting = Waiting {
            waiting: AtomicUsize::new(0),
            max: settings.queue_max,
            overflowed: AtomicU64::new(0),
            dropped_full,
        };
        Ok(Self {
            inner: Arc::new(inner),
            runtime: Some(runtime),
            settings: settings.clone(),
            waiting: Arc::new(waiting),
            failures: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            overflow_told: AtomicU64::new(0),
            exported,
            dropped_failed,
            log,
        })
    }

    /// What gathers batches for it, and what tells how many spans wait.
    pub(super) fn processor(self) -> (Bounded, Arc<Waiting>) {
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(self.settings.queue_max)
            .with_max_export_batch_size(self.settings.batch_max.min(self.settings.queue_max))
            .with_scheduled_delay(self.settings.export_interval())
            .build();
        let waiting = Arc::clone(&self.waiting);
        let batches = BatchSpanProcessor::builder(self).with_batch_config(config).build();
        let bounded = Bounded {
            batches,
            waiting: Arc::clone(&waiting),
        };
        (bounded, waiting)
    }

    fn note(&self, spans: usize, result: &OTelSdkResult) {
        self.waiting.leave(spans);
        let count = u64::try_from(spans).unwrap_or(u64::MAX);
        match result {
            Ok(()) => {
                self.exported.increment(count);
                let failures = self.failures.swap(0, Ordering::Relaxed);
                let lost = self.lost.swap(0, Ordering::Relaxed);
                if failures > 0 {
                    info!(self.log, "spans are exported again"; "failures" => failures, "spans_lost" => lost);
                }
            }
            Err(error) => {
                self.dropped_failed.increment(count);
                let lost = self.lost.fetch_add(count, Ordering::Relaxed) + count;
                let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
                if failures.is_power_of_two() {
                    warn!(self.log, "spans cannot be exported"; "error" => chain(error), "failures" => failures, "spans_lost" => lost);
                }
            }
        }
        self.tell_overflow();
    }

    /// The first time, and whenever there are twice as many.
    fn tell_overflow(&self) {
        let (dropped, told) = (
            self.waiting.overflowed.load(Ordering::Relaxed),
            self.overflow_told.load(Ordering::Relaxed),
        );
        if dropped > 0 && dropped >= told.saturating_mul(2) {
            self.overflow_told.store(dropped, Ordering::Relaxed);
            warn!(self.log, "spans were dropped: too many wait for the collector";
                "spans_dropped" => dropped, "queue_max" => self.waiting.max);
        }
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl opentelemetry_sdk::trace::SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let (inner, spans, bound) = (Arc::clone(&self.inner), batch.len(), self.settings.export_timeout());
        let Some(runtime) = &self.runtime else { return Ok(()) };
        // Bounded from outside too: the connection may hang before the call has begun.
        let sending = runtime.spawn(async move {
            let sent = opentelemetry_sdk::trace::SpanExporter::export(&*inner, batch);
            tokio::time::timeout(bound, sent).await
        });
        let result = match sending.await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(OTelSdkError::Timeout(bound)),
            Err(ended) => Err(OTelSdkError::InternalFailure(ended.to_string())),
        };
        self.note(spans, &result);
        result
    }

    fn set_resource(&mut self, resource: &Resource) {
        // It is told before anything is exported: nobody else has the exporter yet.
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.set_resource(resource);
        }
    }
}

/// The batching of the SDK, behind a bound of ours.
#[derive(Debug)]
pub(super) struct Bounded {
    batches: BatchSpanProcessor,
    waiting: Arc<Waiting>,
}

impl SpanProcessor for Bounded {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.batches.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() && self.waiting.enter() {
            self.batches.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.batches.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.batches.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.batches.set_resource(resource);
    }
}

/// The counters of spans that were exported, dropped because too many waited, and dropped because
/// the collector did not take them. Whoever asks for them has them exposed, from 0.
pub(super) fn counters() -> (Counter, Counter, Counter) {
    let dropped = |reason| counter!(SPANS_DROPPED.name, "reason" => reason);
    (
        counter!(SPANS_EXPORTED.name),
        dropped("queue_full"),
        dropped("export_failed"),
    )
}

/// What tells this process from others. Nothing is read from the environment.
pub(super) fn resource(role: Role) -> Resource {
    let service = if role.name() == "all" { "app" } else { role.name() };
    Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_service_name(service)
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("service.instance.id", instance_id()))
        .build()
}

/// A random UUID (version 4), as the semantic conventions ask for where nothing else names the instance.
fn instance_id() -> String {
    let random: u128 = rand::rngs::SmallRng::from_os_rng().random();
    let (version, variant) = (0x4 << 76, 0x2 << 62);
    let id = random & !(0xf << 76) & !(0x3 << 62) | version | variant;
    let hex = format!("{id:032x}");
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_only_within_the_bound() {
        let waiting = Waiting {
            waiting: AtomicUsize::new(0),
            max: 2,
            overflowed: AtomicU64::new(0),
            dropped_full: Counter::noop(),
        };
        assert_eq!([waiting.enter(), waiting.enter(), waiting.enter()], [true, true, false]);
        assert_eq!((waiting.count(), waiting.overflowed.load(Ordering::Relaxed)), (2, 1));
        waiting.leave(1);
        assert!(waiting.enter());
    }

    #[test]
    fn an_instance_has_an_id_of_its_own() {
        let (one, other) = (instance_id(), instance_id());
        assert_ne!(one, other);
        let parts: Vec<usize> = one.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12], "{one}");
        assert_eq!(&one[14..15], "4", "{one}");
        assert!(matches!(&one[19..20], "8" | "9" | "a" | "b"), "{one}");
    }
}
