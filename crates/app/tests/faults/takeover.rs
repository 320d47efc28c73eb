//! Two LOMS, one relay at work: the one that holds the turn is frozen, or loses its way to the database,
//! with and without a batch on its way to the broker. The other goes on soon, and what the first one does
//! when it wakes up are repeats at most.

use std::time::Duration;

use adapters::postgres::testing::Database;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio_postgres::Client as Sql;

use crate::figures::{figure, now, rounds, spread, until};
use crate::harness::PATIENCE;
use crate::load::Load;
use crate::loms::{Loms, audited};
use crate::middle::{Hold as HoldSql, Middle};
use crate::pipeline::Pipeline;
use crate::published::{modest, stock};
use crate::verify::verify;
use crate::wire::{Hold, Wire};

/// Source: the issue.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(10);
/// For what is no must here: new sessions at the database cost a debug build much of a busy machine, and
/// one that gets none within its bound begins anew.
const BACK_WITHIN: Duration = Duration::from_secs(120);

/// What happens to the one that holds the turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// It is frozen (SIGSTOP).
    Frozen,
    /// The same while a batch of it is on its way, which arrives after the other has taken over.
    FrozenInPublish,
    /// Its connections to the primary end, and it gets no new ones.
    Cut,
    /// Nothing gets through to the primary or back, and nobody is told.
    Silence,
}

const TROUBLES: [Trouble; 4] = [
    Trouble::Frozen,
    Trouble::FrozenInPublish,
    Trouble::Cut,
    Trouble::Silence,
];

/// An instance, and what stands between it and its servers.
struct Side {
    name: &'static str,
    loms: Loms,
    middle: Middle,
    wire: Wire,
}

impl Side {
    async fn up(name: &'static str, database: &Database, pipeline: &Pipeline) -> Self {
        let ports = database.servers().both(database.name()).get_ports().to_vec();
        let middle = Middle::to(ports[0]).await;
        let wire = Wire::to(&pipeline.broker.address, Duration::ZERO).await;
        let url = database.url_at(&[middle.port, ports[1]]);
        let url = format!("{url}&application_name={name}");
        let loms = pipeline.loms(&url, &wire.address, &[]).await;
        Self {
            name,
            loms,
            middle,
            wire,
        }
    }

    /// How many events it has published and marked.
    async fn published(&self) -> f64 {
        self.loms.number("loms_outbox_published_events_total").await
    }

    async fn strike(&self, trouble: Trouble) {
        match trouble {
            Trouble::Frozen => self.loms.freeze(),
            Trouble::FrozenInPublish => {
                self.wire.hold(Hold::Batches);
                self.wire.held().await;
                self.loms.freeze();
            }
            Trouble::Cut => self.middle.cut(),
            Trouble::Silence => self.middle.hold(HoldSql::All),
        }
    }

    /// Ends the trouble. The batch that was on its way is written before its sender wakes up.
    async fn wake(&self, trouble: Trouble, pipeline: &Pipeline) {
        match trouble {
            Trouble::Frozen => self.loms.thaw(),
            Trouble::FrozenInPublish => {
                let before = pipeline.ends().await.values().sum::<i64>();
                self.wire.hold(Hold::Nothing);
                until("the late batch is written", PATIENCE, async || {
                    pipeline.ends().await.values().sum::<i64>() > before
                })
                .await;
                self.loms.thaw();
            }
            Trouble::Cut => self.middle.open(),
            Trouble::Silence => self.middle.hold(HoldSql::Nothing),
        }
    }
}

/// The name of the instance that holds the turn at the relay, as the primary has it.
async fn holder(sql: &Sql) -> Option<String> {
    let query = "select a.application_name from pg_locks l join pg_stat_activity a using (pid)
        where l.locktype = 'advisory' and l.granted and l.objid = 1
            and l.database = (select oid from pg_database where datname = current_database())";
    let found = sql.query(query, &[]).await.unwrap();
    assert!(found.len() <= 1, "two hold one lock");
    found.first().map(|row| row.get(0))
}

/// Waits until an instance makes orders again.
async fn is_ready_again(side: &Side, trouble: Trouble) {
    let (began, mut said) = (now(), "nothing".to_owned());
    loop {
        if let Ok(answer) = reqwest::get(format!("{}/readyz", side.loms.http())).await {
            if answer.status() == 200 {
                return;
            }
            said = answer.text().await.unwrap();
        }
        assert!(
            began.elapsed() < BACK_WITHIN,
            "{} does not get ready again after {trouble:?}, it says {said}",
            side.name
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How long it took until the other went on.
struct TakenOver {
    turn: Duration,
    published: Duration,
}

/// Troubles the one that holds the turn.
async fn round(trouble: Trouble, sides: &[Side; 2], sql: &Sql, pipeline: &Pipeline, rest: Duration) -> TakenOver {
    let mut name = None;
    until("one has the turn", PATIENCE, async || {
        name = holder(sql).await;
        name.is_some()
    })
    .await;
    let (mut first, mut second) = (&sides[0], &sides[1]);
    if name.as_deref() != Some(first.name) {
        std::mem::swap(&mut first, &mut second);
    }
    let (busy, idle) = (first.published().await, second.published().await);
    until("it publishes", PATIENCE, async || first.published().await > busy).await;
    assert_eq!(
        second.published().await,
        idle,
        "only the one whose turn it is publishes"
    );

    first.strike(trouble).await;
    let struck = now();
    let turn = until("the other has the turn", TAKEN_OVER_WITHIN, async || {
        holder(sql).await.as_deref() == Some(second.name)
    })
    .await;
    let left = TAKEN_OVER_WITHIN.saturating_sub(struck.elapsed());
    until("the other publishes", left, async || second.published().await > idle).await;
    let taken_over = TakenOver {
        turn,
        published: struck.elapsed(),
    };
    tokio::time::sleep(rest).await;
    assert_eq!(holder(sql).await.as_deref(), Some(second.name));

    first.wake(trouble, pipeline).await;
    pipeline.goes_on().await;
    is_ready_again(first, trouble).await;
    assert_eq!(
        holder(sql).await.as_deref(),
        Some(second.name),
        "who wakes up does not take the turn back"
    );
    taken_over
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_instance_takes_over_when_the_one_that_publishes_is_gone() {
    let database = Database::fresh().await;
    database.stock(&stock()).await;
    let sql = database.admin().await;
    let pipeline = Pipeline::on_the_shared_broker().await;
    let sides = [
        Side::up("loms-one", &database, &pipeline).await,
        Side::up("loms-two", &database, &pipeline).await,
    ];
    let notifier = pipeline.notifier(&[]);
    let plan = modest(sides.iter().map(|side| side.loms.grpc()).collect());
    let mut random = StdRng::seed_from_u64(plan.seed);
    let load = Load::start(&plan);
    pipeline.goes_on().await;
    let wanted = rounds(1, 10);
    for trouble in TROUBLES {
        let mut taken_over = Vec::new();
        for _ in 0..wanted {
            let rest = Duration::from_millis(random.random_range(0..1_000));
            taken_over.push(round(trouble, &sides, &sql, &pipeline, rest).await);
        }
        let times = |of: fn(&TakenOver) -> Duration| spread(&taken_over.iter().map(of).collect::<Vec<_>>());
        figure(format!(
            "the instance that publishes is gone ({trouble:?}), {wanted} times: the other has the turn after {}; \
             it publishes after {}",
            times(|taken| taken.turn),
            times(|taken| taken.published)
        ));
    }
    let calls = load.stop().await;
    let verified = verify(&sql, &calls, &sides[0].loms.grpc()).await;
    let complete = pipeline.complete(&sql, vec![notifier]).await;
    figure(format!(
        "the instance that publishes is gone, {} times: {complete}; {verified:?}",
        wanted * TROUBLES.len()
    ));
    assert!(
        complete.sent_again >= wanted,
        "each late batch is a repeat of what the other has sent: {complete}"
    );
    for side in sides {
        side.loms.stop().await;
    }
    let ports = database.servers().both(database.name()).get_ports().to_vec();
    audited(&database.url_at(&ports)).await;
}
