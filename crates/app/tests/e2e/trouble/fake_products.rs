//! A server of products that misbehaves in every way it is told, and notes when each request
//! arrives. It has a thread of its own, so that a busy test does not blur those moments. A busy
//! machine still does: a heart beats in that thread, and a request that is seen now has arrived
//! since the beat before the last one. Only what surely lies within a second is counted as such.

use std::net::TcpListener as StdListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use app::clock::SystemClock;
use domain::clock::{Clock, Moment};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// With the product.
    Good,
    /// With the product, after this time.
    Late(Duration),
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

/// The time between beats.
const BEAT: Duration = Duration::from_millis(5);

/// Between these moments a request has arrived.
#[derive(Debug, Clone, Copy)]
struct Arrival {
    since: Moment,
    seen: Moment,
}

#[derive(Debug)]
struct Shared {
    mood: Mutex<Mood>,
    arrivals: Mutex<Vec<Arrival>>,
    /// The beat before the last one, and the last one.
    beats: Mutex<[Moment; 2]>,
}

impl Shared {
    fn now(&self) -> Arrival {
        Arrival {
            since: self.beats.lock().unwrap()[0],
            seen: SystemClock.now(),
        }
    }
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
            beats: Mutex::new([SystemClock.now(); 2]),
        });
        let (alive, ended) = oneshot::channel::<()>();
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, Arc::clone(&serving)) => {}
                    () = beat(&serving) => {}
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

    /// Never more than ten requests have arrived in a second.
    pub(crate) fn assert_at_most_ten_a_second(&self) {
        let arrivals = self.shared.arrivals.lock().unwrap();
        for eleven in arrivals.windows(11) {
            let took = eleven[10].seen.unix_millis() - eleven[0].since.unix_millis();
            assert!(took >= 1000, "eleven requests in {took} ms: {eleven:?}");
        }
    }
}

async fn beat(shared: &Shared) {
    loop {
        tokio::time::sleep(BEAT).await;
        let mut beats = shared.beats.lock().unwrap();
        *beats = [beats[1], SystemClock.now()];
    }
}

async fn accept(listener: StdListener, shared: Arc<Shared>) {
    let listener = TcpListener::from_std(listener).unwrap();
    while let Ok((stream, _)) = listener.accept().await {
        let accepted = shared.now();
        tokio::spawn(serve(stream, accepted, Arc::clone(&shared)));
    }
}

async fn serve(stream: TcpStream, accepted: Arrival, shared: Arc<Shared>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut accepted = Some(accepted);
    while !stream.fill_buf().await?.is_empty() {
        // The first request of a connection may have come with it.
        let Arrival { since, seen } = shared.now();
        let since = accepted.take().map_or(since, |accepted| accepted.since);
        shared.arrivals.lock().unwrap().push(Arrival { since, seen });
        let Some(sku) = head(&mut stream).await? else {
            return Ok(());
        };
        let mood = *shared.mood.lock().unwrap();
        let product = |sku: i64| format!(r#"{{"name":"Product {sku}","price":100,"sku":{sku}}}"#);
        let ok = |body: &str| format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let half = "HTTP/1.1 200 OK\r\ncontent-length: 40\r\n\r\n{\"name\":";
        if let Mood::Late(time) = mood {
            tokio::time::sleep(time).await;
        }
        let (answer, then) = match mood {
            Mood::Good | Mood::Late(_) => (ok(&product(sku)), Then::Next),
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
async fn head(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<i64>> {
    let (mut first, mut line) = (String::new(), String::new());
    stream.read_line(&mut first).await?;
    while line != "\r\n" {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
    }
    let path = first.split(' ').nth(1).unwrap_or_default();
    Ok(Some(
        path.rsplit('/').next().and_then(|sku| sku.parse().ok()).unwrap_or(0),
    ))
}
