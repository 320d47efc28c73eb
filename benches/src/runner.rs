//! Runs the workers of a workload side by side, shows how far they are, and merges what they measured.

use std::future::Future;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::JoinSet;

use crate::book::Book;
use crate::client::{Answer, Target};
use crate::clock;
use crate::error::LoadError;
use crate::stats::Stats;

/// What a worker works with, and what it hands back.
pub(crate) struct Worker {
    /// The deployment.
    pub(crate) target: Target,
    /// What it measured.
    pub(crate) stats: Stats,
    /// What was answered.
    pub(crate) book: Book,
    /// Moves on by one a unit of work.
    pub(crate) progress: ProgressBar,
}

/// A finished run.
#[derive(Debug)]
pub(crate) struct Finished {
    /// What all workers measured.
    pub(crate) stats: Stats,
    /// What all workers were answered.
    pub(crate) book: Book,
    /// From the first slot to the last answer.
    pub(crate) elapsed: Duration,
}

impl Worker {
    /// Awaits one call and counts it from now.
    pub(crate) async fn call<T>(&mut self, op: &'static str, call: impl Future<Output = Answer<T>>) -> Answer<T> {
        self.call_since(op, clock::now(), call).await
    }

    /// Awaits one call and counts it from its intended start.
    pub(crate) async fn call_since<T>(
        &mut self,
        op: &'static str,
        start: Instant,
        call: impl Future<Output = Answer<T>>,
    ) -> Answer<T> {
        let answer = call.await;
        self.stats
            .record(op, clock::now().saturating_duration_since(start), &answer);
        answer
    }
}

/// Runs `in_flight` workers to their end. `work` gets its worker and its number, and gives it back.
pub(crate) async fn run<F, W>(
    target: &Target,
    in_flight: usize,
    progress: ProgressBar,
    work: F,
) -> Result<Finished, LoadError>
where
    F: Fn(Worker, usize) -> W,
    W: Future<Output = Worker> + Send + 'static,
{
    let start = clock::now();
    let mut workers = JoinSet::new();
    for number in 0..in_flight {
        let worker = Worker {
            target: target.clone(),
            stats: Stats::default(),
            book: Book::default(),
            progress: progress.clone(),
        };
        workers.spawn(work(worker, number));
    }
    let mut finished = Finished {
        stats: Stats::default(),
        book: Book::default(),
        elapsed: Duration::ZERO,
    };
    while let Some(worker) = workers.join_next().await {
        let worker = worker.map_err(LoadError::Worker)?;
        finished.stats.merge(worker.stats);
        finished.book.merge(worker.book);
    }
    finished.elapsed = clock::now() - start;
    progress.finish_and_clear();
    Ok(finished)
}

/// A bar on standard error, shown only on a terminal; of unknown length without `total`.
pub(crate) fn progress(what: &'static str, total: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
    let template = match total {
        Some(_) => "{prefix:>10} {bar:40} {human_pos}/{human_len} {per_sec} {eta} left",
        None => "{prefix:>10} {spinner} {human_pos} {per_sec} {elapsed}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.with_prefix(what)
}

/// Ends at SIGINT or SIGTERM.
pub(crate) async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminated) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminated.recv() => {}
            }
        }
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}
