//! Pools of connections. One writes to the primary, one for each server reads.
//!
//! A connection is taken as it is if it was used a moment ago, and asked whether it lives if it
//! was not. One whose statement timed out never comes back, and takes the idle ones with it: a
//! frozen server accepts connections and answers none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

pub use deadpool_postgres::BuildError;
use deadpool_postgres::{
    Connect, Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime,
};
use domain::error::{Cause, cause};
use domain::order::ports::LedgerError;
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, Error as PgError};

use super::connect::{ConnectError, Connector, Session};
use super::errors::{Refusal, busy};
use super::measured::within;
use super::unit::{Cached, Statements};
use super::waits::{Waits, show_overdue};

/// A connection that was used within this time is not asked whether it lives.
const FRESH: Duration = Duration::from_secs(1);
/// How often a connection is asked for while servers take over from each other.
const ATTEMPTS_MAX: usize = 3;

/// Which server the connections of a pool go to.
#[derive(Debug, Clone, Copy)]
enum Target {
    Primary,
    Server(usize),
}

/// Makes the connections of a pool, and remembers why it could not: the pool's own errors are those
/// of the driver.
#[derive(Debug, Clone)]
struct Maker {
    connector: Arc<Connector>,
    target: Target,
    session: Session,
    failure: Arc<Mutex<Option<ConnectError>>>,
}

impl Connect for Maker {
    fn connect(&self, _: &Config) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), PgError>> {
        async move {
            let made = match self.target {
                Target::Primary => self.connector.primary(self.session).await,
                Target::Server(at) => self.connector.to(at, self.session).await,
            };
            made.map_err(|error| match error {
                ConnectError::Server { source, .. } => source,
                other => {
                    *self.failure.lock() = Some(other);
                    // The one error of the driver that can be made from outside.
                    PgError::__private_api_timeout()
                }
            })
        }
        .boxed()
    }
}

/// A wait of a hook, which the pool does not bound by itself.
async fn bounded<T>(patience: Duration, work: impl Future<Output = Result<T, PgError>>) -> Result<T, HookError> {
    match within(patience, work).await {
        Ok(done) => done.map_err(HookError::Backend),
        Err(_) => Err(HookError::message("the server does not answer")),
    }
}

/// Bounded in every wait. A pool that writes has all statements of the unit of work prepared.
fn pool(maker: Maker, connections_max: usize) -> Result<Pool, BuildError> {
    let settings = maker.connector.settings().clone();
    let warm = maker.session == Session::Write;
    let (patience, to_prepare) = (
        settings.connect_timeout,
        settings.pool_timeout + settings.statement_timeout,
    );
    // One idle connection did not answer: the others are not waited for, one after the other.
    let silent = Arc::new(AtomicBool::new(false));
    let made = Arc::clone(&silent);
    let config = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    Pool::builder(Manager::from_connect(Config::new(), maker, config))
        .max_size(connections_max.max(1))
        .wait_timeout(Some(settings.pool_timeout))
        .create_timeout(Some(settings.connect_timeout * 3))
        .recycle_timeout(Some(settings.connect_timeout))
        .post_create(Hook::async_fn(
            move |client: &mut deadpool_postgres::ClientWrapper, _| {
                made.store(false, Ordering::Relaxed);
                Box::pin(async move {
                    if warm {
                        bounded(to_prepare, Statements::prepare(&Cached(client))).await?;
                    }
                    Ok(())
                })
            },
        ))
        .pre_recycle(Hook::async_fn(
            move |client: &mut deadpool_postgres::ClientWrapper, metrics| {
                let (silent, idle) = (Arc::clone(&silent), metrics.last_used() > FRESH);
                Box::pin(async move {
                    if silent.load(Ordering::Relaxed) {
                        return Err(HookError::message("another connection did not answer"));
                    }
                    if idle {
                        let pinged = bounded(patience, client.simple_query("")).await;
                        silent.store(pinged.is_err(), Ordering::Relaxed);
                        pinged?;
                    }
                    Ok(())
                })
            },
        ))
        .runtime(Runtime::Tokio1)
        .build()
}

/// Connections to the primary that write.
#[derive(Debug, Clone)]
pub struct WritePool {
    connector: Arc<Connector>,
    /// The pool of the newest timeline, and which that is. Another timeline gets another pool:
    /// what comes back to the old one later, is closed.
    pool: Arc<Mutex<(i32, Pool)>>,
    maker: Maker,
    failure: Arc<Mutex<Option<ConnectError>>>,
    /// Connections that wait for an overdue COMMIT.
    overdue: Arc<AtomicUsize>,
    /// Whether no COMMIT was answered since one was overdue.
    silent: Arc<AtomicBool>,
    connections_max: usize,
    waits: Waits,
}

impl WritePool {
    /// A pool; it connects when it is asked for a connection.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn new(connector: &Arc<Connector>) -> Result<Self, BuildError> {
        let connections_max = connector.settings().write_connections_max;
        let maker = Maker {
            connector: Arc::clone(connector),
            target: Target::Primary,
            session: Session::Write,
            failure: Arc::default(),
        };
        Ok(Self {
            failure: Arc::clone(&maker.failure),
            connector: Arc::clone(connector),
            pool: Arc::new(Mutex::new((0, pool(maker.clone(), connections_max)?))),
            maker,
            overdue: Arc::default(),
            silent: Arc::default(),
            connections_max,
            waits: Waits::of("write"),
        })
    }

    /// A connection, and what changes when its server is deposed. At once an error while all wait
    /// for overdue commits.
    ///
    /// # Errors
    /// [`LedgerError::Busy`].
    pub async fn get(&self) -> Result<(Object, watch::Receiver<i32>), LedgerError> {
        if self.is_exhausted() {
            return Err(busy(Refusal::Overdue));
        }
        // Making the connection may show a newer timeline; then there may be an older one in hand.
        for _ in 0..ATTEMPTS_MAX {
            let mut timelines = self.connector.timelines();
            let newest = *timelines.borrow_and_update();
            let connection = match self.waits.get(&self.of_timeline(newest)?).await {
                Ok(connection) => connection,
                // A newer timeline closed the pool that this one waited for.
                Err(PoolError::Closed) => continue,
                Err(error) => return Err(LedgerError::Busy(why(error, &self.failure))),
            };
            if !timelines.has_changed().unwrap_or(true) {
                return Ok((connection, timelines));
            }
            drop(Object::take(connection));
        }
        Err(busy(Refusal::DeposedMeanwhile))
    }

    /// The pool of a timeline; connections of another one are closed, as soon as they are idle.
    fn of_timeline(&self, newest: i32) -> Result<Pool, LedgerError> {
        let mut place = self.pool.lock();
        if place.0 < newest {
            let fresh = pool(self.maker.clone(), self.connections_max).map_err(busy)?;
            std::mem::replace(&mut *place, (newest, fresh)).1.close();
        }
        Ok(place.1.clone())
    }

    /// What connects to the primary.
    #[must_use]
    pub(super) fn connector(&self) -> &Connector {
        &self.connector
    }

    /// For the answer to one statement: the server bounds it, unless it is frozen.
    #[must_use]
    pub fn patience(&self) -> Duration {
        let settings = self.connector.settings();
        settings.statement_timeout + settings.lock_timeout
    }

    /// How many connections wait for an overdue COMMIT.
    #[must_use]
    pub fn overdue(&self) -> usize {
        self.overdue.load(Ordering::Relaxed)
    }

    /// Whether every connection waits for an overdue COMMIT.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.overdue() >= self.connections_max
    }

    /// Whether a COMMIT is overdue and none was answered since: the primary waits for a standby.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.overdue() > 0 && self.silent.load(Ordering::Relaxed)
    }

    /// Notes that a COMMIT was answered.
    pub fn note_committed(&self) {
        self.silent.store(false, Ordering::Relaxed);
    }

    /// Counts a connection as overdue as long as what is returned lives.
    #[must_use]
    pub fn count_overdue(&self) -> Overdue {
        self.overdue.fetch_add(1, Ordering::Relaxed);
        self.silent.store(true, Ordering::Relaxed);
        Overdue(Arc::clone(&self.overdue))
    }

    /// Shows how the pool is used.
    pub fn show(&self) {
        let pool = self.pool.lock().1.clone();
        self.waits.show(&pool);
        show_overdue(self.overdue());
    }

    /// Closes a connection, and the idle ones: its server may answer none of them.
    pub fn distrust(&self, connection: Object) {
        drop(Object::take(connection));
        self.pool.lock().1.retain(|_, _| false);
    }
}

/// A connection that waits for an overdue COMMIT.
#[derive(Debug)]
pub struct Overdue(Arc<AtomicUsize>);

impl Drop for Overdue {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Connections to one server that read.
#[derive(Debug, Clone)]
pub struct ReadPool {
    pool: Pool,
    waits: Waits,
    failure: Arc<Mutex<Option<ConnectError>>>,
}

impl ReadPool {
    /// A pool of a server; it connects when it is asked for a connection.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn new(connector: &Arc<Connector>, server: usize) -> Result<Self, BuildError> {
        let maker = Maker {
            connector: Arc::clone(connector),
            target: Target::Server(server),
            session: Session::Read,
            failure: Arc::default(),
        };
        Ok(Self {
            failure: Arc::clone(&maker.failure),
            pool: pool(maker, connector.settings().read_connections_max)?,
            waits: Waits::of(&format!("read-{}", server + 1)),
        })
    }

    /// A connection.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn get(&self) -> Result<Object, Cause> {
        self.waits
            .get(&self.pool)
            .await
            .map_err(|error| why(error, &self.failure))
    }

    /// Shows how the pool is used.
    pub fn show(&self) {
        self.waits.show(&self.pool);
    }

    /// Closes a connection, and the idle ones.
    pub fn distrust(&self, connection: Object) {
        drop(Object::take(connection));
        self.pool.retain(|_, _| false);
    }
}

/// Why there is no connection: what the maker noted is nearer to the cause.
fn why(error: PoolError, failure: &Mutex<Option<ConnectError>>) -> Cause {
    match failure.lock().take() {
        Some(failure) => cause(failure),
        None => cause(error),
    }
}
