//! Drives a [`Way`]: so many calls in flight, closed or open loop, and counts what was answered. A
//! call that fails ends the run: a side that refuses is not doing the same work.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::way::{Act, Way, order};
use crate::client::Fault;
use crate::clock;
use crate::error::LoadError;
use crate::pace::Pace;
use crate::stats::{OpStats, Stats};

/// What a run is.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// What is done.
    pub(crate) act: Act,
    /// Calls in flight.
    pub(crate) in_flight: usize,
    /// Calls a second; none: as soon as one is answered the next leaves.
    pub(crate) rate: Option<f64>,
    /// When it ends; but what is done once to each ends when there are none left.
    pub(crate) until: Until,
    /// Makes runs repeatable.
    pub(crate) seed: u64,
}

/// When a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// After so long.
    Over(Duration),
    /// After so many calls.
    Done(u64),
}

/// A finished run.
#[derive(Debug)]
pub(crate) struct Driven {
    /// Latency from the intended start.
    pub(crate) stats: OpStats,
    /// From the first call to the last answer.
    pub(crate) elapsed: Duration,
    /// Orders that were placed.
    pub(crate) placed: Vec<i64>,
}

const OP: &str = "op";

/// Runs it to its end.
pub(crate) async fn drive<W: Way>(way: &Arc<W>, run: &Run) -> Result<Driven, LoadError> {
    let (slots_max, duration) = match (&run.act, run.until) {
        (Act::Each(step, ids), _) if step.is_once() => (Some(ids.len() as u64), None),
        (Act::Create(_) | Act::Each(..), Until::Over(duration)) => (None, Some(duration)),
        (Act::Create(_) | Act::Each(..), Until::Done(count)) => (Some(count), None),
    };
    let pace = Arc::new(Pace::new(run.rate, slots_max, duration));
    let start = clock::now();
    let mut workers = JoinSet::new();
    for _ in 0..run.in_flight {
        workers.spawn(work(Arc::clone(way), run.clone(), Arc::clone(&pace)));
    }
    let (mut stats, mut placed) = (Stats::default(), Vec::new());
    while let Some(worker) = workers.join_next().await {
        let (of_one, by_one) = worker.map_err(LoadError::Worker)?;
        stats.merge(of_one);
        placed.extend(by_one);
    }
    let elapsed = clock::now() - start;
    let op = stats.ops.remove(OP).unwrap_or_default();
    if op.ok < op.count() || op.count() == 0 {
        let said = stats.faults.iter().next();
        let said = said
            .map(|(name, tally)| format!("{name}: {}", tally.example))
            .unwrap_or_default();
        let (failed, all) = (op.count() - op.ok, op.count());
        return Err(LoadError::Target(format!(
            "{}: {failed} of {all} calls failed: {said}",
            run.act.name()
        )));
    }
    Ok(Driven {
        stats: op,
        elapsed,
        placed,
    })
}

async fn work<W: Way>(way: Arc<W>, run: Run, pace: Arc<Pace>) -> (Stats, Vec<i64>) {
    let (mut stats, mut placed) = (Stats::default(), Vec::new());
    while let Some(slot) = pace.slot().await {
        let answer = match &run.act {
            Act::Create(shape) => {
                let (user_id, lines) = order(*shape, run.seed, slot.index);
                way.place(user_id, &lines).await.map(|order_id| placed.push(order_id))
            }
            Act::Each(step, ids) => match ids.get(at(slot.index, ids.len())) {
                Some(id) => way.step(*step, *id).await,
                None => break, // there are none
            },
        };
        if answer.is_err() {
            pace.stop();
        }
        stats.record::<()>(OP, since(slot.start), &answer);
    }
    (stats, placed)
}

/// Round and round.
fn at(index: u64, count: usize) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX) % count.max(1)
}

fn since(start: Instant) -> Duration {
    clock::now().saturating_duration_since(start)
}

/// A fault of this program's own ways: what a server said.
pub(crate) fn fault(kind: crate::client::FaultKind, error: &dyn std::error::Error) -> Fault {
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        said = format!("{said}: {cause}");
        source = cause.source();
    }
    Fault::new(kind, "refused", said)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;
    use crate::client::{Answer, FaultKind};
    use crate::dataset::Line;
    use crate::stack::way::{Shape, Step};

    /// Answers until it has given out so many orders.
    struct Limited(AtomicI64);

    impl Way for Limited {
        async fn place(&self, _: i64, _: &[Line]) -> Answer<i64> {
            tokio::task::yield_now().await;
            match self.0.fetch_sub(1, Ordering::Relaxed) {
                left if left > 0 => Ok(left),
                _ => Err(Fault::new(FaultKind::Refused, "empty", "nothing is left")),
            }
        }

        async fn step(&self, _: Step, _: i64) -> Answer<()> {
            Ok(())
        }
    }

    fn run(act: Act) -> Run {
        Run {
            act,
            in_flight: 4,
            rate: None,
            until: Until::Over(Duration::from_millis(20)),
            seed: 1,
        }
    }

    #[tokio::test]
    async fn every_order_that_was_placed_is_told_and_ends_once() {
        let way = Arc::new(Limited(AtomicI64::new(i64::MAX)));
        let placed = drive(&way, &run(Act::Create(Shape::Spread)))
            .await
            .expect("all are answered");
        assert_eq!(placed.placed.len() as u64, placed.stats.ok);
        let ended = drive(&way, &run(Act::Each(Step::Pay, [1, 2, 3].into()))).await;
        assert_eq!(ended.expect("all are answered").stats.ok, 3);
        let asked = drive(&way, &run(Act::Each(Step::Info, [1, 2, 3].into()))).await;
        assert!(
            asked.expect("all are answered").stats.ok > 3,
            "they are asked for again"
        );
    }

    #[tokio::test]
    async fn a_refusal_ends_the_run_with_its_words() {
        let way = Arc::new(Limited(AtomicI64::new(10)));
        let error = drive(&way, &run(Act::Create(Shape::Hot)))
            .await
            .expect_err("it refuses");
        assert!(error.to_string().contains("nothing is left"), "{error}");
    }
}
