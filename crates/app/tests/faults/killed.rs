//! LOMS killed with -9 under load, again and again, at random moments.

use std::time::{Duration, Instant};

use adapters::postgres::testing::Database;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio_postgres::Client as Sql;

use crate::figures::{figure, now, rounds, spread, until};
use crate::harness::PATIENCE;
use crate::load::{Call, Client, Draft, Load, Plan, Told};
use crate::loms::{Loms, audited};
use crate::middle::{Middle, Phase};
use crate::verify::verify;

/// What the issue asks for.
const KILLS_OF_THE_ISSUE: usize = 100;
/// Kills at aimed moments that may follow the random ones until every class was hit.
const AIMED_MAX: usize = 60;
const CLIENTS: usize = 48;

/// Where a kill landed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// A transaction was open, and its COMMIT not sent.
    Before,
    /// A COMMIT was on its way, or its answer.
    During,
    /// Something was committed, LOMS had the answer, and had not passed it on.
    After,
}

const CLASSES: [Class; 3] = [Class::Before, Class::During, Class::After];

/// A kill, and what it met.
struct Kill {
    classes: Vec<Class>,
    /// Calls that were in flight and lost their answer.
    lost: usize,
    /// From the kill to the first order that the next process made.
    recovery: Duration,
    probe: Call,
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_is_there_and_nothing_is_half_there() {
    let database = Database::fresh().await;
    let stock: Vec<_> = (1..=20)
        .map(|sku| (sku, if sku == 20 { 50 } else { 10_000_000 }))
        .collect();
    database.stock(&stock).await;
    let sql = database.admin().await;
    let ports = database.servers().both(database.name()).get_ports().to_vec();
    let middle = Middle::to(ports[0]).await;
    let mut loms = Loms::start(&database.url_at(&[middle.port, ports[1]]), &[]).await;
    let plan = Plan::of(vec![loms.grpc()], CLIENTS);
    let mut random = StdRng::seed_from_u64(plan.seed);
    let load = Load::start(&plan);
    let mut kills: Vec<Kill> = Vec::new();
    let wanted = rounds(3, KILLS_OF_THE_ISSUE);
    while kills.len() < wanted + AIMED_MAX {
        let hit = |class: &Class| kills.iter().any(|kill| kill.classes.contains(class));
        let aim = CLASSES.into_iter().find(|class| !hit(class));
        if kills.len() >= wanted && aim.is_none() {
            break;
        }
        let aim = aim.filter(|_| kills.len() >= wanted);
        let kill = one(&mut loms, &middle, &load, &sql, aim, (&mut random, kills.len())).await;
        kills.push(kill);
    }
    let mut calls = load.stop().await;
    let recoveries: Vec<_> = kills.iter().map(|kill| kill.recovery).collect();
    figure(format!(
        "kill -9 of LOMS: from the kill to the next order {}",
        spread(&recoveries)
    ));
    let lost: usize = kills.iter().map(|kill| kill.lost).sum();
    calls.extend(kills.iter().map(|kill| kill.probe.clone()));
    let verified = verify(&sql, &calls, &loms.grpc()).await;
    figure(format!(
        "kill -9 of LOMS: {lost} creates lost their answer; {verified:?}"
    ));
    for class in CLASSES {
        let hits = kills.iter().filter(|kill| kill.classes.contains(&class)).count();
        figure(format!(
            "kill -9 of LOMS: {hits} of {} kills landed {class:?} a commit",
            kills.len()
        ));
        assert!(hits > 0, "no kill landed {class:?} a commit");
    }
    assert!(verified.done > 0 && lost > 0, "{verified:?}");
    let unsent = async || {
        sql.query_one("select count(*) from outbox", &[])
            .await
            .unwrap()
            .get::<_, i64>(0)
    };
    until("the last process sends every event", PATIENCE, async || {
        unsent().await == 0
    })
    .await;
    loms.stop().await;
    audited(&database.url()).await;
}

/// Kills at a random moment, or at one that is likely to be of the class that is missing.
async fn one(
    loms: &mut Loms,
    middle: &Middle,
    load: &Load,
    sql: &Sql,
    aim: Option<Class>,
    (random, number): (&mut StdRng, usize),
) -> Kill {
    tokio::time::sleep(Duration::from_micros(random.random_range(20_000..400_000))).await;
    let phase = aim.map(|class| match class {
        Class::Before => Phase::Open,
        Class::During => Phase::Committing,
        Class::After => Phase::Idle,
    });
    if let Some(phase) = phase {
        tokio::time::timeout(PATIENCE, middle.gets(phase))
            .await
            .expect("the load goes on");
        tokio::time::sleep(Duration::from_micros(random.random_range(0..1_500))).await;
    }
    let killed = now();
    loms.kill();
    let left = tokio::time::timeout(PATIENCE, middle.left(killed)).await;
    let left = left.expect("its connections end with it");
    loms.again();
    let probe = first_order(&loms.grpc(), number).await;
    let recovery = killed.elapsed();
    let lost = lost(load, killed);
    let committed = transactions(sql, &lost).await;
    let met = [left.open > 0, left.committing > 0, committed > left.committing];
    let classes = CLASSES
        .into_iter()
        .zip(met)
        .filter(|(_, met)| *met)
        .map(|(class, _)| class)
        .collect();
    Kill {
        classes,
        lost: lost.len(),
        recovery,
        probe,
    }
}

/// The first order that a process makes after its start.
async fn first_order(url: &str, number: usize) -> Call {
    let draft = Draft {
        user: 1_000,
        key: format!("first-{number}"),
        lines: vec![(1, 1)],
    };
    let mut client = Client::of(url);
    let began = now();
    let mut created = Vec::new();
    loop {
        let told = client.create(&draft).await;
        if told != Told::Unreached {
            created.push(told);
        }
        if matches!(told, Told::Done(_)) {
            return Call {
                draft,
                began,
                ended: now(),
                created,
                settled: None,
            };
        }
        assert!(began.elapsed() < PATIENCE, "no order after a kill: {created:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Creates that were in flight at a moment, were tried once, and got no answer.
fn lost(load: &Load, at: Instant) -> Vec<Draft> {
    let calls = load.calls();
    let lost = calls
        .iter()
        .filter(|call| call.created == [Told::Lost] && call.began < at && call.ended >= at);
    lost.map(|call| call.draft.clone()).collect()
}

/// How many transactions made those of these orders that there are.
async fn transactions(sql: &Sql, drafts: &[Draft]) -> usize {
    let keys: Vec<&str> = drafts.iter().map(|draft| draft.key.as_str()).collect();
    let query = "select count(distinct o.xmin::text) from orders o join idempotency_keys k on k.order_id = o.id
        where k.key = any($1)";
    let transactions: i64 = sql.query_one(query, &[&keys]).await.unwrap().get(0);
    usize::try_from(transactions).unwrap()
}
