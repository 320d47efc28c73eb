//! What the process says about itself: logs by slog, metrics for Prometheus, spans and trace ids
//! by OpenTelemetry. [`init`] sets the three up once; everything else takes them as arguments.
//!
//! Logs go through a bounded queue to one writer, which they share with the lines that are the
//! work of a role ([`Output`]). Every line carries the ids of the trace that was current when it
//! was logged. What libraries say by `log` or `tracing` comes out the same way.

mod drain;
mod export;
#[cfg(any(feature = "cart", feature = "loms"))]
mod failures;
mod forward;
mod levels;
mod measure;
pub mod names;
mod output;
mod panics;
mod pretty;
mod queue;
mod render;
mod repeated;
mod requests;
mod runtime;
pub mod trace;

use std::fmt;
use std::io;
use std::sync::mpsc;
use std::time::Duration;

use slog::{Logger, o};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

pub use adapters::metrics::Stopwatch;
pub use export::ExportError;
#[cfg(any(feature = "cart", feature = "loms"))]
pub use failures::Failures;
pub use levels::{LevelChange, Levels, LevelsError, LogLevels};
pub use measure::{Metrics, MetricsError};
pub use output::Output;
pub use queue::DroppedLines;
pub use repeated::{Repeated, TELL_AGAIN_AFTER};
pub use requests::{Importance, RequestLine, RequestLog};
pub use trace::Tracing;

use crate::config::Settings;

/// Logs, metrics and traces of the process. Keep it until the end, then [`Telemetry::finish`].
pub struct Telemetry {
    /// The logger of the process itself; its lines have the service `app`.
    pub logger: Logger,
    /// The metrics of the process.
    pub metrics: Metrics,
    /// What makes request spans.
    pub tracing: Tracing,
    /// Where logs go, and other whole lines may.
    pub output: Output,
    /// How many lines were dropped.
    pub dropped: DroppedLines,
    /// How much is logged of whom.
    pub levels: Levels,
    plain: Logger,
    writer: queue::Writer,
}

/// Why telemetry cannot start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log has no thread to write.
    #[error("the log cannot start")]
    Log(#[source] io::Error),
    /// Something else has taken the process' tracing subscriber.
    #[error("the tracing subscriber is taken")]
    Subscriber(#[source] tracing_subscriber::util::TryInitError),
    /// The metrics cannot start.
    #[error("the metrics cannot start")]
    Metrics(#[source] MetricsError),
    /// Spans cannot be exported.
    #[error("the export of spans cannot start")]
    Export(#[source] ExportError),
}

/// Sets up logs, metrics and traces of the process; once.
///
/// # Errors
/// [`TelemetryError`] where something else has set them up before.
pub fn init(settings: &Settings, output: Output) -> Result<Telemetry, TelemetryError> {
    let metrics = Metrics::install().map_err(TelemetryError::Metrics)?;
    let levels = Levels::new(LogLevels::from(&settings.log));
    let (plain, dropped, writer) = drain::start(&settings.log, levels.clone(), &output).map_err(TelemetryError::Log)?;
    let logger = plain.new(o!("service" => "app"));
    let tracing = tracing(settings, &logger).map_err(TelemetryError::Export)?;
    // Those of libraries carry whatever they like: headers, addresses, statements with their values.
    let ours = Targets::new().with_targets(["app", "adapters", "domain"].map(|name| (name, LevelFilter::INFO)));
    let subscriber = tracing_subscriber::registry()
        .with(levels.filter())
        .with(tracing.layer().with_filter(ours))
        .with(forward::Forward::to(logger.clone()));
    subscriber.try_init().map_err(TelemetryError::Subscriber)?;
    tracing.take_the_process_if_exported();
    panics::log_with(logger.clone());
    Ok(Telemetry {
        logger,
        metrics,
        tracing,
        output,
        dropped,
        levels,
        plain,
        writer,
    })
}

/// Exports spans where a collector is configured.
fn tracing(settings: &Settings, log: &Logger) -> Result<Tracing, ExportError> {
    let trace = &settings.trace;
    if trace.otlp_endpoint.is_empty() {
        drop(export::counters()); // they are exposed, from 0
        return Ok(Tracing::new(trace.sample_ratio));
    }
    let exporter = export::Exporter::new(trace, log.clone())?;
    let resource = export::resource(settings.role());
    Ok(Tracing::exporting(trace.sample_ratio, resource, exporter))
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry")
            .field("dropped", &self.dropped)
            .finish_non_exhaustive()
    }
}

impl Telemetry {
    /// A logger whose lines have this service. Make loggers with fields of their own from it, and
    /// never give `service` again: the key would stand in the line twice.
    pub fn logger_of(&self, service: &'static str) -> Logger {
        self.plain.new(o!("service" => service))
    }

    /// Writes what is queued and ends the spans, but waits no longer than `within`: an output that
    /// nobody reads must not keep the process alive.
    pub fn finish(self, within: Duration) {
        let (done, is_done) = mpsc::channel();
        let Self {
            logger,
            tracing,
            writer,
            plain,
            ..
        } = self;
        drop((logger, plain));
        let flush = move || {
            tracing.shut_down(within / 4); // the last spans were sent at the end of the roles
            drop(writer);
            let _ = done.send(());
        };
        if std::thread::Builder::new()
            .name("flush".to_owned())
            .spawn(flush)
            .is_ok()
        {
            let _ = is_done.recv_timeout(within);
        }
    }
}

/// An error with its causes, for the log.
#[must_use]
pub fn chain(error: &(dyn std::error::Error + Send + Sync)) -> String {
    chain_of(error)
}

fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let told = cause.to_string();
        if !text.ends_with(&told) {
            text.push_str(": ");
            text.push_str(&told);
        }
        source = cause.source();
    }
    text
}
