//! How one order is placed, over either door, and the two made-up workloads: `hot` (everybody wants one
//! sku) and `spread` (orders of a few lines over many skus).

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::book::{Fate, Pending, Placed, settle};
use crate::client::{Answer, Fault, FaultKind, Target};
use crate::clock;
use crate::dataset::{Line, Lines};
use crate::error::LoadError;
use crate::pace::Pace;
use crate::runner::{self, Finished, Worker};

const RETRY_PAUSE: Duration = Duration::from_millis(50);
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(1);

/// Unknown outcomes of one worker that end the run: the shop is gone, and more would only be kept.
const PENDING_MAX: usize = 1_000;

/// What every workload needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    /// Workers.
    pub(crate) in_flight: usize,
    /// When requests leave.
    pub(crate) pace: Arc<Pace>,
    /// Units of work, where it is known before.
    pub(crate) total: Option<u64>,
    /// Makes runs repeatable.
    pub(crate) seed: u64,
    /// Makes idempotency keys of different runs differ.
    pub(crate) run_id: Arc<str>,
    /// Whether orders are placed through a cart.
    pub(crate) by_cart: bool,
    /// Repeats of a call that was answered «nothing was done».
    pub(crate) retries: u32,
    /// What is done with placed orders.
    pub(crate) then: Then,
    /// How long an unknown outcome is asked after.
    pub(crate) patience: Duration,
}

/// What is done with placed orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Then {
    /// They stay `awaiting payment`.
    None,
    /// They are paid for.
    Pay,
    /// They are cancelled.
    Cancel,
    /// A third each.
    Mix,
}

impl Then {
    fn fate(self, index: u64) -> Fate {
        match self {
            Self::None => Fate::Left,
            Self::Pay => Fate::Payed,
            Self::Cancel => Fate::Cancelled,
            Self::Mix => [Fate::Left, Fate::Payed, Fate::Cancelled][(index % 3) as usize],
        }
    }
}

/// One order to place.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// Whose.
    pub(crate) user_id: i64,
    /// What.
    pub(crate) lines: Lines,
    /// Unique in the run.
    pub(crate) index: u64,
    /// What its latency counts from.
    pub(crate) start: Instant,
}

/// Everybody wants one unit of `sku`.
pub(crate) async fn hot(target: &Target, job: &Job, sku: i64, users: u64) -> Result<Finished, LoadError> {
    let lines: Lines = [Line { sku, count: 1 }].into();
    made_up(target, job, "hot", users, move |_| lines.clone()).await
}

/// Orders of `lines` different skus each, chosen at random.
pub(crate) async fn spread(
    target: &Target,
    job: &Job,
    skus: Arc<[i64]>,
    lines: usize,
    users: u64,
) -> Result<Finished, LoadError> {
    let seed = job.seed;
    let lines = lines.min(skus.len());
    made_up(target, job, "spread", users, move |index| {
        let mut random = SmallRng::seed_from_u64(seed ^ index.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let chosen = rand::seq::index::sample(&mut random, skus.len(), lines);
        let line = |at| Line {
            sku: skus[at],
            count: random.random_range(1..=3),
        };
        chosen.into_iter().map(line).collect()
    })
    .await
}

async fn made_up(
    target: &Target,
    job: &Job,
    name: &'static str,
    users: u64,
    lines: impl Fn(u64) -> Lines + Send + Sync + 'static,
) -> Result<Finished, LoadError> {
    let lines = Arc::new(lines);
    let progress = runner::progress(name, job.total);
    runner::run(target, job.in_flight, progress, |mut worker, _| {
        let (job, lines) = (job.clone(), lines.clone());
        async move {
            while let Some(slot) = job.pace.slot().await {
                let wish = Wish {
                    user_id: 1 + i64::try_from(slot.index % users).unwrap_or(0),
                    lines: lines(slot.index),
                    index: slot.index,
                    start: slot.start,
                };
                place(&mut worker, &job, wish).await;
                worker.progress.inc(1);
            }
            worker
        }
    })
    .await
}

/// Places one order over the job's door, and does with it what is to be done.
pub(crate) async fn place(worker: &mut Worker, job: &Job, wish: Wish) {
    if job.by_cart {
        place_by_cart(worker, job, wish).await;
    } else {
        place_directly(worker, job, wish).await;
    }
    if worker.book.pending.len() >= PENDING_MAX {
        job.pace.stop();
    }
}

async fn place_directly(worker: &mut Worker, job: &Job, wish: Wish) {
    let (orders, key) = (worker.target.orders.clone(), key_of(job, &wish));
    let mut tries = 0;
    let answer = loop {
        let start = if tries == 0 { wish.start } else { clock::now() };
        let call = orders.create(wish.user_id, &wish.lines, Some(&key));
        let answer = worker.call_since("create", start, call).await;
        if !retry_after(&answer, &mut tries, job.retries).await {
            break answer;
        }
    };
    let fate = job.then.fate(wish.index);
    let (user_id, lines) = (wish.user_id, wish.lines.clone());
    let pending = || Pending::Create {
        user_id,
        lines,
        key,
        fate,
    };
    if let Some(order_id) = worker.book.placing(&answer, pending) {
        follow_up(worker, job, &wish, order_id).await;
    }
}

/// Fills the cart line by line and checks out; the latency of the whole is counted as `order`.
async fn place_by_cart(worker: &mut Worker, job: &Job, wish: Wish) {
    let mut wish = wish;
    wish.lines = fill(worker, job, &wish).await;
    if wish.lines.is_empty() {
        worker.book.unfilled += 1;
        return;
    }
    let (cart, key) = (worker.target.cart.clone(), key_of(job, &wish));
    let mut tries = 0;
    let answer = loop {
        let answer = worker.call("checkout", cart.checkout(wish.user_id, &key)).await;
        if !retry_after(&answer, &mut tries, job.retries).await {
            break answer;
        }
    };
    let fate = job.then.fate(wish.index);
    let (user_id, lines) = (wish.user_id, wish.lines.clone());
    let pending = || Pending::Checkout {
        user_id,
        lines,
        key,
        fate,
    };
    let order_id = worker.book.placing(&answer, pending);
    let mut done = order_id.is_some();
    if let Some(order_id) = order_id {
        follow_up(worker, job, &wish, order_id).await;
    } else if answer.as_ref().is_err_and(Fault::unknown) {
        done = resolve_now(worker, job).await;
    } else {
        // What was refused stays in the cart and would be in the next order.
        let _ = worker.call("clear", cart.clear(wish.user_id)).await;
    }
    if done {
        let took = clock::now().saturating_duration_since(wish.start);
        worker.stats.record("order", took, &Answer::Ok(()));
    }
}

/// Puts the lines into the cart; gives back those that are in it.
async fn fill(worker: &mut Worker, job: &Job, wish: &Wish) -> Lines {
    let mut held = Vec::with_capacity(wish.lines.len());
    for line in wish.lines.iter() {
        match add(worker, job, wish.user_id, *line).await {
            Ok(()) => held.push(*line),
            Err(FaultKind::Refused) => worker.book.lines_refused += 1,
            Err(_) => worker.book.lines_given_up += 1,
        }
    }
    held.into()
}

/// The line is in the cart now, or why not. A lost answer is settled by looking into the cart.
async fn add(worker: &mut Worker, job: &Job, user_id: i64, line: Line) -> Result<(), FaultKind> {
    let cart = worker.target.cart.clone();
    let mut tries = 0;
    loop {
        let answer = worker.call("add", cart.add(user_id, line.sku, line.count)).await;
        let kind = match &answer {
            Ok(()) => return Ok(()),
            Err(fault) => fault.kind,
        };
        if kind == FaultKind::Unknown && tries < job.retries {
            tries += 1;
            tokio::time::sleep(RETRY_PAUSE_MAX).await;
            let view = worker.call("view", cart.view(user_id)).await;
            if view.is_ok_and(|view| view.items.iter().any(|item| item.sku == line.sku)) {
                return Ok(());
            }
        } else if !retry_after(&answer, &mut tries, job.retries).await {
            return Err(kind);
        }
    }
}

/// A shopper's next basket must not start before the outcome of this one is known. Whether there is
/// an order now.
async fn resolve_now(worker: &mut Worker, job: &Job) -> bool {
    let Some(pending) = worker.book.pending.pop() else {
        return false;
    };
    let target = worker.target.clone();
    let (until, placed) = (clock::now() + job.patience, worker.book.placed.len());
    if let Err(pending) = worker.book.resolve_one(&target, pending, until).await {
        worker.book.pending.push(pending);
    }
    worker.book.placed.len() > placed
}

async fn follow_up(worker: &mut Worker, job: &Job, wish: &Wish, order_id: i64) {
    let fate = job.then.fate(wish.index);
    let mut order = Placed {
        order_id,
        user_id: wish.user_id,
        lines: wish.lines.clone(),
        fate,
    };
    let op = match fate {
        Fate::Left => {
            worker.book.placed.push(order);
            return;
        }
        Fate::Payed => "pay",
        Fate::Cancelled => "cancel",
    };
    let target = worker.target.clone();
    let mut tries = 0;
    let answer = loop {
        let answer = worker.call(op, settle(&target, order_id, fate)).await;
        if !retry_after(&answer, &mut tries, job.retries).await {
            break answer;
        }
    };
    match answer {
        Ok(()) => worker.book.placed.push(order),
        Err(fault) if fault.unknown() => worker.book.pending.push(Pending::Settle(order)),
        Err(_) => {
            order.fate = Fate::Left;
            worker.book.placed.push(order);
        }
    }
}

/// Waits and says yes where the answer was «nothing was done» and tries are left.
async fn retry_after<T>(answer: &Answer<T>, tries: &mut u32, tries_max: u32) -> bool {
    let unavailable = matches!(answer, Err(fault) if fault.kind == FaultKind::Unavailable);
    if !unavailable || *tries >= tries_max {
        return false;
    }
    tokio::time::sleep((RETRY_PAUSE * 2u32.saturating_pow(*tries)).min(RETRY_PAUSE_MAX)).await;
    *tries += 1;
    true
}

fn key_of(job: &Job, wish: &Wish) -> String {
    format!("{}-{}", job.run_id, wish.index)
}
