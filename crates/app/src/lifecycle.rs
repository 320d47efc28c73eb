//! The life of the process: its background tasks, and its orderly end.
//!
//! A signal, a panic in a task, or a call of [`Lifecycle::fail`] begins the end. It goes through
//! the [`Stage`]s in order: the stage's token is cancelled, then its tasks are awaited. A second
//! signal, or the end of the grace period, ends the process at once with code 1.

use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use domain::cart::ports::Spawner;
use futures::FutureExt;
use futures::future::BoxFuture;
use slog::{Logger, error, info, warn};
use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::telemetry::names::TASKS_ALIVE;
use crate::telemetry::trace;

/// The steps of an orderly end, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Servers stop to accept, and answer what they have taken.
    Accept,
    /// What was taken over from requests runs to its end.
    InFlight,
    /// The relay sends what it holds.
    Relay,
    /// Consumers commit what they handled.
    Commit,
    /// What the process says about itself.
    Telemetry,
}

impl Stage {
    const ALL: [Self; 5] = [Self::Accept, Self::InFlight, Self::Relay, Self::Commit, Self::Telemetry];
}

/// The life of the process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Lifecycle(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    log: Logger,
    grace: Duration,
    runtime: Handle,
    stopping: CancellationToken,
    ended: CancellationToken,
    failed: AtomicBool,
    alive: AtomicUsize,
    stages: [(CancellationToken, TaskTracker); Stage::ALL.len()],
}

/// Counts a task as alive while it lives, however it ends.
struct Alive(Arc<Inner>);

impl Alive {
    fn new(inner: Arc<Inner>) -> Self {
        inner.alive.fetch_add(1, Ordering::Relaxed);
        metrics::gauge!(TASKS_ALIVE.name).increment(1);
        Self(inner)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, Ordering::Relaxed);
        metrics::gauge!(TASKS_ALIVE.name).decrement(1);
    }
}

impl Lifecycle {
    /// A life whose tasks run on the current runtime, and whose end may take `grace`.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn new(log: Logger, grace: Duration) -> Self {
        Self(Arc::new(Inner {
            log,
            grace,
            runtime: Handle::current(),
            stopping: CancellationToken::new(),
            ended: CancellationToken::new(),
            failed: AtomicBool::new(false),
            alive: AtomicUsize::new(0),
            stages: std::array::from_fn(|_| (CancellationToken::new(), TaskTracker::new())),
        }))
    }

    /// Listens for SIGINT and SIGTERM, on a thread of its own: the second one must end the process
    /// even where its runtime is stuck.
    ///
    /// # Errors
    /// Where the system refuses a thread or the signals.
    pub fn listen(&self) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let signals = {
            let _inside = runtime.enter();
            Signals {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
            }
        };
        let life = self.clone();
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || runtime.block_on(life.obey(signals)))?;
        Ok(())
    }

    /// How long the end may take.
    #[must_use]
    pub fn grace(&self) -> Duration {
        self.0.grace
    }

    /// Cancelled when the end begins.
    #[must_use]
    pub fn stopping(&self) -> CancellationToken {
        self.0.stopping.clone()
    }

    /// Cancelled when the end reaches this stage.
    #[must_use]
    pub fn token(&self, stage: Stage) -> CancellationToken {
        self.stage(stage).0.clone()
    }

    /// Begins the end.
    pub fn stop(&self) {
        self.0.stopping.cancel();
    }

    /// Begins the end, which will have code 1.
    pub fn fail(&self, why: &str) {
        error!(self.0.log, "shutting down after a failure"; "reason" => why);
        self.0.failed.store(true, Ordering::Relaxed);
        self.stop();
    }

    /// Runs a background task, which the stage awaits. A panic in it begins the end. From any
    /// thread: it runs on the runtime of the process, whoever calls.
    pub fn spawn(&self, stage: Stage, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        let life = self.clone();
        let alive = Alive::new(Arc::clone(&self.0));
        let task = async move {
            let _alive = alive;
            if AssertUnwindSafe(work).catch_unwind().await.is_err() {
                life.fail(&format!("the task {name:?} panicked"));
            }
        };
        self.stage(stage).1.spawn_on(task, &self.0.runtime);
    }

    /// How many tasks of ours are alive.
    #[must_use]
    pub fn alive(&self) -> usize {
        self.0.alive.load(Ordering::Relaxed)
    }

    /// Waits for the end and goes through it; the exit code.
    pub async fn run(self) -> u8 {
        self.0.stopping.cancelled().await;
        info!(self.0.log, "shutting down"; "grace_seconds" => self.0.grace.as_secs());
        let in_time = tokio::time::timeout(self.0.grace, self.stages()).await.is_ok();
        self.0.ended.cancel();
        if !in_time {
            error!(self.0.log, "the grace period is over"; "tasks_alive" => self.alive());
        }
        let good = in_time && !self.0.failed.load(Ordering::Relaxed);
        info!(self.0.log, "stopped"; "tasks_alive" => self.alive());
        u8::from(!good)
    }

    async fn stages(&self) {
        for stage in Stage::ALL {
            let (token, tasks) = self.stage(stage);
            token.cancel();
            tasks.close();
            tasks.wait().await;
        }
    }

    fn stage(&self, stage: Stage) -> &(CancellationToken, TaskTracker) {
        &self.0.stages[stage as usize]
    }

    /// The first signal begins the end, the second makes it now. What holds up the end longer than
    /// the grace period, a stuck runtime say, does not hold up this.
    async fn obey(self, mut signals: Signals) {
        tokio::select! {
            name = signals.next() => {
                info!(self.0.log, "signal"; "name" => name);
                self.stop();
            }
            () = self.0.stopping.cancelled() => {}
        }
        let backstop = self.0.grace + Duration::from_millis(500);
        tokio::select! {
            name = signals.next() => warn!(self.0.log, "second signal: ending at once"; "name" => name),
            () = tokio::time::sleep(backstop) => error!(self.0.log, "stuck: ending at once"),
            () = self.0.ended.cancelled() => return,
        }
        tokio::time::sleep(Duration::from_millis(20)).await; // the log line is written by another thread
        std::process::exit(1);
    }
}

/// Work that the use cases hand over is awaited with what is in flight.
impl Spawner for Lifecycle {
    fn spawn(&self, work: BoxFuture<'static, ()>) {
        Self::spawn(self, Stage::InFlight, "use case", trace::carry(work));
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

#[cfg(test)]
mod tests;
