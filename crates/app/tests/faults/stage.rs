//! LOMS on a Postgres of the test's own that is going to be in trouble: its database, what
//! `/readyz` says, how many backends it has.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use tokio::task::JoinHandle;
use tokio_postgres::Client as Sql;

use crate::cluster::Cluster;
use crate::figures::{now, until};
use crate::load::{Call, Client, Draft, Load, Told};
use crate::loms::Loms;

/// The database of the test.
pub(crate) const DATABASE: &str = "trouble";
/// The bound of what has to come by itself.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// A cluster with a database.
pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
}

impl Stage {
    /// A primary (node 1) and this many synchronous standbys, with an empty database.
    pub(crate) async fn up(standbys: usize) -> Self {
        let cluster = Cluster::up(standbys).await;
        cluster.create(1, DATABASE).await;
        Self { cluster }
    }

    /// A LOMS on it, ready.
    pub(crate) async fn loms(&self, settings: &[(&str, &str)]) -> Loms {
        Loms::start(&self.url(), settings).await
    }

    pub(crate) fn url(&self) -> String {
        self.cluster.url(DATABASE)
    }

    /// The superuser at the database, on a node. Does not wait for standbys.
    pub(crate) async fn sql(&self, node: usize) -> Sql {
        self.cluster.admin(node, DATABASE).await
    }

    /// Does something as the superuser on a node.
    pub(crate) async fn run(&self, node: usize, statements: &[&str]) {
        let sql = self.sql(node).await;
        for statement in statements {
            sql.simple_query(statement).await.unwrap();
        }
    }

    /// Loads skus 1 to 400, enough of each for any test.
    pub(crate) async fn stock(&self, node: usize) {
        self.run(
            node,
            &[
                "insert into stock (sku, total_count) select sku, 1000000000 from generate_series(1, 400) sku",
                "insert into stock_movements (sku, units, reason, moment)
                    select sku, total_count, 'initial load', now() from stock",
            ],
        )
        .await;
    }

    /// Whom the primary on a node waits for.
    pub(crate) async fn wait_for(&self, node: usize, names: &str) {
        let set = format!("alter system set synchronous_standby_names = '{names}'");
        self.run(node, &[&set, "select pg_reload_conf()"]).await;
    }

    /// Ends all sessions of LOMS on a node.
    pub(crate) async fn end_sessions(&self, node: usize) {
        self.run(
            node,
            &["select pg_terminate_backend(pid) from pg_stat_activity
                where datname = current_database() and pid <> pg_backend_pid()"],
        )
        .await;
    }
}

/// What `/readyz` of a LOMS says.
pub(crate) async fn readyz(loms: &Loms) -> (StatusCode, String) {
    let answer = reqwest::get(format!("{}/readyz", loms.http())).await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

/// Waits until `/readyz` has this status and names this.
pub(crate) async fn reports(loms: &Loms, status: StatusCode, named: &str) -> Duration {
    until(
        &format!("/readyz says {status} and names {named:?}"),
        SOON,
        async || {
            let (found, text) = readyz(loms).await;
            found == status && text.contains(named)
        },
    )
    .await
}

/// Waits until nothing is missed that has to do with the database.
pub(crate) async fn is_whole(loms: &Loms) -> Duration {
    until("/readyz misses neither primary nor replica", SOON, async || {
        let (found, text) = readyz(loms).await;
        found == StatusCode::OK && !text.contains("replica")
    })
    .await
}

/// Waits until a load had an order created that was begun after a moment; when that was answered.
pub(crate) async fn created_after(load: &Load, moment: Instant) -> Instant {
    let done = |call: &Call| call.began > moment && call.order().is_some();
    until("orders go on", SOON, async || load.count(done) > 0).await;
    let calls = load.calls();
    calls
        .iter()
        .filter(|call| done(call))
        .map(|call| call.ended)
        .min()
        .unwrap()
}

/// Creates an order outside of a load; how it went, and how long it took.
pub(crate) async fn create_one(loms: &Loms, user: i64, key: &str) -> (Told<i64>, Duration) {
    let draft = Draft {
        user,
        key: key.to_owned(),
        lines: vec![(1, 1)],
    };
    let began = now();
    (Client::of(&loms.grpc()).create(&draft).await, began.elapsed())
}

/// The time that passed for creates that ended within a span and satisfy this.
pub(crate) fn times(calls: &[Call], from: Instant, to: Instant, of: impl Fn(&Call) -> bool) -> Vec<Duration> {
    let within = calls.iter().filter(|call| call.began >= from && call.ended <= to);
    within
        .filter(|call| of(call))
        .map(|call| call.ended - call.began)
        .collect()
}

/// Whether the last attempt to create was answered.
pub(crate) fn is_done(call: &Call) -> bool {
    matches!(call.created.last(), Some(Told::Done(_)))
}

/// A percentile, in milliseconds.
pub(crate) fn percentile(times: &[Duration], percent: usize) -> u128 {
    let mut sorted: Vec<u128> = times.iter().map(Duration::as_millis).collect();
    sorted.sort_unstable();
    let last = sorted.len().saturating_sub(1);
    sorted.get(last * percent / 100).copied().unwrap_or(0)
}

/// The most backends that LOMS was seen to have.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Backends {
    pub(crate) all: i64,
    /// Those that wait for a standby.
    pub(crate) waiting: i64,
}

/// Counts the backends of LOMS on a node.
pub(crate) struct BackendWatch {
    most: Arc<Mutex<Backends>>,
    task: JoinHandle<()>,
}

impl BackendWatch {
    pub(crate) async fn start(stage: &Stage, node: usize) -> Self {
        let (sql, most) = (stage.sql(node).await, Arc::<Mutex<Backends>>::default());
        let seen = Arc::clone(&most);
        let task = tokio::spawn(async move {
            loop {
                let row = sql
                    .query_one(
                        "select count(*), count(*) filter (where wait_event = 'SyncRep') from pg_stat_activity
                        where datname = current_database() and pid <> pg_backend_pid() and usename is not null
                            and application_name like 'loms%'",
                        &[],
                    )
                    .await
                    .unwrap();
                let (all, waiting) = (row.get(0), row.get(1));
                {
                    let mut most = seen.lock().unwrap();
                    *most = Backends {
                        all: most.all.max(all),
                        waiting: most.waiting.max(waiting),
                    };
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        Self { most, task }
    }

    /// The most so far.
    pub(crate) fn most(&self) -> Backends {
        assert!(!self.task.is_finished(), "the backends are not counted any more");
        *self.most.lock().unwrap()
    }
}

impl Drop for BackendWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads stock and orders of a LOMS again and again.
pub(crate) struct Readers {
    told: Arc<Mutex<(Vec<Duration>, Vec<String>)>>,
    task: JoinHandle<()>,
}

impl Readers {
    pub(crate) fn start(loms: &Loms, order: i64) -> Self {
        let told = Arc::<Mutex<(Vec<Duration>, Vec<String>)>>::default();
        let urls = [
            format!("{}/stock/info?sku=1", loms.http()),
            format!("{}/order/info?orderId={order}", loms.http()),
        ];
        let (kept, http) = (Arc::clone(&told), reqwest::Client::new());
        let task = tokio::spawn(async move {
            for url in urls.iter().cycle() {
                let began = now();
                let answer = http.get(url).send().await;
                let took = began.elapsed();
                match answer {
                    Ok(answer) if answer.status() == StatusCode::OK => kept.lock().unwrap().0.push(took),
                    other => kept.lock().unwrap().1.push(format!("{other:?} after {took:?}")),
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        Self { told, task }
    }

    /// How long reads took that were answered, and how others ended.
    pub(crate) fn told(&self) -> (Vec<Duration>, Vec<String>) {
        assert!(!self.task.is_finished(), "nobody reads any more");
        self.told.lock().unwrap().clone()
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.task.abort();
    }
}
