//! Looks at all servers of the cluster in turn: which takes writes, and which standbys are in step
//! with it and may answer reads.
//!
//! A standby is in step while the primary waits for it (`sync`) and it has applied what the
//! primary had written at the look before: what was committed while nobody waited for it is there
//! before the first read is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::join_all;
use sql::queries::nodes;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_postgres::Client;

use super::connect::{Connector, Session};

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

/// Servers that failed a read since the last look.
#[derive(Debug)]
pub struct Suspects(Vec<AtomicBool>);

impl Suspects {
    /// Notes that a server failed a read.
    pub fn accuse(&self, server: usize) {
        if let Some(suspect) = self.0.get(server) {
            suspect.store(true, Ordering::Relaxed);
        }
    }

    /// Whether it did.
    #[must_use]
    pub fn suspects(&self, server: usize) -> bool {
        self.0.get(server).is_none_or(|suspect| suspect.load(Ordering::Relaxed))
    }
}

/// How a server is asked. To connect may take longer than a look: on a busy machine it would never
/// succeed if each look began anew.
#[derive(Debug, Default)]
struct Place {
    client: Option<Client>,
    connecting: Option<JoinHandle<Option<Client>>>,
}

/// Keeps the view of the cluster.
#[derive(Debug)]
pub struct Cluster {
    connector: Arc<Connector>,
    places: Vec<Place>,
    /// The primary of the last look, and how far it had written.
    before: Option<(usize, i64)>,
    view: watch::Sender<View>,
    suspects: Arc<Suspects>,
}

impl Cluster {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(connector: Arc<Connector>) -> Self {
        let servers = connector.servers();
        Self {
            connector,
            places: std::iter::repeat_with(Place::default).take(servers).collect(),
            before: None,
            view: watch::Sender::default(),
            suspects: Arc::new(Suspects((0..servers).map(|_| AtomicBool::new(false)).collect())),
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
                let look = timeout(patience, look(connector, server, place)).await.ok().flatten();
                // Sessions that began while a server was set to be read only stay so.
                if !look.as_ref().is_some_and(Look::may_be_kept) {
                    place.client = None;
                }
                look
            }
        });
        let looks: Vec<Option<Look>> = join_all(looks).await;
        let view = self.judge(&looks);
        for (suspect, look) in self.suspects.0.iter().zip(&looks) {
            suspect.store(look.is_none(), Ordering::Relaxed);
        }
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
        let before = self.before.replace((primary, written));
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
            let Some(waited) = waited_for.iter().find(|waited| waited.name == *name) else {
                continue;
            };
            view.lag_bytes.push((server, (written - waited.replayed).max(0)));
            let caught_up = before.is_some_and(|(same, then)| same == primary && waited.replayed >= then);
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
    let standing = nodes::standing().bind(client).one().await.ok()?;
    if standing.standby {
        return Some(Look::Standby {
            name: standing.standby_name,
        });
    }
    let timeline = nodes::timeline().bind(client).one().await.ok()??;
    let writing = nodes::writing().bind(client).one().await.ok()?;
    let waited_for = nodes::synchronous_standbys()
        .bind(client)
        .map(|row| Waited {
            name: row.name.to_owned(),
            replayed: row.replayed.unwrap_or(0),
        })
        .all()
        .await
        .ok()?;
    Some(Look::Primary {
        timeline,
        takes_writes: writing.takes_writes,
        written: writing.written,
        waited_for,
    })
}
