//! Changes that do not commit: a COMMIT that fails, a batch that is rolled back, a connection that is cut
//! before its COMMIT, a database that is gone. None of them has an event, and the others all have theirs.

use std::time::Duration;

use adapters::postgres::testing::Database;
use tokio::task::JoinSet;
use tokio_postgres::Client as Sql;

use crate::figures::{figure, now, rounds, until};
use crate::harness::PATIENCE;
use crate::load::{Client, Draft, Load, Told};
use crate::loms::{Loms, audited};
use crate::middle::{Hold, Middle};
use crate::pipeline::Pipeline;
use crate::published::{modest, stock};
use crate::stage::{Stage, created_after};
use crate::verify::{found, verify, whole};

/// Whose orders the database refuses when they are written.
const REFUSED: i64 = 666;
/// Whose orders it refuses at the COMMIT.
const REFUSED_AT_COMMIT: i64 = 667;
/// Whose orders are written, and their connection is cut.
const CUT_OFF: i64 = 668;
/// Orders that are made at once, one of them refused.
const ORDERS: i64 = 32;
/// Event ids that a round takes for orders which were alone in their transactions.
const ALONE: i64 = 4;
const TRAPS: &str = "
    alter table orders add constraint refused check (user_id <> 666);
    create function refuse() returns trigger language plpgsql as
        $$ begin raise exception 'refused at the commit' using errcode = 'check_violation'; end $$;
    create constraint trigger refused_at_commit after insert on orders deferrable initially deferred
        for each row when (new.user_id = 667) execute function refuse()";

#[tokio::test(flavor = "multi_thread")]
async fn what_was_rolled_back_has_no_event() {
    let database = Database::fresh().await;
    database.stock(&stock()).await;
    let sql = database.admin().await;
    sql.batch_execute(TRAPS).await.unwrap();
    let ports = database.servers().both(database.name()).get_ports().to_vec();
    let middle = Middle::to(ports[0]).await;
    let pipeline = Pipeline::on_the_shared_broker().await;
    let through = database.url_at(&[middle.port, ports[1]]);
    let loms = pipeline.loms(&through, &pipeline.broker.address, &[]).await;
    let notifier = pipeline.notifier(&[]);
    let rounds = rounds(3, 50);
    let mut cut_off = 0;
    for round in 0..rounds {
        for user in [REFUSED, REFUSED_AT_COMMIT] {
            refused(&loms, user, round).await;
        }
        cut_off += usize::from(cut(&loms, &middle, &sql, round).await);
    }
    let there = found(&sql).await;
    assert!(
        there
            .keys()
            .all(|(user, _)| ![REFUSED, REFUSED_AT_COMMIT].contains(user)),
        "a refused order is there"
    );
    let query = "select (select last_value from event_ids) - (select count(*) from order_events)";
    let rolled_back: i64 = sql.query_one(query, &[]).await.unwrap().get(0);
    whole(&sql).await;
    let complete = pipeline.complete(&sql, vec![notifier]).await;
    figure(format!(
        "{rounds} rounds of a failed COMMIT, a refused order and a cut connection: {rolled_back} event ids of transactions \
         that were rolled back, none of which arrived; {complete}"
    ));
    assert!(
        rolled_back > ALONE * i64::try_from(rounds).unwrap(),
        "the refused orders were never in a batch with others: {rolled_back}"
    );
    assert!(cut_off > 0, "every order whose connection was cut was tried again");
    loms.stop().await;
    audited(&database.url()).await;
}

/// An order that is refused among others, which are rolled back with it and then made.
async fn refused(loms: &Loms, refused: i64, round: usize) {
    let mut callers = JoinSet::new();
    for caller in 1..=ORDERS {
        let draft = Draft {
            user: if caller == ORDERS / 2 { refused } else { caller },
            key: format!("round-{round}-{refused}"),
            lines: vec![(caller % 19 + 1, 1)],
        };
        let mut client = Client::of(&loms.grpc());
        callers.spawn(async move {
            let began = now();
            loop {
                let told = client.create(&draft).await;
                let is_clear = matches!(told, Told::Done(_) | Told::Refused(_));
                // A busy machine may have some told to come back; they are made under their keys.
                if is_clear || draft.user == refused || began.elapsed() > PATIENCE {
                    return (draft.user, told);
                }
            }
        });
    }
    while let Some(called) = callers.join_next().await {
        let (user, told) = called.unwrap();
        let made = matches!(told, Told::Done(_));
        assert_eq!(made, user != refused, "user {user} was told {told:?}");
    }
}

/// An order whose rows are written and whose connection is cut before the COMMIT; whether it is not there.
async fn cut(loms: &Loms, middle: &Middle, sql: &Sql, round: usize) -> bool {
    middle.hold(Hold::Commit);
    let draft = Draft {
        user: CUT_OFF,
        key: format!("round-{round}"),
        lines: vec![(1, 1)],
    };
    let create = tokio::spawn({
        let (mut client, draft) = (Client::of(&loms.grpc()), draft.clone());
        async move { client.create(&draft).await }
    });
    let held = tokio::time::timeout(PATIENCE, middle.held()).await;
    held.expect("the create comes to its COMMIT");
    let ended = "select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and application_name like 'loms%' and xact_start is not null";
    sql.execute(ended, &[]).await.unwrap();
    middle.hold(Hold::Nothing);
    let told = create.await.unwrap();
    // It may have been tried again, on another connection; then it is there, and so is its event.
    let is_there = found(sql).await.contains_key(&(CUT_OFF, draft.key));
    assert_eq!(matches!(told, Told::Done(_)), is_there, "{told:?}");
    !is_there
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_made_while_the_database_was_gone_has_no_event() {
    let stage = Stage::up(0).await;
    let pipeline = Pipeline::on_the_shared_broker().await;
    let loms = pipeline.loms(&stage.url(), &pipeline.broker.address, &[]).await;
    stage.stock(1).await;
    let notifier = pipeline.notifier(&[]);
    let load = Load::start(&modest(vec![loms.grpc()]));
    pipeline.goes_on().await;
    for _ in 0..rounds(1, 10) {
        tokio::time::sleep(Duration::from_millis(300)).await;
        stage.cluster.kill(1).await;
        let gone = now();
        until("creates are told that it is gone", PATIENCE, async || {
            load.count(|call| call.began > gone && call.created.contains(&Told::NotDone)) > 0
        })
        .await;
        stage.cluster.start(1).await;
        created_after(&load, now()).await;
        pipeline.goes_on().await;
    }
    let calls = load.stop().await;
    let sql = stage.sql(1).await;
    let unmade = |call: &&crate::load::Call| call.created.iter().all(|told| *told == Told::NotDone);
    let unmade = calls.iter().filter(unmade).count();
    let verified = verify(&sql, &calls, &loms.grpc()).await;
    let complete = pipeline.complete(&sql, vec![notifier]).await;
    figure(format!(
        "the database is gone: {complete}; {unmade} creates were told so and not tried again; {verified:?}"
    ));
    assert!(unmade > 0);
    loms.stop().await;
    audited(&stage.url()).await;
}
