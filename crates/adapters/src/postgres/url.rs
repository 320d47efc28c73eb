//! The URL of a cluster: `postgres://USER@HOST:PORT,HOST:PORT/DATABASE?sslmode=verify-full`.
//!
//! `tokio-postgres` reads it, but for `sslmode`, of which it knows only half the words. What LOMS
//! decides by itself (which server is the primary, every timeout) is refused here, lest it be
//! passed over silently. No error shows anything of the URL but the names of its parameters.

use tokio_postgres::Config;
use tokio_postgres::config::Host;

use super::tls::{TlsMode, UnknownMode};

/// What a URL may begin with.
const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];
/// Parameters that are taken as they are.
const TAKEN: [&str; 6] = ["application_name", "channel_binding", "dbname", "host", "port", "user"];
/// Parameters that are settings of LOMS, or that it decides by itself.
const OURS: [(&str, &str); 11] = [
    ("connect_timeout", "say postgres.connect_timeout_ms"),
    ("hostaddr", "name the hosts before the database"),
    ("keepalives", "LOMS has its own"),
    ("keepalives_idle", "LOMS has its own"),
    ("load_balance_hosts", "LOMS reads from the standbys that are in step"),
    ("options", "LOMS sets those of its sessions"),
    ("passfile", "say postgres.password_file"),
    ("sslcert", "client certificates are not supported"),
    ("sslkey", "client certificates are not supported"),
    ("sslrootcert", "say postgres.tls_ca_file"),
    ("target_session_attrs", "LOMS finds the primary by itself"),
];

/// What is wrong with a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It is none.
    #[error("is no URL that begins with postgres://")]
    NoUrl,
    /// It cannot be read.
    #[error("cannot be read: a host, port or parameter of it is wrong")]
    Unreadable,
    /// It lacks a part.
    #[error("names no {0}")]
    Missing(&'static str),
    /// A host of it is empty, or no name.
    #[error("names a host that is none (an @ inside a password is written %40)")]
    Host,
    /// As many ports as hosts, or one for all.
    #[error("names {ports} ports for {hosts} hosts")]
    Ports {
        /// Hosts of it.
        hosts: usize,
        /// Ports of it.
        ports: usize,
    },
    /// How to encrypt is not clear.
    #[error(transparent)]
    Mode(#[from] UnknownMode),
    /// A parameter that is said elsewhere.
    #[error("has the parameter {name}: {instead}")]
    Ours {
        /// Which.
        name: &'static str,
        /// What to do instead.
        instead: &'static str,
    },
    /// A parameter that nobody knows.
    #[error("has a parameter {0:?}, which is unknown")]
    Unknown(String),
}

/// What a URL says.
#[derive(Debug, Clone)]
pub struct ClusterUrl {
    /// Every server, the user, the database, and perhaps a password.
    pub target: Config,
    /// How connections are encrypted.
    pub mode: TlsMode,
}

/// Reads a URL.
///
/// # Errors
/// All that is wrong with it.
pub fn parse(url: &str) -> Result<ClusterUrl, Vec<UrlError>> {
    if !SCHEMES.iter().any(|scheme| url.starts_with(scheme)) {
        return Err(vec![UrlError::NoUrl]);
    }
    let (before, parameters) = split(url);
    let mut wrong = Vec::new();
    let (mut mode, mut taken) = (TlsMode::default(), Vec::new());
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if name == "sslmode" {
            match value.parse() {
                Ok(known) => mode = known,
                Err(unknown) => wrong.push(UrlError::Mode(unknown)),
            }
        } else if TAKEN.contains(&name) || name == "password" {
            taken.push(parameter);
        } else if let Some((name, instead)) = OURS.into_iter().find(|(ours, _)| *ours == name) {
            wrong.push(UrlError::Ours { name, instead });
        } else {
            wrong.push(UrlError::Unknown(name.to_owned()));
        }
    }
    match format!("{before}?{}", taken.join("&")).parse::<Config>() {
        Ok(target) => {
            wrong.extend(lacks(&target));
            if wrong.is_empty() {
                return Ok(ClusterUrl { target, mode });
            }
        }
        Err(_) => wrong.push(UrlError::Unreadable), // it may quote what is secret
    }
    Err(wrong)
}

/// Its parameters, and what is before them. A password may hold a question mark.
fn split(url: &str) -> (&str, &str) {
    let hosts = url.find('@').map_or(0, |at| at + 1);
    match url[hosts..].find('?') {
        Some(at) => (&url[..hosts + at], &url[hosts + at + 1..]),
        None => (url, ""),
    }
}

fn lacks(target: &Config) -> Vec<UrlError> {
    let mut wrong = Vec::new();
    for (part, is_there) in [
        ("user", target.get_user().is_some_and(|user| !user.is_empty())),
        ("host", !target.get_hosts().is_empty()),
        ("database", target.get_dbname().is_some_and(|name| !name.is_empty())),
    ] {
        if !is_there {
            wrong.push(UrlError::Missing(part));
        }
    }
    let is_no_host = |host: &Host| matches!(host, Host::Tcp(name) if name.is_empty() || name.contains([',', '@']));
    if target.get_hosts().iter().any(is_no_host) {
        wrong.push(UrlError::Host);
    }
    let (hosts, ports) = (target.get_hosts().len(), target.get_ports().len());
    if ports > 1 && ports != hosts {
        wrong.push(UrlError::Ports { hosts, ports });
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(url: &str) -> Vec<String> {
        let wrong = parse(url).map(|read| read.mode).unwrap_err();
        wrong.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_server_is_read_and_the_mode() {
        let read =
            parse("postgres://loms@a:1,[::1]:2,c/shop?sslmode=verify-full&channel_binding=require&application_name=x")
                .unwrap();
        assert_eq!(read.mode, TlsMode::VerifyFull);
        assert_eq!(read.target.get_hosts().len(), 3);
        assert_eq!(read.target.get_ports(), [1, 2, 5432]);
        assert_eq!(
            (read.target.get_user(), read.target.get_dbname()),
            (Some("loms"), Some("shop"))
        );
        assert_eq!(read.target.get_application_name(), Some("x"));
        let binding = read.target.get_channel_binding();
        assert_eq!(binding, tokio_postgres::config::ChannelBinding::Require);
        let plain = parse("postgresql://loms:pass%3Fword@a/shop").unwrap();
        assert_eq!(plain.mode, TlsMode::Prefer, "as libpq");
        assert_eq!(plain.target.get_password(), Some(&b"pass?word"[..]));
        let local = parse("postgres:///shop?host=/run/postgresql&user=loms").unwrap();
        assert!(matches!(local.target.get_hosts(), [Host::Unix(_)]));
    }

    #[test]
    fn every_mode_has_its_word() {
        for word in ["disable", "prefer", "require", "verify-ca", "verify-full"] {
            let read = parse(&format!("postgres://u@h/d?sslmode={word}")).unwrap();
            assert_eq!(read.mode.name(), word);
        }
    }

    #[test]
    fn all_that_is_wrong_is_told() {
        assert_eq!(
            wrong("host=a user=b password=hunter2"),
            ["is no URL that begins with postgres://"]
        );
        assert_eq!(
            wrong("postgres://h?sslmode=allow&sslrootcert=x&connect_timeout=1&nonsense=hunter2"),
            [
                "sslmode is none of disable, prefer, require, verify-ca, verify-full",
                "has the parameter sslrootcert: say postgres.tls_ca_file",
                "has the parameter connect_timeout: say postgres.connect_timeout_ms",
                "has a parameter \"nonsense\", which is unknown",
                "names no user",
                "names no database",
            ]
        );
        assert_eq!(
            wrong("postgres://u@a,/d?target_session_attrs=any"),
            [
                "has the parameter target_session_attrs: LOMS finds the primary by itself",
                "names a host that is none (an @ inside a password is written %40)"
            ]
        );
        assert_eq!(
            wrong("postgres://u@/d?host=/run/postgresql&host=b&port=1,2,3"),
            ["names 3 ports for 2 hosts"]
        );
    }

    #[test]
    fn no_error_shows_a_password() {
        for url in [
            "postgres://u:hunter2@h:port/d",
            "postgres://u:hun@ter2@h/d",
            "postgres://u:hunter2@h/d?port=hunter2",
            "postgres://u@h/d?password=hunter2&x=hunter2",
            "postgres://u:hunter2@/",
        ] {
            let told = wrong(url).join("\n");
            assert!(!told.is_empty() && !told.contains("ter2"), "{url}: {told}");
        }
    }
}
