//! Kinds of values that settings share: secrets, levels, addresses, URLs.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::describe::settings;

/// A text that is shown nowhere: not in logs, errors, or `--print-config`. It serializes as it is,
/// because settings are put together that way.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// What stands for a secret where settings are shown.
    pub const HIDDEN: &'static str = "***";

    /// A secret text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for whoever has to send or compare it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::HIDDEN)
    }
}

/// How much is logged; the most important level is the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Only what needs somebody.
    Error,
    /// And what may.
    Warn,
    /// And what happens.
    Info,
    /// And how.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// All of them, the most important first.
    pub const ALL: [Self; 5] = [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    /// Its name, as the settings and the lines spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    /// The level with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line, for machines.
    Json,
    /// A line of text, for people.
    Pretty,
}

/// An address to listen on, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OptionalAddress(pub Option<SocketAddr>);

impl TryFrom<String> for OptionalAddress {
    type Error = std::net::AddrParseError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.is_empty() {
            Ok(Self(None))
        } else {
            text.parse().map(|address| Self(Some(address)))
        }
    }
}

impl From<OptionalAddress> for String {
    fn from(address: OptionalAddress) -> Self {
        address.0.map(|address| address.to_string()).unwrap_or_default()
    }
}

settings! {
    /// Where a server listens.
    Listen {
        /// Address to listen on; containers set `0.0.0.0`.
        host: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST), "an IPv4 or IPv6 address", (skip);
        /// Port to listen on.
        port: u16 = 0, "0 to 65535 (0: any free port)", (skip);
    }
    groups {}
}

impl Listen {
    /// On this port of the loopback address.
    #[must_use]
    pub fn on(port: u16) -> Self {
        Self {
            port,
            ..Self::default()
        }
    }

    /// As a socket address.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.port)
    }
}

/// A rule of garde: the base URL of a service.
pub(super) fn base_url(url: &str, (): &()) -> garde::Result {
    let parsed: Option<actix_web::http::Uri> = url.parse().ok();
    let good = parsed.is_some_and(|uri| {
        uri.scheme_str() == Some("http")
            && uri.host().is_some_and(|host| !host.is_empty())
            && uri.query().is_none()
            && matches!(uri.path(), "" | "/")
    });
    if good {
        Ok(())
    } else {
        Err(garde::Error::new("is not the base URL of a service"))
    }
}

/// A rule of garde: the base URL of a service, or nothing.
pub(super) fn optional_base_url(url: &str, (): &()) -> garde::Result {
    if url.is_empty() { Ok(()) } else { base_url(url, &()) }
}

/// A rule of garde: a secret that can be a header.
pub(super) fn header_text(secret: &Secret, (): &()) -> garde::Result {
    let text = secret.expose();
    let good = (1..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if good {
        Ok(())
    } else {
        Err(garde::Error::new("cannot be sent as a header"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?}"), "***");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn base_urls() {
        for good in ["http://127.0.0.1:8082", "http://products:8082/", "http://[::1]:80"] {
            assert!(base_url(good, &()).is_ok(), "{good}");
        }
        for bad in [
            "",
            "products:8082",
            "https://x:1",
            "http://",
            "http://a/b",
            "http://a?b=c",
            "http://a b",
        ] {
            assert!(base_url(bad, &()).is_err(), "{bad}");
            assert_eq!(optional_base_url(bad, &()).is_err(), !bad.is_empty(), "{bad}");
        }
    }

    #[test]
    fn secrets_must_fit_a_header() {
        assert!(header_text(&Secret::new("testToken"), &()).is_ok());
        for bad in ["", "two words", "line\nfeed", "häder"] {
            assert!(header_text(&Secret::new(bad), &()).is_err(), "{bad}");
        }
    }
}
