//! Metrics: whoever has something to count uses the `metrics` facade; here it is turned into
//! Prometheus text. Histograms whose name ends in `_seconds` have buckets for times, others for
//! counts of things.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use adapters::metrics::Metric;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::names;
use super::runtime::Looks;

/// Bounds of times, in seconds: from what memory takes to what a deadline allows.
const SECONDS: [f64; 16] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Bounds of counts.
const COUNTS: [f64; 12] = [
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 4096.0,
];
/// How often what was measured is gathered, so that it does not pile up while nobody asks.
const UPKEEP: Duration = Duration::from_secs(5);

/// The metrics of the process.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
    looks: Arc<Looks>,
}

/// Why the metrics cannot start.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// A bound of a histogram is missing.
    #[error("a histogram has no bounds")]
    Buckets(#[source] BuildError),
    /// Something else has taken them.
    #[error("the metrics recorder is taken")]
    Taken,
}

impl Metrics {
    /// Takes what the whole process counts.
    ///
    /// # Errors
    /// [`MetricsError`] where something else does already.
    pub fn install() -> Result<Self, MetricsError> {
        let recorder = builder()?.build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).map_err(|_| MetricsError::Taken)?;
        names::ALL
            .iter()
            .chain(adapters::metrics::ALL)
            .for_each(Metric::describe);
        for counted in [
            names::LINES_DROPPED,
            names::FAILURES_SUPPRESSED,
            names::REQUESTS_LEFT_OUT,
        ] {
            counted.begin();
        }
        Ok(Self {
            handle,
            looks: Arc::default(),
        })
    }

    /// Metrics that nobody counts to, for tests of servers.
    #[must_use]
    pub fn detached() -> Self {
        Self {
            handle: PrometheusBuilder::new().build_recorder().handle(),
            looks: Arc::default(),
        }
    }

    /// Everything as Prometheus text.
    #[must_use]
    pub fn render(&self) -> String {
        self.looks.look();
        self.handle.render()
    }

    /// Keeps what was measured from piling up, until it is stopped. From now on it also tells what runs,
    /// under this role, and looks at the runtime that it is called in.
    pub async fn keep(self, role: &'static str, stop: CancellationToken) {
        self.looks.begin(role, Handle::current());
        while stop.run_until_cancelled(tokio::time::sleep(UPKEEP)).await.is_some() {
            self.handle.run_upkeep();
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

fn builder() -> Result<PrometheusBuilder, MetricsError> {
    PrometheusBuilder::new()
        .set_buckets(&COUNTS)
        .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS))
        .map_err(MetricsError::Buckets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_counts_have_their_own_buckets() {
        let recorder = builder().unwrap().build_recorder();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            metrics::histogram!("x_duration_seconds", "route" => "/a").record(0.000_2);
            metrics::histogram!("x_size_calls").record(3.0);
            metrics::counter!("x_total").increment(2);
        });
        let text = handle.render();
        for line in [
            "x_duration_seconds_bucket{route=\"/a\",le=\"0.00025\"} 1",
            "x_duration_seconds_bucket{route=\"/a\",le=\"0.0001\"} 0",
            "x_size_calls_bucket{le=\"4\"} 1",
            "x_total 2",
        ] {
            assert!(text.contains(line), "{line}\n is not in\n{text}");
        }
    }
}
