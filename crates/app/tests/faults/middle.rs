//! Stands between LOMS and its primary, reads along how far each transaction is, and holds back
//! what it is told to. It reads the protocol only as far as its words BEGIN and COMMIT.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::figures::now;

/// How far a connection that writes orders is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No transaction is open.
    Idle,
    /// BEGIN was sent, with the locks; COMMIT was not.
    Open,
    /// COMMIT was sent, and its answer did not come back yet.
    Committing,
}

/// What is held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    Nothing,
    /// What the server says to the first round trip: rows are locked, and LOMS does not know.
    Locks,
    /// The writes and the COMMIT: rows are locked, and the server hears nothing more.
    Commit,
    /// Everything, either way: a network that drops what it is given.
    All,
}

/// How many connections that write were in which phase at a moment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Left {
    pub(crate) open: usize,
    pub(crate) committing: usize,
}

struct Shared {
    server: u16,
    hold: watch::Sender<Hold>,
    held: watch::Sender<usize>,
    /// Phases of connections that write, changing.
    phase: watch::Sender<Phase>,
    left: Mutex<Vec<Seen>>,
    connections: watch::Sender<usize>,
    /// Whether there are connections, and may be new ones.
    open: watch::Sender<bool>,
}

/// The proxy; it ends with the runtime of its test.
pub(crate) struct Middle {
    pub(crate) port: u16,
    shared: Arc<Shared>,
}

impl Middle {
    /// To the server at this port.
    pub(crate) async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            server,
            hold: watch::Sender::new(Hold::Nothing),
            held: watch::Sender::new(0),
            phase: watch::Sender::new(Phase::Idle),
            left: Mutex::default(),
            connections: watch::Sender::new(0),
            open: watch::Sender::new(true),
        });
        let all = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(link(near, Arc::clone(&all)));
            }
        });
        Self { port, shared }
    }

    /// Holds back from now on, and lets go of what was held back otherwise.
    pub(crate) fn hold(&self, hold: Hold) {
        self.shared.held.send_replace(0);
        self.shared.hold.send_replace(hold);
    }

    /// Ends all connections, and takes none until [`Middle::open`].
    pub(crate) fn cut(&self) {
        self.shared.open.send_replace(false);
    }

    /// Takes connections again.
    pub(crate) fn open(&self) {
        self.shared.open.send_replace(true);
    }

    /// Waits until a connection is held back.
    pub(crate) async fn held(&self) {
        self.shared.held.subscribe().wait_for(|held| *held > 0).await.unwrap();
    }

    /// Waits until some connection gets into this phase.
    pub(crate) async fn gets(&self, phase: Phase) {
        let mut phases = self.shared.phase.subscribe();
        phases.mark_unchanged();
        while phases.changed().await.is_ok() {
            if *phases.borrow_and_update() == phase {
                return;
            }
        }
    }

    /// Waits until all clients are gone that were killed at this moment, and tells in which phase it met
    /// them. An answer that passed later came too late.
    pub(crate) async fn left(&self, killed: Instant) -> Left {
        let mut connections = self.shared.connections.subscribe();
        connections.wait_for(|open| *open == 0).await.unwrap();
        let mut left = Left::default();
        for seen in std::mem::take(&mut *self.shared.left.lock().unwrap()) {
            let too_late = seen.answered.is_some_and(|answered| answered >= killed);
            match seen.phase {
                _ if !seen.writes => {}
                Phase::Open => left.open += 1,
                Phase::Committing => left.committing += 1,
                Phase::Idle => left.committing += usize::from(too_late),
            }
        }
        left
    }
}

/// What both directions of a connection know.
#[derive(Debug, Clone, Copy)]
struct Seen {
    phase: Phase,
    writes: bool,
    /// When the last answer to a COMMIT passed.
    answered: Option<Instant>,
}

async fn link(near: TcpStream, shared: Arc<Shared>) {
    shared.connections.send_modify(|open| *open += 1);
    let mut open = shared.open.subscribe();
    let is_open = *open.borrow_and_update();
    if is_open && let Ok(far) = TcpStream::connect(("127.0.0.1", shared.server)).await {
        near.set_nodelay(true).unwrap();
        far.set_nodelay(true).unwrap();
        let seen = Mutex::new(Seen {
            phase: Phase::Idle,
            writes: false,
            answered: None,
        });
        let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
        tokio::select! {
            () = forth(from_near, to_far, &seen, &shared) => {}
            () = back(from_far, to_near, &seen, &shared) => {}
            _ = open.wait_for(|open| !open) => {}
        }
        shared.left.lock().unwrap().push(*seen.lock().unwrap());
    }
    shared.connections.send_modify(|open| *open -= 1);
}

/// Whether some bytes hold a word, which may have begun in the bytes before them.
struct Words(Vec<u8>);

impl Words {
    fn next(&mut self, bytes: &[u8]) -> impl Fn(&str) -> bool + use<> {
        let mut all = std::mem::take(&mut self.0);
        let old = all.len();
        all.extend_from_slice(bytes);
        self.0 = all[all.len().saturating_sub(24)..].to_vec();
        move |word| {
            let found = all.windows(word.len()).rposition(|window| window == word.as_bytes());
            found.is_some_and(|at| at + word.len() > old) // not one that was found before
        }
    }
}

impl Shared {
    fn enter(&self, seen: &Mutex<Seen>, phase: Phase) {
        let mut seen = seen.lock().unwrap();
        seen.phase = phase;
        if seen.writes {
            self.phase.send_replace(phase);
        }
    }

    /// Passes on later what is given while everything is held back.
    async fn pass(&self) {
        if *self.hold.borrow() == Hold::All {
            self.wait().await;
        }
    }

    async fn wait(&self) {
        self.held.send_modify(|held| *held += 1);
        self.hold
            .subscribe()
            .wait_for(|hold| *hold == Hold::Nothing)
            .await
            .unwrap();
    }
}

async fn forth(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, seen: &Mutex<Seen>, shared: &Shared) {
    let (mut bytes, mut words) = (vec![0; 64 * 1024], Words(Vec::new()));
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        let has = words.next(&bytes[..read]);
        if has("insert into orders ") {
            seen.lock().unwrap().writes = true;
        }
        if has("BEGIN\0") {
            shared.enter(seen, Phase::Open);
        }
        if has("COMMIT\0") {
            if *shared.hold.borrow() == Hold::Commit {
                shared.wait().await;
            }
            shared.enter(seen, Phase::Committing);
        } else if has("ROLLBACK\0") {
            shared.enter(seen, Phase::Idle);
        }
        shared.pass().await;
        if to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}

async fn back(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, seen: &Mutex<Seen>, shared: &Shared) {
    let (mut bytes, mut words) = (vec![0; 64 * 1024], Words(Vec::new()));
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        let has = words.next(&bytes[..read]);
        let locking = |seen: &Seen| seen.writes && seen.phase == Phase::Open;
        if *shared.hold.borrow() == Hold::Locks && locking(&seen.lock().unwrap()) {
            shared.wait().await;
        }
        if has("COMMIT\0") {
            seen.lock().unwrap().answered = Some(now());
        }
        shared.pass().await;
        if to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
        if has("COMMIT\0") || has("ROLLBACK\0") {
            shared.enter(seen, Phase::Idle);
        }
    }
}
