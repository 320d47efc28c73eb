//! The broker is away for long while orders go on: the backlog and its age can be seen growing, and
//! when the broker is back the backlog is gone soon, though orders go on at their rate.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use adapters::postgres::testing::Database;
use reqwest::StatusCode;
use tokio::task::{JoinHandle, block_in_place};

use crate::figures::{figure, now, rounds, until};
use crate::loms::{Loms, audited, number};
use crate::pipeline::Pipeline;
use crate::stage::reports;
use crate::steady::{Pace, SKUS, Steady};
use crate::verify::whole;

/// Source: the issue.
const DRAINED_WITHIN: Duration = Duration::from_secs(120);
/// Every order leaves two events: made, and awaiting payment.
const EVENTS_AN_ORDER: usize = 2;
/// What LOMS may need more than before, whatever waits in its outbox.
const MEMORY_MORE_MAX_KIB: u64 = 64 * 1024;
/// Of the orders that are due, this part is made. Where the machine is busy with other tests, a few may
/// run out of their bounds.
const MADE_LEAST: f64 = 0.95;
/// What the gauges may lag behind: they are set once a second.
const LAG: Duration = Duration::from_secs(3);

/// What LOMS says of its outbox at a moment.
#[derive(Debug, Clone, Copy)]
struct Seen {
    at: Instant,
    backlog: f64,
    age: f64,
    published: f64,
    resident_kib: u64,
}

/// Looks at the metrics of a LOMS again and again.
struct Watch {
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Watch {
    fn start(loms: Arc<Loms>) -> Self {
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let kept = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            loop {
                let metrics = loms.metrics().await;
                let found = Seen {
                    at: now(),
                    backlog: number(&metrics, "loms_outbox_backlog_events"),
                    age: number(&metrics, "loms_outbox_oldest_age_seconds"),
                    published: number(&metrics, "loms_outbox_published_events_total"),
                    resident_kib: loms.resident_kib(),
                };
                kept.lock().unwrap().push(found);
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
        Self { seen, task }
    }

    /// What was seen last.
    fn last(&self) -> Seen {
        assert!(!self.task.is_finished(), "nobody looks any more");
        *self.seen.lock().unwrap().last().expect("it was looked at before")
    }

    fn within(&self, from: Instant, to: Instant) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        let within = seen.iter().filter(|seen| (from..to).contains(&seen.at));
        within.copied().collect()
    }

    async fn end(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

/// Fails unless a number grows from the begin of a span to its middle and on to its end.
fn grows(what: &str, seen: &[Seen], of: impl Fn(&Seen) -> f64) {
    let at = |part: usize| of(&seen[(seen.len() - 1) * part / 2]);
    let (first, middle, last) = (at(0), at(1), at(2));
    assert!(
        first < middle && middle < last,
        "{what} is not seen growing: {first}, {middle}, {last}"
    );
}

fn most_kib(seen: &[Seen]) -> u64 {
    seen.iter().map(|seen| seen.resident_kib).max().unwrap_or(0)
}

/// The spans of an outage.
const SPANS: [&str; 3] = ["before", "while it is away", "while the backlog is drained"];

/// What was seen of an outage, span by span.
struct Outage {
    rate: u32,
    length: Duration,
    /// From the kill until `/readyz` names the broker.
    named: Duration,
    /// When the broker was back.
    waiting: Seen,
    /// From then until the backlog was gone.
    drained: Duration,
    paces: [Pace; 3],
    seen: [Vec<Seen>; 3],
}

impl Outage {
    /// Ends with the load.
    async fn of(rate: u32, length: Duration, pipeline: &Pipeline, loms: &Arc<Loms>) -> Self {
        let mut load = Steady::start(&loms.grpc(), rate);
        pipeline.goes_on().await;
        let watch = Watch::start(Arc::clone(loms));
        let began = now();
        tokio::time::sleep((length / 3).min(Duration::from_secs(10))).await;
        block_in_place(|| pipeline.broker.kill());
        let gone = now();
        let named = reports(loms, StatusCode::OK, "broker").await;
        tokio::time::sleep(length.saturating_sub(gone.elapsed())).await;
        block_in_place(|| pipeline.broker.start());
        let back = now();
        let waiting = watch.last();
        let drained = until("the backlog is gone while orders go on", DRAINED_WITHIN, async || {
            let seen = watch.last();
            seen.backlog <= f64::from(rate) * LAG.as_secs_f64() && seen.age <= LAG.as_secs_f64()
        })
        .await;
        let end = now();
        load.end().await;
        let spans = [(began, gone), (gone, back), (back, end)];
        let seen = spans.map(|(from, to)| watch.within(from, to));
        watch.end().await;
        Self {
            rate,
            length,
            named,
            waiting,
            drained,
            paces: spans.map(|(from, to)| load.pace(from, to)),
            seen,
        }
    }

    fn tell(&self) {
        let broker = format!("broker away for {} s", self.length.as_secs());
        for (span, pace) in SPANS.iter().zip(&self.paces) {
            figure(format!("{broker}, {span}: {pace}"));
        }
        let Seen { backlog, age, .. } = self.waiting;
        let published = self.seen[2]
            .last()
            .map_or(0.0, |seen| seen.published - self.waiting.published);
        let drained = self.drained.as_secs_f64();
        figure(format!(
            "{broker}: named by /readyz after {} ms; in the end {backlog} events wait, the oldest for {age:.0} s; \
             drained in {drained:.1} s, {:.0} events/s",
            self.named.as_millis(),
            published / drained
        ));
        figure(format!(
            "{broker}: memory of LOMS before, meanwhile, while it drains: {:?} KiB",
            self.memory_kib()
        ));
    }

    /// The most in each span.
    fn memory_kib(&self) -> [u64; 3] {
        std::array::from_fn(|span| most_kib(&self.seen[span]))
    }

    #[allow(clippy::cast_precision_loss, reason = "numbers of orders are far below 2^52")]
    fn is_as_it_must(&self) {
        let (rate, waiting, away) = (f64::from(self.rate), self.waiting, &self.seen[1]);
        grows("the backlog", away, |seen| seen.backlog);
        grows("the age of the oldest event", away, |seen| seen.age);
        let made = (self.paces[1].done * EVENTS_AN_ORDER) as f64;
        let least = made - rate * LAG.as_secs_f64() * EVENTS_AN_ORDER as f64;
        assert!(waiting.backlog >= least, "{made} events came: {waiting:?}");
        assert!(waiting.age >= (self.length - LAG).as_secs_f64(), "{waiting:?}");
        for (span, pace) in SPANS.iter().zip(&self.paces) {
            let (done, due) = (pace.done as f64, pace.due as f64);
            assert!(
                done >= due * MADE_LEAST && pace.per_second >= rate * MADE_LEAST,
                "orders do not go on at {rate}/s {span}: {pace}"
            );
        }
        let memory = self.memory_kib();
        assert!(
            memory[1].max(memory[2]) <= memory[0] + MEMORY_MORE_MAX_KIB,
            "the memory of LOMS grows with the backlog: {memory:?} KiB"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_is_away_for_long_and_orders_go_on() {
    let rate = u32::try_from(rounds(40, 1_000)).unwrap();
    let length = Duration::from_secs(rounds(6, 600) as u64);
    let database = Database::fresh().await;
    let stock: Vec<_> = (1..=SKUS).map(|sku| (sku, 1_000_000_000)).collect();
    database.stock(&stock).await;
    let sql = database.admin().await;
    let pipeline = Pipeline::on_its_own_broker().await;
    let loms = Arc::new(pipeline.loms(&database.url(), &pipeline.broker.address, &[]).await);
    let notifier = pipeline.notifier(&[]);
    let outage = Outage::of(rate, length, &pipeline, &loms).await;
    outage.tell();
    outage.is_as_it_must();
    let complete = pipeline.complete(&sql, vec![notifier]).await;
    figure(format!("broker away for {} s: {complete}", length.as_secs()));
    whole(&sql).await;
    let loms = Arc::into_inner(loms).expect("nobody looks at it any more");
    loms.stop().await;
    audited(&database.url()).await;
}
