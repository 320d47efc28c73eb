//! A server of products that misbehaves in every way it is told, and notes when each request
//! arrives. It has a thread of its own, so that a busy test does not blur those moments.

use std::net::TcpListener as StdListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use app::clock::SystemClock;
use domain::clock::{Clock, Moment};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// With the product.
    Good,
    /// Far too late.
    Slow,
    /// With this status and no body; 429 asks for patience.
    Status(u16),
    /// With bytes that are no HTTP.
    Garbage,
    /// With 200 and what is no JSON.
    NoJson,
    /// With 200 and another product.
    OtherSku,
    /// By closing the connection.
    Close,
    /// With half of an answer, then by closing the connection.
    Half,
    /// With half of an answer, and then nothing.
    HalfThenSilence,
}

#[derive(Debug)]
struct Shared {
    mood: Mutex<Mood>,
    arrivals: Mutex<Vec<Moment>>,
}

/// The server; it ends with this value.
pub(crate) struct FakeProducts {
    pub(crate) url: String,
    shared: Arc<Shared>,
    _alive: oneshot::Sender<()>,
}

impl FakeProducts {
    pub(crate) fn start(mood: Mood) -> Self {
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            mood: Mutex::new(mood),
            arrivals: Mutex::default(),
        });
        let (alive, ended) = oneshot::channel::<()>();
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, serving) => {}
                    _ = ended => {}
                }
            });
        });
        Self {
            url,
            shared,
            _alive: alive,
        }
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.shared.mood.lock().unwrap() = mood;
    }

    /// How many requests have arrived.
    pub(crate) fn arrived(&self) -> usize {
        self.shared.arrivals.lock().unwrap().len()
    }

    /// The most requests that arrived in any window of one second.
    pub(crate) fn most_in_a_second(&self) -> usize {
        let arrivals = self.shared.arrivals.lock().unwrap();
        let from = |first: usize| {
            let window = arrivals[first..].iter();
            window
                .take_while(|moment| moment.unix_millis() < arrivals[first].unix_millis() + 1000)
                .count()
        };
        (0..arrivals.len()).map(from).max().unwrap_or(0)
    }
}

async fn accept(listener: StdListener, shared: Arc<Shared>) {
    let listener = TcpListener::from_std(listener).unwrap();
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, Arc::clone(&shared)));
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) -> std::io::Result<()> {
    while let Some(sku) = head(&mut stream).await? {
        shared.arrivals.lock().unwrap().push(SystemClock.now());
        let mood = *shared.mood.lock().unwrap();
        let product = |sku: i64| format!(r#"{{"name":"Product {sku}","price":100,"sku":{sku}}}"#);
        let ok = |body: &str| format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let half = "HTTP/1.1 200 OK\r\ncontent-length: 40\r\n\r\n{\"name\":";
        let (answer, then) = match mood {
            Mood::Good => (ok(&product(sku)), Then::Next),
            Mood::OtherSku => (ok(&product(sku + 1)), Then::Next),
            Mood::NoJson => (ok("<html>down for maintenance</html>"), Then::Next),
            Mood::Status(429) => (
                "HTTP/1.1 429 x\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n".to_owned(),
                Then::Next,
            ),
            Mood::Status(status) => (format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n"), Then::Next),
            Mood::Garbage => ("\u{1}\u{2} no HTTP at all\r\n\r\n".to_owned(), Then::Close),
            Mood::Close => (String::new(), Then::Close),
            Mood::Half => (half.to_owned(), Then::Close),
            Mood::HalfThenSilence => (half.to_owned(), Then::Silence),
            Mood::Slow => (String::new(), Then::Silence),
        };
        stream.write_all(answer.as_bytes()).await?;
        match then {
            Then::Next => {}
            Then::Close => return Ok(()),
            Then::Silence => tokio::time::sleep(Duration::from_secs(60)).await,
        }
    }
    Ok(())
}

enum Then {
    Next,
    Close,
    Silence,
}

/// The sku that the next request of a connection asks for (0 for the list); `None` at its end.
async fn head(stream: &mut TcpStream) -> std::io::Result<Option<i64>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return Ok(None),
        }
    }
    let text = String::from_utf8_lossy(&head);
    let path = text.split(' ').nth(1).unwrap_or_default();
    Ok(Some(path.rsplit('/').next().and_then(|sku| sku.parse().ok()).unwrap_or(0)))
}
