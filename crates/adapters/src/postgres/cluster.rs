//! Looks at all servers of the cluster in turn: which takes writes, and which standbys are in step
//! with it and may answer reads.
//!
//! A standby is in step while the primary waits for it (`sync`), did so at the look before, and it
//! has applied what the primary had written then: what was committed while nobody waited for it
//! yet is there before the first read is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use futures::future::join_all;
use metrics::{Gauge, gauge};
use sql::queries::nodes;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};
use tokio_postgres::Client;

use super::connect::{Connector, Session};
use super::measured::{Sql, measured, within};
use crate::metrics::{PRIMARY_TAKES_WRITES, REPLICA_IN_USE, REPLICA_LAG};

/// Good looks after which a server that failed a read is trusted again: it may answer looks and
/// no reads.
const LOOKS_AWAY: u8 = 4;

/// The cluster as it was last seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// The server that others follow; the last one that was seen, where none is to be seen now.
    pub primary: Option<usize>,
    /// Its timeline. While a newer one is known, the view is of before a failover.
    pub timeline: i32,
    /// Whether it takes writes: a primary may be set to be read only.
    pub takes_writes: bool,
    /// Standbys that are in step.
    pub replicas: Vec<usize>,
    /// For each standby that the primary knows: how far it is behind, in bytes of WAL.
    pub lag_bytes: Vec<(usize, i64)>,
}

/// A standby as its primary sees it; positions are bytes of WAL.
#[derive(Debug, Clone)]
struct Waited {
    name: String,
    replayed: i64,
}

/// The primary at the look before: whom it waited for, and how far it had written after that.
#[derive(Debug)]
struct Before {
    primary: usize,
    waited_for: Vec<String>,
    written: i64,
}

/// What one server says.
#[derive(Debug, Clone)]
enum Look {
    Primary {
        timeline: i32,
        takes_writes: bool,
        written: i64,
        waited_for: Vec<Waited>,
    },
    Standby {
        name: Option<String>,
    },
}

impl Look {
    const fn may_be_kept(&self) -> bool {
        matches!(self, Self::Standby { .. } | Self::Primary { takes_writes: true, .. })
    }
}

/// Servers that failed a read a moment ago: for how many good looks each is still passed over.
#[derive(Debug)]
pub struct Suspects(Vec<AtomicU8>);

impl Suspects {
    /// Notes that a server failed a read.
    pub fn accuse(&self, server: usize) {
        if let Some(suspect) = self.0.get(server) {
            suspect.store(LOOKS_AWAY, Ordering::Relaxed);
        }
    }

    /// Whether it did.
    #[must_use]
    pub fn suspects(&self, server: usize) -> bool {
        self.0
            .get(server)
            .is_none_or(|suspect| suspect.load(Ordering::Relaxed) > 0)
    }

    fn note_look(&self, server: usize, answered: bool) {
        let Some(suspect) = self.0.get(server) else { return };
        // Nobody else lowers it; an accusation meanwhile may be one look shorter.
        let looks = suspect.load(Ordering::Relaxed);
        suspect.store(if answered { looks.saturating_sub(1) } else { 1 }, Ordering::Relaxed);
    }
}

/// How a server is asked. To connect may take longer than a look: on a busy machine it would never
/// succeed if each look began anew.
#[derive(Debug, Default)]
struct Place {
    client: Option<Client>,
    connecting: Option<JoinHandle<Option<Client>>>,
}

/// Shows the view as metrics.
struct Gauges {
    takes_writes: Gauge,
    /// Of each server: whether it is in use as a replica.
    in_use: Vec<Gauge>,
    names: Vec<String>,
}

impl Gauges {
    fn of(connector: &Connector) -> Self {
        let names: Vec<String> = (0..connector.servers())
            .map(|at| connector.name(at).to_owned())
            .collect();
        let in_use = names
            .iter()
            .map(|name| gauge!(REPLICA_IN_USE.name, "server" => name.clone()));
        Self {
            takes_writes: gauge!(PRIMARY_TAKES_WRITES.name),
            in_use: in_use.collect(),
            names,
        }
    }

    fn tell(&self, view: &View) {
        self.takes_writes.set(u8::from(view.takes_writes));
        for (server, gauge) in self.in_use.iter().enumerate() {
            gauge.set(u8::from(view.replicas.contains(&server)));
        }
        for (server, bytes) in &view.lag_bytes {
            #[expect(clippy::cast_precision_loss, reason = "WAL behind is far below 2^52 bytes")]
            gauge!(REPLICA_LAG.name, "server" => self.names[*server].clone()).set(*bytes as f64);
        }
    }
}

impl std::fmt::Debug for Gauges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gauges")
            .field("servers", &self.names)
            .finish_non_exhaustive()
    }
}

/// Keeps the view of the cluster.
#[derive(Debug)]
pub struct Cluster {
    connector: Arc<Connector>,
    places: Vec<Place>,
    /// What the primary said at the last look.
    before: Option<Before>,
    view: watch::Sender<View>,
    suspects: Arc<Suspects>,
    gauges: Gauges,
}

impl Cluster {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(connector: Arc<Connector>) -> Self {
        let servers = connector.servers();
        Self {
            gauges: Gauges::of(&connector),
            connector,
            places: std::iter::repeat_with(Place::default).take(servers).collect(),
            before: None,
            view: watch::Sender::default(),
            suspects: Arc::new(Suspects((0..servers).map(|_| AtomicU8::new(0)).collect())),
        }
    }

    /// The view, as it is kept.
    #[must_use]
    pub fn view(&self) -> watch::Receiver<View> {
        self.view.subscribe()
    }

    /// Where failed reads are noted.
    #[must_use]
    pub fn suspects(&self) -> Arc<Suspects> {
        Arc::clone(&self.suspects)
    }

    /// Looks again and again, for ever; at once when somebody else saw that a server took over.
    pub async fn keep(mut self) {
        let mut timelines = self.connector.timelines();
        let mut ticks = interval(self.connector.settings().health_interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                Ok(()) = timelines.changed() => {}
            }
            self.look().await;
        }
    }

    /// Looks once at all servers.
    pub async fn look(&mut self) {
        let patience = self.connector.settings().health_interval;
        let connector = Arc::clone(&self.connector);
        let looks = self.places.iter_mut().enumerate().map(|(server, place)| {
            let connector = &connector;
            async move {
                let look = within(patience, look(connector, server, place)).await.ok().flatten();
                // Sessions that began while a server was set to be read only stay so.
                if !look.as_ref().is_some_and(Look::may_be_kept) {
                    place.client = None;
                }
                look
            }
        });
        let looks: Vec<Option<Look>> = join_all(looks).await;
        let view = self.judge(&looks);
        for (server, look) in looks.iter().enumerate() {
            self.suspects.note_look(server, look.is_some());
        }
        self.gauges.tell(&view);
        self.view.send_if_modified(|last| {
            let changed = *last != view;
            *last = view;
            changed
        });
    }

    fn judge(&mut self, looks: &[Option<Look>]) -> View {
        let primaries = looks.iter().enumerate().filter_map(|(server, look)| match look {
            Some(Look::Primary {
                timeline,
                takes_writes,
                written,
                waited_for,
            }) => Some((*timeline, server, *takes_writes, *written, waited_for)),
            _ => None,
        });
        let newest = primaries.max_by_key(|(timeline, ..)| *timeline);
        let Some((timeline, primary, takes_writes, written, waited_for)) =
            newest.filter(|(timeline, ..)| self.connector.note_timeline(*timeline).is_ok())
        else {
            self.before = None;
            // It may only be slow: whoever reads finds out.
            let before = self.view.borrow();
            return View {
                primary: before.primary,
                timeline: before.timeline,
                ..View::default()
            };
        };
        let before = self.before.replace(Before {
            primary,
            waited_for: waited_for.iter().map(|waited| waited.name.clone()).collect(),
            written,
        });
        let mut view = View {
            primary: Some(primary),
            timeline,
            takes_writes,
            ..View::default()
        };
        for (server, look) in looks.iter().enumerate() {
            let Some(Look::Standby { name: Some(name) }) = look else {
                continue;
            };
            // Two of one name cannot be told apart.
            let mut of_name = waited_for.iter().filter(|waited| waited.name == *name);
            let (Some(waited), None) = (of_name.next(), of_name.next()) else {
                continue;
            };
            view.lag_bytes.push((server, (written - waited.replayed).max(0)));
            let caught_up = before.as_ref().is_some_and(|before| {
                before.primary == primary && before.waited_for.contains(name) && waited.replayed >= before.written
            });
            if caught_up && self.connector.settings().wait_for_replicas {
                view.replicas.push(server);
            }
        }
        view
    }
}

impl Place {
    /// A connection that is kept.
    async fn client(&mut self, connector: &Arc<Connector>, server: usize) -> Option<&Client> {
        if self.client.as_ref().is_none_or(Client::is_closed) {
            let connecting = self.connecting.get_or_insert_with(|| {
                let connector = Arc::clone(connector);
                tokio::spawn(async move { Some(connector.to(server, Session::Look).await.ok()?.0) })
            });
            let connected = connecting.await;
            self.connecting = None;
            self.client = connected.ok().flatten();
        }
        self.client.as_ref()
    }
}

/// Asks one server.
async fn look(connector: &Arc<Connector>, server: usize, place: &mut Place) -> Option<Look> {
    let client = place.client(connector, server).await?;
    let standing = measured(Sql::Standing, nodes::standing().bind(client).one())
        .await
        .ok()?;
    if standing.standby {
        return Some(Look::Standby {
            name: standing.standby_name,
        });
    }
    let timeline = measured(Sql::Timeline, nodes::timeline().bind(client).one())
        .await
        .ok()??;
    let standbys = nodes::synchronous_standbys();
    let waited_for = standbys.bind(client).map(|row| Waited {
        name: row.name.to_owned(),
        replayed: row.replayed.unwrap_or(0),
    });
    let waited_for = measured(Sql::SynchronousStandbys, waited_for.all()).await.ok()?;
    // After the list: who is on it is waited for from here on.
    let writing = measured(Sql::Writing, nodes::writing().bind(client).one()).await.ok()?;
    Some(Look::Primary {
        timeline,
        takes_writes: writing.takes_writes,
        written: writing.written,
        waited_for,
    })
}
