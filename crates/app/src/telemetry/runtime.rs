//! What is measured when somebody asks: the process, its runtime, and what was built.

use std::sync::OnceLock;

use metrics::{Counter, Gauge, counter, gauge};
use metrics_process::Collector;
use tokio::runtime::Handle;

use super::names::{BUILD_INFO, TOKIO_BUSY, TOKIO_PARKS, TOKIO_QUEUE, TOKIO_TASKS, TOKIO_WORKERS};

/// Looks at the process and its runtime.
#[derive(Default)]
pub(super) struct Looks {
    process: Collector,
    runtime: OnceLock<Runtime>,
}

/// A runtime with its metrics.
struct Runtime {
    handle: Handle,
    workers: Gauge,
    tasks: Gauge,
    queue: Gauge,
    busy: Vec<Counter>,
    parks: Vec<Counter>,
}

impl Looks {
    /// Tells what never changes, and looks at this runtime from now on.
    pub(super) fn begin(&self, role: &'static str, handle: Handle) {
        self.runtime.get_or_init(|| Runtime::of(handle));
        self.process.describe();
        let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
        gauge!(BUILD_INFO.name, "version" => env!("CARGO_PKG_VERSION"), "role" => role, "profile" => profile).set(1);
    }

    pub(super) fn look(&self) {
        self.process.collect();
        if let Some(runtime) = self.runtime.get() {
            runtime.look();
        }
    }
}

impl Runtime {
    fn of(handle: Handle) -> Self {
        let workers = handle.metrics().num_workers();
        let each = |name: &'static str| {
            (0..workers)
                .map(|at| counter!(name, "worker" => at.to_string()))
                .collect()
        };
        Self {
            handle,
            workers: gauge!(TOKIO_WORKERS.name),
            tasks: gauge!(TOKIO_TASKS.name),
            queue: gauge!(TOKIO_QUEUE.name),
            busy: each(TOKIO_BUSY.name),
            parks: each(TOKIO_PARKS.name),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "tasks and workers are far below 2^52")]
    fn look(&self) {
        let seen = self.handle.metrics();
        self.workers.set(seen.num_workers() as f64);
        self.tasks.set(seen.num_alive_tasks() as f64);
        self.queue.set(seen.global_queue_depth() as f64);
        for (worker, (busy, parks)) in self.busy.iter().zip(&self.parks).enumerate() {
            busy.absolute(seen.worker_total_busy_duration(worker).as_secs());
            parks.absolute(seen.worker_park_count(worker));
        }
    }
}
