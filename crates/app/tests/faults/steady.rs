//! A load at a given rate: an order begins when it is due, whether or not those before it were answered.
//! What an order takes counts from when it was due, so that a stall is not hidden by orders that nobody
//! began.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::figures::{now, seed};
use crate::load::{Client, Draft, Told};
use crate::stage::percentile;

/// Skus that orders are of, from 1 on.
pub(crate) const SKUS: i64 = 400;
/// Lines of an order, of different skus.
const LINES: usize = 3;
/// Connections to LOMS.
const CLIENTS: usize = 8;
/// Orders that wait for their answer; one more is not begun, and counts as not done.
const FLYING_MAX: usize = 4_000;

/// An order that was due.
#[derive(Debug, Clone, Copy)]
struct Sample {
    due: Instant,
    took: Duration,
    is_done: bool,
}

/// How the orders of a span went.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Those that were due.
    pub(crate) due: usize,
    /// Those that were made.
    pub(crate) done: usize,
    /// Those that were made, a second.
    pub(crate) per_second: f64,
    p50_ms: u128,
    p99_ms: u128,
    longest: Duration,
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.0} orders/s ({} of {}), p50 {} ms, p99 {} ms, longest {} ms",
            self.per_second,
            self.done,
            self.due,
            self.p50_ms,
            self.p99_ms,
            self.longest.as_millis()
        )
    }
}

/// Orders that come at a rate.
pub(crate) struct Steady {
    stop: CancellationToken,
    log: Arc<Mutex<Vec<Sample>>>,
    task: JoinHandle<()>,
}

impl Steady {
    /// Starts it at a LOMS.
    pub(crate) fn start(url: &str, per_second: u32) -> Self {
        let (stop, log) = (CancellationToken::new(), Arc::<Mutex<Vec<Sample>>>::default());
        let clients: Vec<_> = (0..CLIENTS).map(|_| Client::of(url)).collect();
        let task = tokio::spawn(run(
            clients,
            Duration::from_secs(1) / per_second,
            stop.clone(),
            Arc::clone(&log),
        ));
        Self { stop, log, task }
    }

    /// How orders went that were due within a span and have ended.
    pub(crate) fn pace(&self, from: Instant, to: Instant) -> Pace {
        let log = self.log.lock().unwrap();
        let within: Vec<_> = log.iter().filter(|sample| (from..to).contains(&sample.due)).collect();
        let done = within.iter().filter(|sample| sample.is_done);
        let times: Vec<_> = done.map(|sample| sample.took).collect();
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
        let per_second = times.len() as f64 / (to - from).as_secs_f64();
        Pace {
            due: within.len(),
            done: times.len(),
            per_second,
            p50_ms: percentile(&times, 50),
            p99_ms: percentile(&times, 99),
            longest: times.iter().max().copied().unwrap_or_default(),
        }
    }

    /// Begins no more orders, and waits for those that are begun.
    pub(crate) async fn end(&mut self) {
        self.stop.cancel();
        (&mut self.task).await.unwrap();
    }
}

async fn run(clients: Vec<Client>, pause: Duration, stop: CancellationToken, log: Arc<Mutex<Vec<Sample>>>) {
    let mut random = StdRng::seed_from_u64(seed());
    let room = Arc::new(Semaphore::new(FLYING_MAX));
    let (began, mut flying) = (now(), JoinSet::new());
    for number in 0_u32.. {
        let due = began + pause * number;
        let until_due = tokio::time::sleep_until(due.into());
        if stop.run_until_cancelled(until_due).await.is_none() {
            break;
        }
        let draft = draft(&mut random);
        let mut client = clients[number as usize % clients.len()].clone();
        let place = Arc::clone(&room).try_acquire_owned();
        let log = Arc::clone(&log);
        flying.spawn(async move {
            let is_done = place.is_ok() && matches!(client.create(&draft).await, Told::Done(_));
            let took = due.elapsed();
            log.lock().unwrap().push(Sample { due, took, is_done });
        });
        while let Some(ended) = flying.try_join_next() {
            ended.unwrap();
        }
    }
    while let Some(ended) = flying.join_next().await {
        ended.unwrap();
    }
}

fn draft(random: &mut StdRng) -> Draft {
    let skus = usize::try_from(SKUS).unwrap();
    let mut chosen = rand::seq::index::sample(random, skus, LINES).into_vec();
    chosen.sort_unstable();
    let line = |at: usize| (i64::try_from(at).unwrap() + 1, 1);
    Draft {
        user: random.random_range(1..=10_000),
        key: String::new(),
        lines: chosen.into_iter().map(line).collect(),
    }
}
