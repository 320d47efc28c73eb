//! LOMS killed with -9 while its relay is at work, before and after a batch is published, and before and
//! after it is marked as sent: events repeat, and none is lost.

use std::time::Duration;

use adapters::postgres::testing::Database;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio_postgres::Client as Sql;

use crate::figures::{figure, now, rounds, spread, until};
use crate::harness::PATIENCE;
use crate::load::{Load, Plan};
use crate::loms::{Loms, audited};
use crate::pipeline::{Pipeline, Tail, Unmarked, unsent};
use crate::verify::verify;
use crate::wire::{Hold, Wire};

/// What the issue asks for, between publish and mark.
const KILLS_OF_THE_ISSUE: usize = 50;
/// Kills at aimed moments that may follow the random ones until every class was hit, beside those that may
/// be needed between publish and mark.
const AIMED_MAX: usize = 30;

/// What the network takes, one way: most of the time a batch is on its way.
const DELAY: Duration = Duration::from_millis(5);

/// Where a kill landed. There may be a batch on its way to each partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// A batch was on its way, and did not get there.
    BeforePublish,
    /// Events were published, and not marked as sent.
    BetweenPublishAndMark,
    /// All that was published was marked, and no batch was on its way.
    AfterMark,
}

const CLASSES: [Class; 3] = [Class::BeforePublish, Class::BetweenPublishAndMark, Class::AfterMark];

/// What a kill left behind.
struct Left {
    unmarked: Unmarked,
    /// Batches on their way, or their answers.
    on_their_way: usize,
}

impl Class {
    /// The first of which there are too few, where so many are wanted between publish and mark.
    fn missing(kills: &[Left], wanted: usize) -> Option<Self> {
        CLASSES.into_iter().find(|class| {
            let needed = match class {
                Self::BetweenPublishAndMark => wanted,
                Self::BeforePublish | Self::AfterMark => 1,
            };
            kills.iter().filter(|left| class.holds(left)).count() < needed
        })
    }

    fn holds(self, Left { unmarked, on_their_way }: &Left) -> bool {
        match self {
            Self::BeforePublish => *on_their_way > unmarked.partitions(),
            Self::BetweenPublishAndMark => unmarked.partitions() > 0,
            Self::AfterMark => *on_their_way == 0 && unmarked.partitions() == 0,
        }
    }
}

/// Skus 1 to 20, one of which is sold out soon.
pub(crate) fn stock() -> Vec<(i64, u32)> {
    (1..=20)
        .map(|sku| (sku, if sku == 20 { 50 } else { 10_000_000 }))
        .collect()
}

/// Clients that leave the machine some time for others.
pub(crate) fn modest(urls: Vec<String>) -> Plan {
    let mut plan = Plan::of(urls, 8);
    plan.rest = Duration::from_millis(25);
    plan
}

#[tokio::test(flavor = "multi_thread")]
async fn loms_is_killed_before_and_after_publish_and_mark() {
    let database = Database::fresh().await;
    database.stock(&stock()).await;
    let sql = database.admin().await;
    let pipeline = Pipeline::on_the_shared_broker().await;
    let wire = Wire::to(&pipeline.broker.address, DELAY).await;
    let mut loms = pipeline.loms(&database.url(), &wire.address, &[]).await;
    let notifier = pipeline.notifier(&[]);
    let plan = modest(vec![loms.grpc()]);
    let mut random = StdRng::seed_from_u64(plan.seed);
    let load = Load::start(&plan);
    pipeline.goes_on().await;
    let (mut tail, mut kills, mut recoveries) = (Tail::of(&pipeline), Vec::new(), Vec::new());
    let wanted = rounds(2, KILLS_OF_THE_ISSUE);
    while kills.len() < 2 * wanted + AIMED_MAX {
        let missing = Class::missing(&kills, wanted);
        if kills.len() >= wanted && missing.is_none() {
            break;
        }
        tokio::time::sleep(Duration::from_micros(random.random_range(100_000..700_000))).await;
        if kills.len() >= wanted {
            aim(missing, &wire, &sql).await;
        }
        let killed = now();
        kills.push(kill(&mut loms, &wire, &sql, &mut tail).await);
        loms.again();
        pipeline.goes_on().await;
        recoveries.push(killed.elapsed());
    }
    let calls = load.stop().await;
    let verified = verify(&sql, &calls, &loms.grpc()).await;
    let complete = pipeline.complete(&sql, vec![notifier]).await;
    figure(format!("kill -9 of LOMS at its relay: {complete}; {verified:?}"));
    figure(format!(
        "kill -9 of LOMS at its relay: from the kill to the next line of a notifier {}",
        spread(&recoveries)
    ));
    for class in CLASSES {
        let hits = kills.iter().filter(|left| class.holds(left)).count();
        figure(format!(
            "kill -9 of LOMS at its relay: {hits} of {} kills landed {class:?}",
            kills.len()
        ));
    }
    assert_eq!(Class::missing(&kills, wanted), None, "no kill landed there, or too few");
    assert!(complete.sent_again > 0, "what was not marked is sent again: {complete}");
    loms.stop().await;
    audited(&database.url()).await;
}

/// Waits for a moment that is likely to be of the class that is missing.
async fn aim(class: Option<Class>, wire: &Wire, sql: &Sql) {
    let hold = match class {
        None => return,
        Some(Class::BeforePublish) => Hold::Batches,
        Some(Class::BetweenPublishAndMark) => Hold::Answers,
        Some(Class::AfterMark) => {
            until("the outbox is empty", PATIENCE, async || unsent(sql).await.is_empty()).await;
            return;
        }
    };
    wire.hold(hold);
    wire.held().await;
}

/// Kills it; what it left behind.
async fn kill(loms: &mut Loms, wire: &Wire, sql: &Sql, tail: &mut Tail<'_>) -> Left {
    let on_their_way = wire.cut(|| loms.kill()).await;
    let query = "select count(*) from pg_stat_activity
        where datname = current_database() and application_name like 'loms%'";
    until("its sessions end with it", PATIENCE, async || {
        sql.query_one(query, &[]).await.unwrap().get::<_, i64>(0) == 0
    })
    .await;
    let unmarked = tail.unmarked(sql).await;
    wire.open();
    Left { unmarked, on_their_way }
}
