//! A proxy of TCP between two processes, which breaks connections in the ways that networks do.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What it does to bytes from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    Pass,
    /// Answers arrive this much later.
    Delay(Duration),
    /// The first bytes of a caller break the connection, and do not arrive.
    CutBefore,
    /// What a caller sends arrives; the connection breaks before the answer does.
    CutAfter,
    /// What a caller sends arrives; answers never do. Connections that lost some break afterwards.
    Swallow,
    /// Every connection breaks, old and new.
    Cut,
}

/// The proxy; it ends with this value.
pub(crate) struct Proxy {
    pub(crate) url: String,
    fault: watch::Sender<Fault>,
}

impl Proxy {
    /// To the server at this URL.
    pub(crate) async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let to = server.trim_start_matches("http://").to_owned();
        let (fault, faults) = watch::channel(Fault::Pass);
        tokio::spawn(async move {
            let mut ended = faults.clone();
            loop {
                let near = tokio::select! {
                    Ok((near, _)) = listener.accept() => near,
                    // The proxy is gone when nobody can set faults any more.
                    () = async { while ended.changed().await.is_ok() {} } => return,
                };
                let (to, faults) = (to.clone(), faults.clone());
                tokio::spawn(async move {
                    let _ = link(near, &to, faults).await;
                });
            }
        });
        Self { url, fault }
    }

    pub(crate) fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }
}

/// Carries the bytes of a connection until it ends or is broken.
async fn link(near: TcpStream, to: &str, faults: watch::Receiver<Fault>) -> std::io::Result<()> {
    let far = TcpStream::connect(to).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (mut from_near, mut to_near) = near.into_split();
    let (mut from_far, mut to_far) = far.into_split();
    let mut cut = faults.clone();
    let cut = async move {
        // Broken on purpose, or by the end of the proxy.
        let broken = [Fault::Cut, Fault::Swallow];
        let fault = cut.wait_for(|fault| broken.contains(fault)).await.map(|fault| *fault);
        if matches!(fault, Ok(Fault::Swallow)) {
            let _ = cut.wait_for(|fault| *fault != Fault::Swallow).await;
        }
    };
    let forth = async {
        let mut bytes = [0; 16 * 1024];
        loop {
            let read = from_near.read(&mut bytes).await?;
            if read == 0 || *faults.borrow() == Fault::CutBefore {
                return std::io::Result::Ok(());
            }
            to_far.write_all(&bytes[..read]).await?;
        }
    };
    let back = async {
        let mut bytes = [0; 16 * 1024];
        loop {
            let read = from_far.read(&mut bytes).await?;
            let fault = *faults.borrow();
            match fault {
                _ if read == 0 => return std::io::Result::Ok(()),
                Fault::CutAfter => {
                    // The first bytes back may be only an acknowledgement.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    return Ok(());
                }
                Fault::Swallow => continue,
                Fault::Delay(time) => tokio::time::sleep(time).await,
                Fault::Pass | Fault::CutBefore | Fault::Cut => {}
            }
            to_near.write_all(&bytes[..read]).await?;
        }
    };
    tokio::select! {
        () = cut => Ok(()),
        ended = forth => ended,
        ended = back => ended,
    }
}
