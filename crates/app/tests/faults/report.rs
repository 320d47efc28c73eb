//! A long report on the replica: it neither holds up commits nor lets rates or tables degrade.

use std::time::{Duration, Instant};

use tokio_postgres::error::SqlState;

use crate::figures::{figure, now, rounds};
use crate::load::{Call, Load, Plan};
use crate::loms::audited;
use crate::stage::{Stage, created_after, is_done, percentile, times};
use crate::verify::verify;

/// What a busy machine may add to a commit, far more than a report may.
const COMMIT_MAX: Duration = Duration::from_secs(4);

/// How the shop does during a span.
#[derive(Debug)]
struct Pace {
    orders_per_second: f64,
    p99_ms: u128,
    longest: Duration,
}

fn pace(calls: &[Call], from: Instant, to: Instant) -> Pace {
    let times = times(calls, from, to, is_done);
    Pace {
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
        orders_per_second: (times.len() as f64 / (to - from).as_secs_f64()).round(),
        p99_ms: percentile(&times, 99),
        longest: times.iter().max().copied().unwrap_or_default(),
    }
}

/// Size in bytes and rows that are dead, of stock and outbox.
async fn tables(stage: &Stage) -> Vec<(String, i64, i64)> {
    let sql = stage.sql(1).await;
    let rows = sql
        .query(
            "select relname::text, pg_relation_size(relid), n_dead_tup from pg_stat_user_tables
            where relname in ('outbox', 'stock') order by relname",
            &[],
        )
        .await
        .unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
}

/// Begins a report again as often as the replica gives it up; how often that was.
async fn reports(stage: &Stage, until: Instant) -> usize {
    let mut given_up = 0;
    while now() < until {
        let sql = stage.sql(2).await;
        sql.batch_execute("begin isolation level repeatable read; select sum(reserved) from stock")
            .await
            .unwrap();
        while now() < until {
            match sql
                .simple_query("select count(*) from orders, generate_series(1, 3); select pg_sleep(0.2)")
                .await
            {
                Ok(_) => {}
                Err(error) => {
                    let state = error.code().cloned();
                    assert!(
                        [
                            None,
                            Some(SqlState::T_R_SERIALIZATION_FAILURE),
                            Some(SqlState::ADMIN_SHUTDOWN)
                        ]
                        .contains(&state),
                        "{error:?}"
                    );
                    given_up += 1;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    break;
                }
            }
        }
    }
    given_up
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_report_on_the_replica_holds_up_nobody() {
    let stage = Stage::up(1).await;
    let loms = stage.loms(&[]).await;
    stage.stock(1).await;
    let load = Load::start(&Plan::of(vec![loms.grpc()], 32));
    created_after(&load, now()).await;
    tokio::time::sleep(Duration::from_secs(1)).await; // pools are filled
    let began = now();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (report, before) = (now(), tables(&stage).await);
    let length = Duration::from_secs(u64::try_from(rounds(15, 600)).unwrap());
    let given_up = reports(&stage, report + length).await;
    let (ended, after) = (now(), tables(&stage).await);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let last = now();
    let calls = load.stop().await;
    let spans = [(began, report), (report, ended), (ended, last)].map(|(from, to)| pace(&calls, from, to));
    for (when, pace) in ["before", "during", "after"].into_iter().zip(&spans) {
        figure(format!(
            "report of {} s on the replica, {when}: {} orders/s, p99 {} ms, longest {} ms",
            length.as_secs(),
            pace.orders_per_second,
            pace.p99_ms,
            pace.longest.as_millis()
        ));
    }
    figure(format!(
        "report on the replica: given up and begun again {given_up} times; tables (name, bytes, dead rows) before {before:?}, after {after:?}"
    ));
    let [quiet, during, _] = &spans;
    assert!(during.orders_per_second > quiet.orders_per_second / 3.0, "{spans:?}");
    assert!(during.longest < COMMIT_MAX, "a report stalls commits: {during:?}");
    for ((name, size, _), (_, later, _)) in before.iter().zip(&after) {
        assert!(
            *later < size * 4 + 8 * 1024 * 1024,
            "{name} grew from {size} to {later} bytes"
        );
    }
    assert!(calls.iter().all(|call| call.created.len() == 1 || is_done(call)));
    verify(&stage.sql(1).await, &calls, &loms.grpc()).await;
    loms.stop().await;
    audited(&stage.url()).await;
}
