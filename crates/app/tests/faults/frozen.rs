//! A LOMS that is frozen (SIGSTOP) while it holds rows: the server ends its session, others go on,
//! and when it goes on itself nothing is wrong.

use std::time::{Duration, Instant};

use adapters::postgres::testing::Database;

use crate::figures::{figure, now, rounds};
use crate::harness::PATIENCE;
use crate::load::{Call, Client, Draft, Told};
use crate::loms::{Loms, audited};
use crate::middle::{Hold, Middle};
use crate::verify::verify;

/// Within this time others go on. The test command runs beside much else, and allows more; without the
/// server's help it would take for ever.
fn patience() -> Duration {
    Duration::from_secs(rounds(15, 5) as u64)
}

/// The sku that everybody wants.
const HOT: i64 = 1;

#[tokio::test(flavor = "multi_thread")]
async fn others_go_on_when_it_is_frozen_before_it_knows_of_its_locks() {
    frozen(Hold::Locks).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn others_go_on_when_it_is_frozen_before_its_commit_arrives() {
    frozen(Hold::Commit).await;
}

async fn frozen(hold: Hold) {
    let database = Database::fresh().await;
    database.stock(&[(HOT, 1_000), (2, 1_000)]).await;
    let sql = database.admin().await;
    let ports = database.servers().both(database.name()).get_ports().to_vec();
    let middle = Middle::to(ports[0]).await;
    let sick = Loms::start(&database.url_at(&[middle.port, ports[1]]), &[]).await;
    let sound = Loms::start(&database.url(), &[]).await;
    let mut calls = Vec::new();
    for (loms, key) in [(&sick, "before"), (&sound, "before too")] {
        calls.push(done(loms, key, HOT, now() + PATIENCE).await);
    }

    middle.hold(hold);
    let stuck = tokio::spawn({
        let url = sick.grpc();
        async move { create_at(&url, "stuck", HOT).await }
    });
    tokio::time::timeout(PATIENCE, middle.held())
        .await
        .expect("the create comes to its locks");
    sick.freeze();
    let frozen = now();
    assert!(!is_free(&sql).await, "the frozen process holds the row");

    // Who does not touch the row does not even notice.
    calls.push(done(&sound, "elsewhere", 2, frozen + patience()).await);
    let elsewhere = frozen.elapsed();
    calls.push(done(&sound, "the same sku", HOT, frozen + patience()).await);
    figure(format!(
        "SIGSTOP of LOMS that holds a row ({hold:?}): orders of other skus after {} ms, of the same sku after {} ms",
        elsewhere.as_millis(),
        frozen.elapsed().as_millis()
    ));

    middle.hold(Hold::Nothing);
    sick.thaw();
    let stuck = stuck.await.unwrap();
    let told = stuck.created[0];
    figure(format!(
        "SIGSTOP of LOMS that holds a row ({hold:?}): its own caller was told {told:?}"
    ));
    assert_ne!(told, Told::Lost, "it was not killed, so it answers");
    assert!(
        matches!(told, Told::NotDone | Told::Unknown),
        "its session was ended: {told:?}"
    );
    calls.push(stuck);
    calls.push(done(&sick, "after", HOT, now() + PATIENCE).await);
    let verified = verify(&sql, &calls, &sick.grpc()).await;
    assert_eq!((verified.done, verified.unknown_done), (5, 0), "{verified:?}");
    for loms in [sick, sound] {
        loms.stop().await;
    }
    audited(&database.url()).await;
}

/// Repeats an order until it is made.
async fn done(loms: &Loms, key: &str, sku: i64, until: Instant) -> Call {
    let mut attempts = Vec::new();
    loop {
        let mut call = create_at(&loms.grpc(), key, sku).await;
        attempts.append(&mut call.created);
        if let Some(Told::Done(_)) = attempts.last() {
            call.created = attempts;
            return call;
        }
        assert!(now() < until, "orders of the sku do not go on: {attempts:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn create_at(url: &str, key: &str, sku: i64) -> Call {
    let draft = Draft {
        user: 1,
        key: key.replace(' ', "-"),
        lines: vec![(sku, 1)],
    };
    let began = now();
    let created = vec![Client::of(url).create(&draft).await];
    Call {
        draft,
        began,
        ended: now(),
        created,
        settled: None,
    }
}

/// Whether nobody holds the stock of the hot sku.
async fn is_free(sql: &tokio_postgres::Client) -> bool {
    let query = "select sku from stock where sku = $1 for no key update skip locked";
    !sql.query(query, &[&HOT]).await.unwrap().is_empty()
}
