//! Notifiers killed with -9 before their lines are out, between handling and commit, and after it: lines
//! repeat, and no event is lost.

use std::time::Duration;

use adapters::postgres::testing::Database;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::figures::{figure, now, rounds, spread, until};
use crate::harness::PATIENCE;
use crate::heard::Notifier;
use crate::load::Load;
use crate::loms::audited;
use crate::pipeline::Pipeline;
use crate::published::{modest, stock};
use crate::verify::verify;
use crate::wire::{Hold, Wire};

/// What the issue asks for, between handling and commit.
const KILLS_OF_THE_ISSUE: usize = 50;
/// Kills that may follow until there are so many, and every class was hit: this many times as many.
const KILLS_FACTOR: usize = 5;
/// How long nobody reads lines, in milliseconds: longer than what the system keeps of them lasts.
const UNREAD_MS: std::ops::Range<u64> = 2_000..4_000;

/// Where a kill landed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Events had come, and their lines were not out.
    BeforeHandling,
    /// Lines were out, and their offsets were not committed.
    BetweenHandlingAndCommit,
    /// The offsets of all its lines were committed.
    AfterCommit,
}

const CLASSES: [Class; 3] = [
    Class::BeforeHandling,
    Class::BetweenHandlingAndCommit,
    Class::AfterCommit,
];

/// A kill.
struct Kill {
    /// Events that stood in its partitions before the kill, behind its last lines.
    waiting: i64,
    /// Its lines behind what was committed.
    uncommitted: usize,
    /// From the kill until somebody told the next event of its partitions.
    recovery: Duration,
}

impl Class {
    /// The first of which there are too few, where so many are wanted between handling and commit.
    fn missing(kills: &[Kill], wanted: usize) -> Option<Self> {
        CLASSES.into_iter().find(|class| {
            let needed = match class {
                Self::BetweenHandlingAndCommit => wanted,
                Self::BeforeHandling | Self::AfterCommit => 1,
            };
            kills.iter().filter(|kill| class.holds(kill)).count() < needed
        })
    }

    fn holds(self, kill: &Kill) -> bool {
        match self {
            Self::BeforeHandling => kill.waiting > 0,
            Self::BetweenHandlingAndCommit => kill.uncommitted > 0,
            Self::AfterCommit => kill.uncommitted == 0,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn notifiers_are_killed_before_and_after_handling_and_commit() {
    let database = Database::fresh().await;
    database.stock(&stock()).await;
    let sql = database.admin().await;
    let pipeline = Pipeline::on_the_shared_broker().await;
    let wire = Wire::to(&pipeline.broker.address, Duration::ZERO).await;
    let loms = pipeline.loms(&database.url(), &wire.address, &[]).await;
    let often = [("notifier.commit_interval_ms", "200")];
    let mut notifiers = vec![pipeline.notifier(&often), pipeline.notifier(&often)];
    let mut plan = modest(vec![loms.grpc()]);
    plan.clients *= 2;
    let mut random = StdRng::seed_from_u64(plan.seed);
    let load = Load::start(&plan);
    let mut kills: Vec<Kill> = Vec::new();
    let wanted = rounds(2, KILLS_OF_THE_ISSUE);
    while kills.len() < wanted * KILLS_FACTOR {
        let missing = Class::missing(&kills, wanted);
        if kills.len() >= wanted && missing.is_none() {
            break;
        }
        let missing = missing.filter(|_| kills.len() >= wanted);
        let victim = at_work(&pipeline, &mut notifiers).await;
        tokio::time::sleep(Duration::from_micros(random.random_range(0..800_000))).await;
        if missing == Some(Class::BeforeHandling) || missing.is_none() && random.random() {
            victim.leave_unread(true);
            tokio::time::sleep(Duration::from_millis(random.random_range(UNREAD_MS))).await;
        }
        if missing == Some(Class::AfterCommit) {
            wire.hold(Hold::Batches); // until all that came is handled and committed
            wire.held().await;
            let ends = pipeline.ends().await;
            until("nothing lags", PATIENCE, async || pipeline.committed().await == ends).await;
        }
        let kill = kill(&pipeline, victim, || {
            notifiers.push(pipeline.notifier(&often));
            wire.hold(Hold::Nothing);
        });
        kills.push(kill.await);
    }
    let calls = load.stop().await;
    verify(&sql, &calls, &loms.grpc()).await;
    let torn = pipeline.heard().torn();
    assert!(torn <= kills.len(), "{torn} lines cannot be read");
    let complete = pipeline.complete(&sql, notifiers).await;
    figure(format!("kill -9 of notifiers: {complete}; {torn} lines were torn off"));
    tell(&kills);
    assert_eq!(Class::missing(&kills, wanted), None, "no kill landed there, or too few");
    assert!(
        complete.told_again > 0,
        "what was not committed is told again: {complete}"
    );
    loms.stop().await;
    audited(&database.url()).await;
}

fn tell(kills: &[Kill]) {
    let recoveries: Vec<_> = kills.iter().map(|kill| kill.recovery).collect();
    let waiting: i64 = kills.iter().map(|kill| kill.waiting).sum();
    let uncommitted: usize = kills.iter().map(|kill| kill.uncommitted).sum();
    figure(format!(
        "kill -9 of notifiers: {waiting} events waited for their lines, {uncommitted} lines were not committed; from \
         the kill to the next line of its partitions {}",
        spread(&recoveries)
    ));
    for class in CLASSES {
        let hits = kills.iter().filter(|kill| class.holds(kill)).count();
        figure(format!(
            "kill -9 of notifiers: {hits} of {} kills landed {class:?}",
            kills.len()
        ));
    }
}

/// Takes one that has a partition, and tells of it; whoever was started first comes first.
async fn at_work(pipeline: &Pipeline, notifiers: &mut Vec<Notifier>) -> Notifier {
    let of = |notifier: &Notifier| pipeline.heard().count_of(notifier.number);
    let before: Vec<usize> = notifiers.iter().map(of).collect();
    let at_work = |notifiers: &[Notifier]| {
        let mut both = notifiers.iter().zip(&before);
        both.position(|(notifier, before)| of(notifier) > *before)
    };
    until("a notifier is at work", PATIENCE, async || at_work(notifiers).is_some()).await;
    let at = at_work(notifiers).unwrap();
    notifiers.remove(at)
}

/// Kills one, has another started in its place, and waits until somebody goes on where it was.
async fn kill(pipeline: &Pipeline, victim: Notifier, start: impl FnOnce()) -> Kill {
    let (number, ends, killed) = (victim.number, pipeline.ends().await, now());
    victim.kill().await;
    let committed = pipeline.committed().await;
    let (last, uncommitted, waiting) = {
        let heard = pipeline.heard();
        let last = heard.last_of(number);
        let waiting = last
            .keys()
            .map(|partition| (ends[partition] - heard.last(*partition) - 1).max(0));
        let waiting = waiting.sum();
        (last, heard.beyond(number, &committed), waiting)
    };
    start();
    until("its partitions go on", PATIENCE, async || {
        let heard = pipeline.heard();
        last.iter().all(|(partition, offset)| heard.last(*partition) > *offset)
    })
    .await;
    Kill {
        waiting,
        uncommitted,
        recovery: killed.elapsed(),
    }
}
