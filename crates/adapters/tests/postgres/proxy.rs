//! A proxy between the ledger and its server. It knows just enough of the protocol to count round
//! trips and statements, and to lose at a COMMIT what a test tells it to lose.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// Answers take this long, so that what is sent without waiting for them is ahead of them.
const DELAY: Duration = Duration::from_millis(2);

/// What goes wrong, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The connection is cut where a BEGIN is to be sent.
    CutBeforeBegin,
    /// The connection is cut where a COMMIT is to be sent; the writes before it were.
    CutBeforeCommit,
    /// The server commits, and its answers are lost with the connection.
    CutAfterCommit,
    /// The server commits, and its answers are withheld until [`Proxy::release`].
    Withhold,
}

#[derive(Debug, Default)]
struct Shared {
    trouble: Mutex<Option<Trouble>>,
    trips: AtomicUsize,
    log: Mutex<Vec<String>>,
    released: watch::Sender<bool>,
    frozen: watch::Sender<bool>,
}

/// A proxy in front of one server.
#[derive(Debug)]
pub(crate) struct Proxy {
    shared: Arc<Shared>,
    port: u16,
    accepts: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepts.abort();
    }
}

impl Proxy {
    /// In front of the server of a target.
    pub(crate) async fn before(server: &Config) -> Self {
        let (host, port) = match (&server.get_hosts()[0], server.get_ports()[0]) {
            (Host::Tcp(host), port) => (host.clone(), port),
            #[cfg(unix)]
            (Host::Unix(path), _) => panic!("no proxy before {}", path.display()),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let own = listener.local_addr().expect("bound").port();
        let shared = Arc::new(Shared::default());
        let served = Arc::clone(&shared);
        let accepts = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect((host.as_str(), port))
                    .await
                    .expect("the server is there");
                tokio::spawn(serve(client, server, Arc::clone(&served)));
            }
        });
        Self {
            shared,
            port: own,
            accepts,
        }
    }

    /// The target behind it.
    pub(crate) fn target(&self, server: &Config, database: &str) -> Config {
        let mut target = Config::new();
        target.host("127.0.0.1").port(self.port).dbname(database);
        target.ssl_mode(SslMode::Disable); // it has to read what passes
        target.user(server.get_user().expect("a user"));
        target.password(server.get_password().expect("a password"));
        target
    }

    /// Plants a trouble.
    pub(crate) fn plant(&self, trouble: Trouble) {
        self.shared.released.send_replace(false);
        *self.shared.trouble.lock() = Some(trouble);
    }

    /// Whether what was planted happened.
    pub(crate) fn happened(&self) -> bool {
        self.shared.trouble.lock().is_none()
    }

    /// Accepts connections and answers none, as a server that was stopped does; or no longer.
    pub(crate) fn freeze(&self, frozen: bool) {
        self.shared.frozen.send_replace(frozen);
    }

    /// Lets withheld answers pass.
    pub(crate) fn release(&self) {
        self.shared.released.send_replace(true);
    }

    /// Round trips since the last call, and what was sent: `parse`, `bind`, and plain statements.
    pub(crate) fn seen(&self) -> (usize, Vec<String>) {
        let trips = self.shared.trips.swap(0, Ordering::SeqCst);
        (trips, std::mem::take(&mut self.shared.log.lock()))
    }
}

/// One connection through the proxy.
#[derive(Debug, Default)]
struct Passage {
    /// Requests whose answer is not complete.
    outstanding: AtomicUsize,
    muted: AtomicBool,
    withheld: AtomicBool,
}

async fn serve(client: TcpStream, server: TcpStream, shared: Arc<Shared>) {
    client.set_nodelay(true).expect("a socket");
    server.set_nodelay(true).expect("a socket");
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let passage = Passage::default();
    tokio::select! {
        _ = requests(from_client, to_server, &passage, &shared) => {}
        _ = answers(from_server, to_client, &passage, &shared) => {}
    }
}

async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    passage: &Passage,
    shared: &Shared,
) -> std::io::Result<()> {
    let mut frames = Frames::untyped_first();
    let mut chunk = vec![0; 65_536];
    loop {
        let read = from.read(&mut chunk).await?;
        if read == 0 {
            return Ok(());
        }
        frames.buffer.extend_from_slice(&chunk[..read]);
        while let Some((kind, frame)) = frames.next() {
            if shared.request(kind, &frame, passage) {
                // What was sent before reaches the server before the end does.
                to.shutdown().await?;
                return Ok(());
            }
            to.write_all(&frame).await?;
        }
    }
}

async fn answers(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    passage: &Passage,
    shared: &Shared,
) -> std::io::Result<()> {
    let mut frames = Frames::default();
    let mut chunk = vec![0; 65_536];
    loop {
        let read = from.read(&mut chunk).await?;
        if read == 0 {
            return Ok(());
        }
        tokio::time::sleep(DELAY).await;
        frames.buffer.extend_from_slice(&chunk[..read]);
        while let Some((kind, _)) = frames.next() {
            if kind == b'Z' {
                // The very first one is not asked for.
                let one_less = |now: usize| Some(now.saturating_sub(1));
                let _ = passage
                    .outstanding
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less);
            }
        }
        if passage.muted.load(Ordering::SeqCst) {
            if passage.outstanding.load(Ordering::SeqCst) == 0 {
                return Ok(());
            }
            continue;
        }
        if passage.withheld.load(Ordering::SeqCst) {
            let mut released = shared.released.subscribe();
            let _ = released.wait_for(|released| *released).await;
        }
        let mut frozen = shared.frozen.subscribe();
        let _ = frozen.wait_for(|frozen| !*frozen).await;
        to.write_all(&chunk[..read]).await?;
    }
}

impl Shared {
    /// Counts what is about to be sent; whether the connection is to be cut instead.
    fn request(&self, kind: u8, frame: &[u8], passage: &Passage) -> bool {
        let text = match kind {
            b'P' => "parse".to_owned(),
            b'B' => "bind".to_owned(),
            b'Q' => String::from_utf8_lossy(&frame[5..frame.len() - 1]).into_owned(),
            _ => String::new(),
        };
        let mut planted = self.trouble.lock();
        match (text.as_str(), *planted) {
            ("BEGIN", Some(Trouble::CutBeforeBegin)) | ("COMMIT", Some(Trouble::CutBeforeCommit)) => {
                *planted = None;
                return true;
            }
            ("COMMIT", Some(Trouble::CutAfterCommit)) => {
                *planted = None;
                passage.muted.store(true, Ordering::SeqCst);
            }
            ("COMMIT", Some(Trouble::Withhold)) => {
                *planted = None;
                passage.withheld.store(true, Ordering::SeqCst);
            }
            _ => {}
        }
        drop(planted);
        if !text.is_empty() {
            self.log.lock().push(text);
        }
        if matches!(kind, b'Q' | b'S') && passage.outstanding.fetch_add(1, Ordering::SeqCst) == 0 {
            self.trips.fetch_add(1, Ordering::SeqCst);
        }
        false
    }
}

/// Cuts a stream into messages: a type, a length, and what the length covers. The first one of a
/// client has no type.
#[derive(Debug, Default)]
struct Frames {
    buffer: Vec<u8>,
    untyped: bool,
}

impl Frames {
    fn untyped_first() -> Self {
        Self {
            untyped: true,
            ..Self::default()
        }
    }

    fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let typed = usize::from(!self.untyped);
        let length = self.buffer.get(typed..typed + 4)?;
        let length = u32::from_be_bytes(length.try_into().ok()?) as usize + typed;
        if self.buffer.len() < length {
            return None;
        }
        let kind = if self.untyped { 0 } else { self.buffer[0] };
        self.untyped = false;
        Some((kind, self.buffer.drain(..length).collect()))
    }
}
