//! Settings of the database of LOMS.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::describe::settings;
use super::values::Secret;

settings! {
    /// The database of LOMS.
    PostgresConfig {
        /// Every server of the cluster, the user and the database; empty: the ledger is in memory.
        url: DatabaseUrl = DatabaseUrl::default(), "empty, or postgres://USER@HOST:PORT,HOST:PORT/DATABASE?sslmode=MODE", (skip);
        /// The password, where neither the URL nor a file has it.
        password: Secret = Secret::new(""), "empty, or any text", (skip);
        /// A file that holds the password alone; one line end behind it does not count.
        password_file: String = String::new(), "empty, or a file that can be read", (skip);
        /// A PEM file of the certificates of the CAs that may have signed those of the servers.
        tls_ca_file: String = String::new(), "empty, or a file that can be read", (skip);
        /// Connections that write.
        write_connections_max: usize = 4, "1 to 1000", (range(min = 1, max = 1_000));
        /// Connections that read, to each server.
        read_connections_max: usize = 8, "1 to 1000", (range(min = 1, max = 1_000));
        /// Time to connect to one server, its handshake included.
        connect_timeout_ms: u64 = 1_000, "10 to 60000", (range(min = 10, max = 60_000)) => connect_timeout from_millis;
        /// Time for a connection of a pool to be free; then UNAVAILABLE.
        pool_timeout_ms: u64 = 2_000, "10 to 60000", (range(min = 10, max = 60_000)) => pool_timeout from_millis;
        /// Time for rows that another transaction holds; then UNAVAILABLE for who touches them.
        lock_timeout_ms: u64 = 500, "1 to 60000", (range(min = 1, max = 60_000)) => lock_timeout from_millis;
        /// Time for one statement of a write; then UNAVAILABLE.
        statement_timeout_ms: u64 = 3_000, "10 to 600000", (range(min = 10, max = 600_000)) => statement_timeout from_millis;
        /// How long a transaction may stand still before the server ends it: a frozen process must not hold rows.
        idle_in_transaction_timeout_ms: u64 = 2_000, "10 to 600000", (range(min = 10, max = 600_000)) => idle_in_transaction_timeout from_millis;
        /// Time for the answer to a COMMIT; then its outcome is unknown.
        commit_timeout_ms: u64 = 5_000, "10 to 600000", (range(min = 10, max = 600_000)) => commit_timeout from_millis;
        /// Time for one read of one server.
        read_timeout_ms: u64 = 2_000, "10 to 600000", (range(min = 10, max = 600_000)) => read_timeout from_millis;
        /// Pause between looks at the servers, and time for each look.
        health_interval_ms: u64 = 500, "10 to 60000", (range(min = 10, max = 60_000)) => health_interval from_millis;
        /// How long the server keeps the turn of an instance that is silent.
        turn_timeout_ms: u64 = 5_000, "100 to 600000", (range(min = 100, max = 600_000)) => turn_timeout from_millis;
        /// Whether a COMMIT waits until the synchronous standbys have applied it; only then do they answer reads.
        wait_for_replicas: bool = true, "true, false", (skip);
    }
    groups {}
}

/// The URL of a database. It may hold a password, which is shown nowhere; it serializes as it is.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The URL itself, for whoever connects.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_password(&self.0))
    }
}

/// A URL as it may be shown. Rather too much is hidden than too little: whatever is between the
/// first colon and the last @, and what `sslmode` does not follow behind a question mark.
pub(super) fn without_password(url: &str) -> String {
    if url.is_empty() {
        return String::new();
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        return Secret::HIDDEN.to_owned();
    };
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, rest)) => match user.split_once(':') {
            Some((user, _)) => (format!("{user}:{}@", Secret::HIDDEN), rest),
            None => (format!("{user}@"), rest),
        },
        None => (String::new(), rest),
    };
    let (hosts, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let parameters: Vec<String> = parameters
        .split('&')
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| match parameter.split_once('=') {
            Some(("sslmode" | "channel_binding" | "application_name" | "host" | "port" | "user" | "dbname", _)) => {
                parameter.to_owned()
            }
            Some((name, _)) => format!("{name}={}", Secret::HIDDEN),
            None => Secret::HIDDEN.to_owned(),
        })
        .collect();
    let mark = if parameters.is_empty() { "" } else { "?" };
    format!("{scheme}://{user}{hosts}{mark}{}", parameters.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_password() {
        for (url, shown) in [
            ("", ""),
            (
                "postgres://u@a:1,b:2/d?sslmode=require",
                "postgres://u@a:1,b:2/d?sslmode=require",
            ),
            ("postgres://u:hunter2@a/d", "postgres://u:***@a/d"),
            ("postgres://u:hun@ter2@a/d", "postgres://u:***@a/d"),
            ("postgres://u:hun?ter2@a/d", "postgres://u:***@a/d"),
            ("postgres://u:hun/t:er2@a/d?port=1", "postgres://u:***@a/d?port=1"),
            (
                "postgres://a/d?user=u&password=hunter2&p=hunter2",
                "postgres://a/d?user=u&password=***&p=***",
            ),
            ("postgres://a/d?hunter2", "postgres://a/d?***"),
            ("host=a password=hunter2", "***"),
        ] {
            assert_eq!(without_password(url), shown);
            assert_eq!(format!("{:?}", DatabaseUrl(url.to_owned())), shown);
        }
    }
}
