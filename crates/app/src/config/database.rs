//! What the settings of the database come to: those of its adapter, or all that is wrong with them.

use adapters::postgres::settings::PostgresSettings;
use adapters::postgres::tls::{Tls, TlsMode};
use adapters::postgres::url;

use super::files::{bytes, only_line};
use super::{PostgresConfig, Settings};

/// A pool gives a connection up after this many times the time to connect.
const CONNECTS: u32 = 3;
/// Servers that a read asks before it gives up.
const SERVERS_OF_A_READ: u32 = 2;

/// A setting and what is wrong with it.
pub(super) type Wrong = (&'static str, String);

/// Why the database cannot be used as it is configured: each setting with what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(|(key, reason)| format!("{key} {reason}")).collect::<Vec<_>>().join("; "))]
pub struct DatabaseError(pub Vec<(&'static str, String)>);

impl Settings {
    /// The settings of the database as its adapter wants them, with the files read; `None` where the
    /// ledger is in memory.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn database(&self) -> Result<Option<PostgresSettings>, DatabaseError> {
        let given = &self.postgres;
        if given.url.is_empty() {
            let wrong = without_url(given);
            return if wrong.is_empty() {
                Ok(None)
            } else {
                Err(DatabaseError(wrong))
            };
        }
        let mut wrong = Vec::new();
        let url = url::parse(given.url.expose());
        if let Err(reasons) = &url {
            wrong.extend(reasons.iter().map(|reason| ("postgres.url", reason.to_string())));
        }
        let url = url.ok();
        let in_url = url.as_ref().is_some_and(|url| url.target.get_password().is_some());
        let password = password(given, in_url).map_err(|more| wrong.extend(more)).ok();
        // What its CA is for shows in the URL; its file is read in any case.
        let mode = url.as_ref().map_or(TlsMode::Require, |url| url.mode);
        let tls = tls(mode, given).map_err(|more| wrong.push(more)).ok();
        wrong.extend(times(self));
        match (url, password, tls) {
            (Some(url), Some(password), Some(tls)) if wrong.is_empty() => {
                let mut target = url.target;
                if let Some(password) = password {
                    target.password(password);
                }
                let all = PostgresSettings {
                    tls,
                    ..PostgresSettings::new(target)
                };
                Ok(Some(bounded(all, given)))
            }
            _ => Err(DatabaseError(wrong)),
        }
    }
}

fn bounded(all: PostgresSettings, given: &PostgresConfig) -> PostgresSettings {
    PostgresSettings {
        write_connections_max: given.write_connections_max,
        read_connections_max: given.read_connections_max,
        connect_timeout: given.connect_timeout(),
        pool_timeout: given.pool_timeout(),
        lock_timeout: given.lock_timeout(),
        statement_timeout: given.statement_timeout(),
        idle_in_transaction_timeout: given.idle_in_transaction_timeout(),
        commit_timeout: given.commit_timeout(),
        read_timeout: given.read_timeout(),
        health_interval: given.health_interval(),
        turn_timeout: given.turn_timeout(),
        wait_for_replicas: given.wait_for_replicas,
        target: all.target,
        tls: all.tls,
    }
}

/// Who says how to reach a database means to have one: without its URL orders would be in memory.
fn without_url(given: &PostgresConfig) -> Vec<Wrong> {
    [
        ("postgres.password", given.password.expose()),
        ("postgres.password_file", &given.password_file),
        ("postgres.tls_ca_file", &given.tls_ca_file),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(key, _)| (key, "is set, but postgres.url is empty".to_owned()))
    .collect()
}

/// The password that is not in the URL.
fn password(given: &PostgresConfig, in_url: bool) -> Result<Option<Vec<u8>>, Vec<Wrong>> {
    let mut wrong = Vec::new();
    let direct = given.password.expose();
    if !direct.is_empty() && in_url {
        wrong.push(("postgres.password", "is given, and the URL has one too".to_owned()));
    }
    if given.password_file.is_empty() {
        let direct = (!direct.is_empty()).then(|| direct.as_bytes().to_vec());
        return if wrong.is_empty() { Ok(direct) } else { Err(wrong) };
    }
    if !direct.is_empty() {
        let reason = "is given, and postgres.password too".to_owned();
        wrong.push(("postgres.password_file", reason));
    } else if in_url {
        let reason = "is given, and the URL has a password too".to_owned();
        wrong.push(("postgres.password_file", reason));
    }
    match bytes(&given.password_file).and_then(only_line) {
        Ok(password) if wrong.is_empty() => Ok(Some(password)),
        Ok(_) => Err(wrong),
        Err(reason) => {
            wrong.push(("postgres.password_file", reason));
            Err(wrong)
        }
    }
}

fn tls(mode: TlsMode, given: &PostgresConfig) -> Result<Tls, Wrong> {
    let told = |reason: String| ("postgres.tls_ca_file", reason);
    let authority = match given.tls_ca_file.as_str() {
        "" => None,
        path => Some(bytes(path).map_err(told)?),
    };
    Tls::new(mode, authority.as_deref()).map_err(|error| told(error.to_string()))
}

/// Each wait must be able to end before the one around it does: the inner one knows what is certain.
fn times(settings: &Settings) -> Vec<Wrong> {
    let given = &settings.postgres;
    let mut wrong = Vec::new();
    for (key, inner, outer_key, outer) in [
        (
            "postgres.lock_timeout_ms",
            given.lock_timeout_ms,
            "postgres.statement_timeout_ms",
            given.statement_timeout_ms,
        ),
        (
            "postgres.statement_timeout_ms",
            given.statement_timeout_ms,
            "postgres.commit_timeout_ms",
            given.commit_timeout_ms,
        ),
    ] {
        if inner >= outer {
            let reason = format!("is {inner}, not less than the {outer} of {outer_key}: it would never come first");
            wrong.push((key, reason));
        }
    }
    let connection = given.pool_timeout() + given.connect_timeout() * CONNECTS;
    let write = connection + given.lock_timeout() + given.statement_timeout() + given.commit_timeout();
    let read = (connection + given.read_timeout()) * SERVERS_OF_A_READ;
    let answer = settings.http.answer_timeout();
    for (what, time, parts) in [
        (
            "write",
            write,
            "pool, 3 times connect, lock, statement and commit timeout",
        ),
        ("read", read, "pool, 3 times connect and read timeout, of two servers"),
    ] {
        if time > answer {
            let (answer, time) = (answer.as_millis(), time.as_millis());
            let reason = format!("is {answer}, less than the {time} that a {what} may take (postgres: {parts})");
            wrong.push(("http.answer_timeout_ms", reason));
        }
    }
    wrong
}

#[cfg(test)]
mod tests;
