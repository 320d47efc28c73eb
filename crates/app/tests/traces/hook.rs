//! A receiver of webhooks that keeps the `traceparent` of each request.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The server, until it is dropped.
pub(crate) struct Hook {
    traceparents: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
    pub(crate) url: String,
}

impl Hook {
    /// Answers everything with this status.
    pub(crate) async fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/a-secret-path", listener.local_addr().unwrap());
        let traceparents = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&traceparents);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, status, Arc::clone(&kept)));
            }
        });
        Self {
            traceparents,
            task,
            url,
        }
    }

    /// What came, in that order.
    pub(crate) fn traceparents(&self) -> Vec<String> {
        self.traceparents.lock().unwrap().clone()
    }
}

/// One request after the other.
async fn serve(mut stream: TcpStream, status: u16, kept: Arc<Mutex<Vec<String>>>) {
    let mut bytes = Vec::new();
    while let Ok(1..) = stream.read_buf(&mut bytes).await {
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let header = |name: &str| {
            let line = head.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_default().trim().to_owned()
        };
        if body.len() < header("content-length:").parse().unwrap_or(0) {
            continue;
        }
        kept.lock().unwrap().push(header("traceparent:"));
        bytes.clear();
        let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n");
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.task.abort();
    }
}
