//! The broker killed with -9 while batches are on their way, and frozen: orders go on without it, events
//! wait in the outbox, and every one arrives when it is back.

use std::time::Duration;

use adapters::postgres::testing::Database;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio_postgres::Client as Sql;

use crate::figures::{figure, now, rounds, spread};
use crate::load::Load;
use crate::loms::audited;
use crate::pipeline::{Pipeline, Tail, unsent};
use crate::published::{modest, stock};
use crate::stage::created_after;
use crate::verify::verify;
use crate::wire::{Hold, Wire};

/// What the issue asks for, in mid-batch.
const KILLS_OF_THE_ISSUE: usize = 50;
/// Kills at aimed moments that may follow the random ones until there are so many and every class was
/// hit, beside those that met no batch.
const AIMED_MAX: usize = 6;
/// What the network takes, one way: most of the time a batch is on its way.
const DELAY: Duration = Duration::from_millis(10);

/// Where a kill met the batches that were on their way, of which there may be one a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// One was not written.
    NotWritten,
    /// One was written, and LOMS has no answer: it repeats.
    WrittenNotAcknowledged,
    /// There was none.
    NoneOnItsWay,
}

const IN_MID_BATCH: [Class; 2] = [Class::NotWritten, Class::WrittenNotAcknowledged];

/// A kill.
struct Kill {
    classes: Vec<Class>,
    /// From the start of the broker to the next line of a notifier.
    recovery: Duration,
}

impl Class {
    /// What is to be aimed at, where so many kills are wanted in mid-batch.
    fn missing(kills: &[Kill], wanted: usize) -> Option<Self> {
        let hits = |class| kills.iter().filter(|kill| kill.classes.contains(&class)).count();
        let in_mid_batch = kills.len() - hits(Self::NoneOnItsWay);
        let next = IN_MID_BATCH[kills.len() % IN_MID_BATCH.len()];
        let never = IN_MID_BATCH.into_iter().find(|class| hits(*class) == 0);
        never.or((in_mid_batch < wanted).then_some(next))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_is_killed_in_mid_batch() {
    let database = Database::fresh().await;
    database.stock(&stock()).await;
    let sql = database.admin().await;
    let pipeline = Pipeline::on_its_own_broker().await;
    let wire = Wire::to(&pipeline.broker.address, DELAY).await;
    let loms = pipeline.loms(&database.url(), &wire.address, &[]).await;
    let notifiers = vec![pipeline.notifier(&[]), pipeline.notifier(&[])];
    let plan = modest(vec![loms.grpc()]);
    let mut random = StdRng::seed_from_u64(plan.seed);
    let load = Load::start(&plan);
    pipeline.goes_on().await;
    let (mut tail, mut kills) = (Tail::of(&pipeline), Vec::<Kill>::new());
    let wanted = rounds(2, KILLS_OF_THE_ISSUE);
    while kills.len() < 2 * wanted + AIMED_MAX {
        let missing = Class::missing(&kills, wanted);
        if kills.len() >= wanted && missing.is_none() {
            break;
        }
        tokio::time::sleep(Duration::from_micros(random.random_range(200_000..1_000_000))).await;
        wire.leaves().await;
        tokio::time::sleep(DELAY.mul_f64(random.random_range(0.0..2.0))).await;
        let hold = match missing {
            Some(Class::NotWritten) => Hold::Batches,
            Some(Class::WrittenNotAcknowledged) => Hold::Answers,
            None | Some(Class::NoneOnItsWay) => Hold::Nothing,
        };
        if kills.len() >= wanted && hold != Hold::Nothing {
            wire.hold(hold);
            wire.held().await;
        }
        kills.push(kill(&pipeline, &wire, &load, &sql, &mut tail).await);
    }
    let calls = load.stop().await;
    let verified = verify(&sql, &calls, &loms.grpc()).await;
    let complete = pipeline.complete(&sql, notifiers).await;
    figure(format!("kill -9 of the broker: {complete}; {verified:?}"));
    let recoveries: Vec<_> = kills.iter().map(|kill| kill.recovery).collect();
    figure(format!(
        "kill -9 of the broker: from its start to the next line of a notifier {}",
        spread(&recoveries)
    ));
    for class in [Class::NotWritten, Class::WrittenNotAcknowledged, Class::NoneOnItsWay] {
        let hits = kills.iter().filter(|kill| kill.classes.contains(&class)).count();
        figure(format!(
            "kill -9 of the broker: {hits} of {} kills: batch {class:?}",
            kills.len()
        ));
    }
    assert_eq!(
        Class::missing(&kills, wanted),
        None,
        "no kill met such a batch, or too few did"
    );
    assert!(complete.sent_again > 0, "what has no answer is sent again: {complete}");
    loms.stop().await;
    audited(&database.url()).await;
}

/// Kills it, sees that orders go on, starts it again, and looks what it had written before LOMS does.
async fn kill(pipeline: &Pipeline, wire: &Wire, load: &Load, sql: &Sql, tail: &mut Tail<'_>) -> Kill {
    let on_their_way = wire.cut(|| pipeline.broker.strike()).await;
    tokio::task::block_in_place(|| pipeline.broker.kill());
    created_after(load, now()).await;
    tokio::task::block_in_place(|| pipeline.broker.start());
    let started = now();
    let left = tail.unmarked(sql).await;
    assert!(
        left.only_in_the_outbox > 0,
        "orders went on, and their events wait: {left:?}"
    );
    wire.open();
    pipeline.goes_on().await;
    let written = left.partitions();
    let met = [
        (Class::NotWritten, on_their_way > written),
        (Class::WrittenNotAcknowledged, written > 0),
        (Class::NoneOnItsWay, on_their_way == 0),
    ];
    let classes = met.into_iter().filter(|(_, met)| *met).map(|(class, _)| class);
    Kill {
        classes: classes.collect(),
        recovery: started.elapsed(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_is_frozen() {
    let length = Duration::from_secs(u64::try_from(rounds(3, 20)).unwrap());
    let database = Database::fresh().await;
    database.stock(&stock()).await;
    let sql = database.admin().await;
    let pipeline = Pipeline::on_its_own_broker().await;
    // The short freeze is long enough for a batch to be given up, too.
    let settings = [("kafka.publish_timeout_ms", "1000")];
    let loms = pipeline
        .loms(&database.url(), &pipeline.broker.address, &settings)
        .await;
    let notifiers = vec![pipeline.notifier(&[]), pipeline.notifier(&[])];
    let load = Load::start(&modest(vec![loms.grpc()]));
    pipeline.goes_on().await;
    let (mut waiting, mut recoveries) = (Vec::new(), Vec::new());
    for _ in 0..rounds(1, 5) {
        pipeline.broker.freeze();
        let frozen = now();
        created_after(&load, frozen + length / 2).await;
        tokio::time::sleep(length.saturating_sub(frozen.elapsed())).await;
        waiting.push(unsent(&sql).await.len());
        pipeline.broker.thaw();
        let thawed = now();
        pipeline.goes_on().await;
        recoveries.push(thawed.elapsed());
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    let calls = load.stop().await;
    let verified = verify(&sql, &calls, &loms.grpc()).await;
    let complete = pipeline.complete(&sql, notifiers).await;
    figure(format!(
        "the broker is frozen for {} s: {complete}; {waiting:?} events waited; {verified:?}",
        length.as_secs()
    ));
    figure(format!(
        "the broker is frozen: from its end to the next line of a notifier {}",
        spread(&recoveries)
    ));
    assert!(waiting.iter().all(|waiting| *waiting > 0), "{waiting:?}");
    loms.stop().await;
    audited(&database.url()).await;
}
