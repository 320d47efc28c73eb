//! Turns: one holder at a time, who loses it by silence or with its connection.

use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use adapters::postgres::connect::Connector;
use adapters::postgres::testing::Database;
use adapters::postgres::turn::{Job, Turn};
use futures::StreamExt;
use sql::queries::turns;
use tokio_postgres::Client;

use crate::support::until;

const SILENCE: Duration = Duration::from_secs(1);

/// A connector of an instance of its own, whose turn is lost by a second of silence.
pub(crate) fn instance(database: &Database) -> Arc<Connector> {
    let mut settings = database.settings();
    settings.turn_timeout = SILENCE;
    Connector::new(settings)
}

fn turn(database: &Database) -> Turn {
    Turn::new(instance(database), Job::Relay)
}

async fn backend(session: &Client) -> i32 {
    session.query_one("select pg_backend_pid()", &[]).await.unwrap().get(0)
}

async fn is_mine(turn: &Turn) -> bool {
    turn.take().await.unwrap().is_some()
}

#[tokio::test]
async fn holders_exclude_each_other_and_one_that_ends_hands_over() {
    let database = Database::fresh().await;
    let (one, other) = (turn(&database), turn(&database));
    let session = one.take().await.unwrap().expect("it is free");
    assert!(!is_mine(&other).await);
    let relay = backend(&session).await;
    // The pings keep it, over the same session.
    tokio::time::sleep(SILENCE * 5 / 2).await;
    assert_eq!(backend(&one.take().await.unwrap().expect("still its own")).await, relay);
    assert!(!is_mine(&other).await);
    let housekeeping = Turn::new(instance(&database), Job::Housekeeping);
    assert!(is_mine(&housekeeping).await, "another job, another turn");
    drop((session, one));
    until("the turn is handed over", async || is_mine(&other).await).await;
}

#[tokio::test]
async fn a_holder_whose_connection_is_ended_loses_it() {
    let database = Database::fresh().await;
    let (one, other) = (turn(&database), turn(&database));
    let session = one.take().await.unwrap().expect("it is free");
    let kill = "select pg_terminate_backend($1)";
    let killed = backend(&session).await;
    database.admin().await.execute(kill, &[&killed]).await.unwrap();
    until("the turn is handed over", async || is_mine(&other).await).await;
    let keep = turns::keep_turn();
    assert!(
        one.with(keep.bind(&*session).one()).await.is_err(),
        "its session is over"
    );
    assert!(!is_mine(&one).await);
}

/// A frozen process, as its server sees it: its runtime stands still.
#[tokio::test]
async fn a_silent_holder_loses_it() {
    frozen_after(async |_| {}).await;
}

/// Its backend is neither idle nor does the bound of a statement end it: it waits for room to write.
#[tokio::test]
async fn a_holder_that_is_silent_in_the_middle_of_an_answer_loses_it() {
    frozen_after(async |session| {
        let endless = "select repeat('x', 1000), generate_series(1, 100000000)";
        let rows = session.query_raw(endless, Vec::<i64>::new()).await.unwrap();
        pin!(rows).next().await.unwrap().unwrap();
    })
    .await;
}

/// The holder does this with its session, and is frozen.
async fn frozen_after(work: impl AsyncFnOnce(&Client) + Send + 'static) {
    let database = Database::fresh().await;
    let (frozen, other) = (turn(&database), turn(&database));
    let (taken, is_taken) = mpsc::channel();
    let (thaw, thawed) = mpsc::channel::<()>();
    let holder = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let session = runtime.block_on(async {
            let session = frozen.take().await.unwrap().expect("it is free");
            work(&session).await;
            session
        });
        taken.send(()).unwrap();
        thawed.recv().unwrap();
        runtime.block_on(async {
            let keep = turns::keep_turn();
            let late = frozen.with(keep.bind(&*session).one()).await;
            assert!(late.is_err(), "what it does as the holder fails: {late:?}");
            assert!(!is_mine(&frozen).await);
        });
    });
    is_taken.recv().unwrap();
    assert!(!is_mine(&other).await);
    until("the server ends the silent session", async || is_mine(&other).await).await;
    thaw.send(()).unwrap();
    holder.join().unwrap();
    assert!(is_mine(&other).await);
}
