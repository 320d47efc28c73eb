//! The notifier in a process of its own: how long after a commit its line is out, with LOMS in another
//! process at a steady rate; and how many events a second it reads, tells repeats of, writes and commits.
//! A commit counts as done when its caller has the answer, so latencies are too short by the way back.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::ChildStdout;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use adapters::kafka::testing::{Broker, Topics};
use serde::Deserialize;

use super::Plan;
use super::drive::{Run, drive};
use super::measure::{Finding, Meter, Rounds, Sample, Section};
use super::network::{Grpc, to_topics};
use super::orders::creating;
use super::producer::{Producer, frames};
use super::relay::{PARTITIONS, with_broker};
use super::server::Stage;
use super::shop::{Running, in_database};
use super::way::{Shape, Step, Way};
use crate::client::{Answer, Target};
use crate::clock;
use crate::dataset::Line;
use crate::error::LoadError;
use crate::report::millis;
use crate::stats::OpStats;

/// Orders a second while latencies are measured.
const RATE: f64 = 1_000.0;
const RATE_QUICK: f64 = 100.0;
/// Events that the notifier reads in a run.
const EVENTS: u64 = 1_000_000;
const EVENTS_QUICK: u64 = 2_000;
/// For everything to come out.
const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(5);

/// What the notifier wrote, as it comes.
#[derive(Debug, Default)]
struct Seen {
    /// When the second event of an order was out.
    awaiting: HashMap<i64, Instant>,
    /// Lines of events, and when the first and the last came.
    lines: u64,
    span: Option<(Instant, Instant)>,
}

#[derive(Deserialize)]
struct EventLine<'a> {
    order_id: i64,
    status: &'a str,
}

/// Reads a process until it ends. Each line is taken apart only where it is asked which order it is of.
fn read(out: ChildStdout, each: bool) -> (Arc<Mutex<Seen>>, JoinHandle<()>) {
    let seen = Arc::<Mutex<Seen>>::default();
    let shared = Arc::clone(&seen);
    let reader = std::thread::spawn(move || {
        for line in BufReader::with_capacity(1 << 20, out).lines().map_while(Result::ok) {
            if line.contains("\"order event\"") {
                note(&mut shared.lock().unwrap_or_else(PoisonError::into_inner), &line, each);
            }
        }
    });
    (seen, reader)
}

fn note(seen: &mut Seen, line: &str, each: bool) {
    let now = clock::now();
    seen.lines += 1;
    seen.span = Some((seen.span.map_or(now, |(first, _)| first), now));
    if !each {
        return;
    }
    if let Ok(event) = serde_json::from_str::<EventLine<'_>>(line)
        && event.status == "awaiting payment"
    {
        seen.awaiting.entry(event.order_id).or_insert(now);
    }
}

fn look<T>(seen: &Mutex<Seen>, of: impl FnOnce(&Seen) -> T) -> T {
    of(&seen.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Waits until something holds for what was seen.
async fn until(what: &str, seen: &Mutex<Seen>, holds: impl Fn(&Seen) -> bool) -> Result<(), LoadError> {
    let end = clock::now() + PATIENCE;
    while !look(seen, &holds) {
        if clock::now() >= end {
            let lines = look(seen, |seen| seen.lines);
            return Err(LoadError::Target(format!(
                "{what}: it did not come to that; the notifier wrote {lines} lines"
            )));
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

/// Places orders and remembers when each was answered.
struct Noted {
    inner: Grpc,
    answered: Mutex<HashMap<i64, Instant>>,
}

impl Way for Noted {
    async fn place(&self, user_id: i64, lines: &[Line]) -> Answer<i64> {
        let order_id = self.inner.place(user_id, lines).await?;
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.insert(order_id, clock::now());
        Ok(order_id)
    }

    async fn step(&self, step: Step, id: i64) -> Answer<()> {
        self.inner.step(step, id).await
    }
}

pub(super) async fn measure(plan: &Plan, stage: &Stage) -> Result<Section, LoadError> {
    let mut section = Section::new("notifier", "From a commit to the notifier's line");
    latency(plan, stage, &mut section).await?;
    throughput(plan, stage, &mut section).await?;
    Ok(section)
}

async fn latency(plan: &Plan, stage: &Stage, section: &mut Section) -> Result<(), LoadError> {
    let (ledger, topics) = (stage.ours().await?, Topics::fresh(&Broker::shared(), &[]).await);
    let kafka = to_topics(&topics);
    let settings = [in_database(&ledger.database, plan.standby), kafka.clone()].concat();
    let loms = Running::app(&plan.app, "loms", &settings, &plan.logs).await?;
    let (notifier, out) = Running::piped(&plan.app, "notifier", &kafka, &plan.logs)?;
    let (seen, reader) = read(out, true);
    let way = Arc::new(Noted {
        inner: Grpc(Target::new(&loms.urls())?.orders),
        answered: Mutex::default(),
    });
    // The group takes its time to form.
    let first = drive(&way, &creating(plan, Shape::Spread, 1)).await?.placed;
    until("the first orders come out", &seen, |seen| {
        first.iter().all(|id| seen.awaiting.contains_key(id))
    })
    .await?;
    let meter = with_broker(stage.watched(Meter::own("program")).await?)?
        .and("LOMS", loms.process())
        .and("notifier", notifier.process());
    let rate = if plan.quick { RATE_QUICK } else { RATE };
    let mut rounds = Rounds::default();
    for round in 1..=plan.rounds {
        let run = Run {
            rate: Some(rate),
            ..creating(plan, Shape::Spread, 10 + round as u64)
        };
        let before = meter.read().await?;
        let placed = drive(&way, &run).await?;
        until("all orders come out", &seen, |seen| {
            placed.placed.iter().all(|id| seen.awaiting.contains_key(id))
        })
        .await?;
        let answered = way.answered.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let latency = look(&seen, |seen| latencies(&placed.placed, &answered, &seen.awaiting));
        let quantile = |quantile| millis(latency.latency.value_at_quantile(quantile));
        rounds.add(Sample {
            latency_ms: Some((quantile(0.5), quantile(0.99))),
            ..Sample::of(placed.stats.count(), placed.elapsed.as_secs_f64(), &before, &meter).await?
        });
    }
    let row = rounds.row("commit → line, orders at a fixed rate", "LOMS, Kafka, one notifier");
    let median = |spread: Option<super::measure::Spread>| spread.map_or(f64::NAN, |spread| spread.median);
    section
        .findings
        .push(Finding::at_most("commit → line, p50 ms", median(row.p50_ms), 20.0));
    section
        .findings
        .push(Finding::at_most("commit → line, p99 ms", median(row.p99_ms), 100.0));
    section.rows.push(row);
    notifier.end().await?;
    loms.end().await?;
    joined(reader)
}

fn latencies(orders: &[i64], answered: &HashMap<i64, Instant>, out: &HashMap<i64, Instant>) -> OpStats {
    let mut stats = OpStats::default();
    let took = orders
        .iter()
        .filter_map(|id| Some(out.get(id)?.saturating_duration_since(*answered.get(id)?)));
    for took in took {
        // A histogram that resizes takes every value.
        let _ = stats.latency.record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }
    stats
}

/// A topic full of events, and a new group for each run.
async fn throughput(plan: &Plan, stage: &Stage, section: &mut Section) -> Result<(), LoadError> {
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    let events = if plan.quick { EVENTS_QUICK } else { EVENTS };
    let producer = Producer::connect(&topics.settings, PARTITIONS).await?;
    producer.send(frames(&topics.settings, PARTITIONS, 0, events)?).await?;
    let mut rounds = Rounds::default();
    for round in 0..=plan.rounds {
        let mut settings = to_topics(&topics);
        settings.push((
            "notifier.group".to_owned(),
            format!("{}-{round}", topics.settings.topic),
        ));
        let (notifier, out) = Running::piped(&plan.app, "notifier", &settings, &plan.logs)?;
        let meter = with_broker(stage.watched(Meter::own("program")).await?)?.and("notifier", notifier.process());
        let before = meter.read().await?;
        let (seen, reader) = read(out, false);
        until("all events come out", &seen, |seen| seen.lines >= events).await?;
        let span = look(&seen, |seen| {
            seen.span.map_or(0.0, |(first, last)| (last - first).as_secs_f64())
        });
        if round > 0 {
            rounds.add(Sample::of(events, span, &before, &meter).await?);
        }
        notifier.end().await?;
        joined(reader)?;
    }
    let what = "events read, told from repeats, written and committed";
    let rate = rounds.rate().median;
    section.rows.push(rounds.row(what, "one notifier"));
    section
        .findings
        .push(Finding::at_least("events a second of one notifier", rate, 100_000.0));
    Ok(())
}

fn joined(reader: JoinHandle<()>) -> Result<(), LoadError> {
    let joined = reader.join();
    joined.map_err(|_| LoadError::Target("the reader of the notifier's lines broke off".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_event_of_an_order_is_what_counts() {
        let mut seen = Seen::default();
        for (order, status) in [(1, "new"), (1, "awaiting payment"), (2, "new")] {
            let line = format!("{{\"msg\":\"order event\",\"order_id\":{order},\"status\":\"{status}\",\"offset\":0}}");
            note(&mut seen, &line, true);
        }
        assert_eq!((seen.lines, seen.awaiting.len()), (3, 1));
        let answered = HashMap::from([(1, seen.span.expect("there were lines").0), (2, clock::now())]);
        assert_eq!(latencies(&[1, 2], &answered, &seen.awaiting).latency.len(), 1);
    }
}
