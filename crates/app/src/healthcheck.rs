//! `app healthcheck`: asks `/readyz` of a running role, for containers that have no curl.
//! One small blocking request of HTTP/1.1 an address, with a bound on time and size.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::config::{Role, Settings};

/// Time for each step of a request.
const STEP_TIMEOUT: Duration = Duration::from_secs(3);
/// The most bytes of an answer that are read.
const ANSWER_MAX: u64 = 16 * 1024;

/// Why a role does not count as ready.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// It does not answer.
    #[error("{address} does not answer: {source}")]
    NoAnswer {
        /// Where it was asked.
        address: SocketAddr,
        /// What went wrong.
        source: io::Error,
    },
    /// It says that it is not ready, or something else.
    #[error("{address} is not ready: {answer}")]
    NotReady {
        /// Where it was asked.
        address: SocketAddr,
        /// The first line and the body of its answer.
        answer: String,
    },
}

/// Asks the role of these settings, at all its addresses.
///
/// # Errors
/// [`HealthError`] of the first address that is not ready.
pub fn run(settings: &Settings) -> Result<(), HealthError> {
    addresses(settings).into_iter().try_for_each(ask)
}

/// Where the role answers operations.
fn addresses(settings: &Settings) -> Vec<SocketAddr> {
    if let Some(address) = settings.ops.addr.0 {
        return vec![address];
    }
    let (cart, products) = (&settings.cart.http, &settings.products.http);
    let (loms, notifier) = (&settings.loms.http, &settings.notifier.http);
    let listens = match settings.role() {
        #[cfg(feature = "products")]
        Role::Products => vec![products],
        #[cfg(feature = "cart")]
        Role::Cart => vec![cart],
        #[cfg(feature = "loms")]
        Role::Loms => vec![loms],
        #[cfg(feature = "notifier")]
        Role::Notifier => vec![notifier],
        #[cfg(all(feature = "products", feature = "cart", feature = "loms", feature = "notifier"))]
        Role::All => vec![cart, products, loms, notifier],
    };
    let _ = (cart, products, loms, notifier); // a build with one role reads one of them
    listens.into_iter().map(crate::config::Listen::address).collect()
}

/// Asks one address.
fn ask(address: SocketAddr) -> Result<(), HealthError> {
    let answer = exchange(reachable(address)).map_err(|source| HealthError::NoAnswer { address, source })?;
    let first = answer.lines().next().unwrap_or_default();
    if first.starts_with("HTTP/1.1 200") {
        return Ok(());
    }
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Err(HealthError::NotReady {
        address,
        answer: format!("{first} {}", body.trim()),
    })
}

/// A server that listens everywhere is reached on the loopback address.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn exchange(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, STEP_TIMEOUT)?;
    stream.set_read_timeout(Some(STEP_TIMEOUT))?;
    stream.set_write_timeout(Some(STEP_TIMEOUT))?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_MAX).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A server that answers once with these bytes.
    fn answering(bytes: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0; 1024];
            let read = stream.read(&mut head).unwrap();
            assert!(head[..read].starts_with(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1:"));
            stream.write_all(bytes.as_bytes()).unwrap();
        });
        address
    }

    fn at(address: SocketAddr) -> Settings {
        let mut settings = Settings::default();
        settings.ops.addr.0 = Some(address);
        settings
    }

    #[test]
    fn ready_is_200() {
        let address = answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
        assert!(run(&at(address)).is_ok());
    }

    #[test]
    fn anything_else_is_told() {
        let address = answering("HTTP/1.1 503 Service Unavailable\r\n\r\n{\"failed\":[\"ledger\"]}");
        let error = run(&at(address)).unwrap_err().to_string();
        assert!(
            error.contains("503 Service Unavailable {\"failed\":[\"ledger\"]}"),
            "{error}"
        );
        let address = answering("");
        assert!(matches!(run(&at(address)), Err(HealthError::NotReady { .. })));
    }

    #[test]
    fn nobody_there_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        assert!(matches!(run(&at(address)), Err(HealthError::NoAnswer { .. })));
    }

    #[test]
    fn an_address_that_means_everywhere_is_asked_on_loopback() {
        assert_eq!(reachable("0.0.0.0:1".parse().unwrap()), "127.0.0.1:1".parse().unwrap());
        assert_eq!(reachable("[::]:1".parse().unwrap()), "[::1]:1".parse().unwrap());
        assert_eq!(reachable("10.0.0.1:1".parse().unwrap()), "10.0.0.1:1".parse().unwrap());
    }
}
