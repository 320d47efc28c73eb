//! Stands between LOMS and its broker, knows which batches are on their way, and holds back what it is
//! told to. Of the protocol it reads frames and their kind, and puts itself in the place of the broker
//! where that says its address.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::harness::PATIENCE;

/// The longest frame that anybody sends here.
const FRAME_MAX_BYTES: usize = 64 * 1024 * 1024;
const HOST: &str = "127.0.0.1";
/// The kind of a request that brings messages.
const PRODUCE: [u8; 2] = [0, 0];

/// What is held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    Nothing,
    /// Batches: the broker does not see them.
    Batches,
    /// Their acknowledgements: the batches are written, and LOMS does not know.
    Answers,
}

struct Shared {
    broker: u16,
    port: u16,
    /// What a batch takes to the broker, and its answer back.
    delay: Duration,
    hold: watch::Sender<Hold>,
    held: watch::Sender<usize>,
    /// Batches that LOMS sent.
    sent: watch::Sender<usize>,
    open: watch::Sender<bool>,
    links: watch::Sender<usize>,
    /// Batches whose connection was cut before their answer.
    cut_off: AtomicUsize,
}

/// The proxy; it ends with the runtime of its test.
pub(crate) struct Wire {
    /// `HOST:PORT`.
    pub(crate) address: String,
    shared: Arc<Shared>,
}

impl Wire {
    /// To the broker at this address.
    pub(crate) async fn to(broker: &str, delay: Duration) -> Self {
        let listener = TcpListener::bind((HOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            broker: broker.rsplit(':').next().unwrap().parse().unwrap(),
            port,
            delay,
            hold: watch::Sender::new(Hold::Nothing),
            held: watch::Sender::new(0),
            sent: watch::Sender::new(0),
            open: watch::Sender::new(true),
            links: watch::Sender::new(0),
            cut_off: AtomicUsize::new(0),
        });
        let all = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(link(near, Arc::clone(&all)));
            }
        });
        Self {
            address: format!("{HOST}:{port}"),
            shared,
        }
    }

    /// Holds back from now on, and lets go of what was held back otherwise.
    pub(crate) fn hold(&self, hold: Hold) {
        self.shared.held.send_replace(0);
        self.shared.hold.send_replace(hold);
    }

    /// Waits until something is held back.
    pub(crate) async fn held(&self) {
        let mut held = self.shared.held.subscribe();
        let held = tokio::time::timeout(PATIENCE, held.wait_for(|held| *held > 0)).await;
        held.expect("batches are sent").unwrap();
    }

    /// Waits until LOMS sends the next batch.
    pub(crate) async fn leaves(&self) {
        let mut sent = self.shared.sent.subscribe();
        let sent = tokio::time::timeout(PATIENCE, sent.changed()).await;
        sent.expect("batches are sent").unwrap();
    }

    /// Does something, cuts all connections, and takes none until [`Wire::open`]. What is held back gets
    /// nowhere. How many batches were on their way, or their answers.
    pub(crate) async fn cut(&self, strike: impl FnOnce()) -> usize {
        self.shared.cut_off.store(0, Ordering::SeqCst);
        strike();
        self.shared.open.send_replace(false);
        let mut links = self.shared.links.subscribe();
        let ended = tokio::time::timeout(PATIENCE, links.wait_for(|links| *links == 0)).await;
        ended.expect("connections end").unwrap();
        self.hold(Hold::Nothing);
        self.shared.cut_off.load(Ordering::SeqCst)
    }

    /// Takes connections again.
    pub(crate) fn open(&self) {
        self.shared.open.send_replace(true);
    }
}

impl Shared {
    /// Passes something on, not sooner than it may.
    async fn pass(&self, held_by: Hold) {
        tokio::time::sleep(self.delay).await;
        if *self.hold.borrow() == held_by {
            self.held.send_modify(|held| *held += 1);
            let mut hold = self.hold.subscribe();
            hold.wait_for(|hold| *hold != held_by).await.unwrap();
        }
    }

    /// Names this proxy where the broker names itself.
    fn rename(&self, frame: &mut [u8]) {
        let named = |port: u16| [HOST.as_bytes(), &i32::from(port).to_be_bytes()].concat();
        let (broker, own) = (named(self.broker), named(self.port));
        let mut at = 0;
        while let Some(found) = frame[at..].windows(broker.len()).position(|bytes| bytes == broker) {
            frame[at + found..][..own.len()].copy_from_slice(&own);
            at += found + own.len();
        }
    }
}

async fn link(near: TcpStream, shared: Arc<Shared>) {
    shared.links.send_modify(|links| *links += 1);
    let mut open = shared.open.subscribe();
    let is_open = *open.borrow_and_update();
    if is_open && let Ok(far) = TcpStream::connect((HOST, shared.broker)).await {
        near.set_nodelay(true).unwrap();
        far.set_nodelay(true).unwrap();
        let flying = Mutex::default();
        let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
        tokio::select! {
            () = forth(from_near, to_far, &flying, &shared) => {}
            () = back(from_far, to_near, &flying, &shared) => {}
            _ = open.wait_for(|open| !open) => {}
        }
        let left = flying.into_inner().unwrap().len();
        shared.cut_off.fetch_add(left, Ordering::SeqCst);
    }
    shared.links.send_modify(|links| *links -= 1);
}

/// Requests without an answer that bring messages, by what ties the answer to them.
type Flying = Mutex<HashSet<[u8; 4]>>;

/// The next frame, with its length before it; `None` at the end.
async fn frame(from: &mut OwnedReadHalf) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length).await.ok()?;
    let size = usize::try_from(u32::from_be_bytes(length)).unwrap();
    assert!(size < FRAME_MAX_BYTES, "this is no frame of Kafka's: {size} bytes");
    let mut frame = vec![0; 4 + size];
    frame[..4].copy_from_slice(&length);
    from.read_exact(&mut frame[4..]).await.ok()?;
    Some(frame)
}

/// A request: its length, its kind and version, and what its answer begins with.
async fn forth(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, flying: &Flying, shared: &Shared) {
    while let Some(frame) = frame(&mut from).await {
        if frame[4..6] == PRODUCE {
            flying.lock().unwrap().insert(frame[8..12].try_into().unwrap());
            shared.sent.send_modify(|sent| *sent += 1);
            shared.pass(Hold::Batches).await;
        }
        if to.write_all(&frame).await.is_err() {
            return;
        }
    }
}

async fn back(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, flying: &Flying, shared: &Shared) {
    while let Some(mut frame) = frame(&mut from).await {
        let request: [u8; 4] = frame[4..8].try_into().unwrap();
        shared.rename(&mut frame);
        if flying.lock().unwrap().contains(&request) {
            shared.pass(Hold::Answers).await;
        }
        if to.write_all(&frame).await.is_err() {
            return;
        }
        flying.lock().unwrap().remove(&request);
    }
}
