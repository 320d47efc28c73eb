//! Settings that are good by themselves have to agree with each other and with the machine.

use std::net::SocketAddr;
use std::path::Path;

use super::check::Checker;
use super::notifier::{disagreements, release};
use super::problem::Problem;
use super::role::Role;
use super::{Listen, Settings};

/// What does not agree.
pub(super) fn check(settings: &Settings, checker: &Checker) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut say = |key: &str, reason: String| found.push(checker.disagrees(key, reason));
    if settings.role.0.is_none() {
        let built: Vec<&str> = Role::built().into_iter().map(Role::name).collect();
        say(
            "role",
            format!("is not set, and this build has several: {}", built.join(", ")),
        );
    }
    for (key, path) in [
        ("products.catalogue_file", &settings.products.catalogue_file),
        ("loms.stock_file", &settings.loms.stock_file),
    ] {
        if let Err(reason) = readable(path) {
            say(key, format!("{path:?} {reason}"));
        }
    }
    let misbehave = &settings.products.misbehave;
    let share = misbehave.share_420 + misbehave.share_429 + misbehave.share_500;
    if share > 1.0 {
        say(
            "products.misbehave.share_500",
            format!("makes the shares of faults {share}, more than 1"),
        );
    }
    for (key, first, longest) in [
        (
            "relay.retry_pause_max_ms",
            settings.relay.retry_pause_ms,
            settings.relay.retry_pause_max_ms,
        ),
        (
            "notifier.retry_pause_max_ms",
            settings.notifier.retry_pause_ms,
            settings.notifier.retry_pause_max_ms,
        ),
        (
            "http.answer_timeout_ms",
            settings.cart.request_timeout_ms,
            settings.http.answer_timeout_ms,
        ),
    ] {
        if longest < first {
            say(key, format!("is {longest}, less than the {first} that it bounds"));
        }
    }
    for (key, reason) in disagreements(&settings.notifier).into_iter().chain(leaving(settings)) {
        say(key, reason);
    }
    if settings.role.0.is_some_and(|role| role.name() == "all") {
        for (key, other, address) in shared_addresses(settings) {
            say(&key, format!("is {address}, as is {other}"));
        }
    }
    for (key, reason) in settings.role.0.map_or(Vec::new(), |role| brokers(role, settings)) {
        say(key, reason);
    }
    for (key, reason) in settings.role.0.map_or(Vec::new(), |role| database(role, settings)) {
        say(key, reason);
    }
    found
}

/// Whether a member of the group has time left to leave it.
fn leaving(settings: &Settings) -> Option<(&'static str, String)> {
    let role = settings.role.0?.name();
    let is_member = matches!(role, "notifier" | "all") && !settings.kafka.brokers.is_empty();
    release(&settings.notifier, settings.shutdown.grace()).filter(|_| is_member)
}

/// What is wrong with Kafka, for the roles that have it.
fn brokers(role: Role, settings: &Settings) -> Vec<(&'static str, String)> {
    let wrong = match role {
        #[cfg(feature = "products")]
        Role::Products => None,
        #[cfg(feature = "cart")]
        Role::Cart => None,
        #[cfg(feature = "loms")]
        Role::Loms => settings.brokers(role.name()).err().map(|error| error.0),
        #[cfg(feature = "notifier")]
        Role::Notifier => settings.brokers(role.name()).err().map(|error| error.0),
        #[cfg(all(feature = "products", feature = "cart", feature = "loms", feature = "notifier"))]
        Role::All => settings.brokers(role.name()).err().map(|error| error.0),
    };
    let _ = settings; // a build without LOMS and notifier has no use for them
    wrong.unwrap_or_default()
}

/// What is wrong with the database, for the roles that have one.
fn database(role: Role, settings: &Settings) -> Vec<(&'static str, String)> {
    let wrong = match role {
        #[cfg(feature = "products")]
        Role::Products => None,
        #[cfg(feature = "cart")]
        Role::Cart => None,
        #[cfg(feature = "loms")]
        Role::Loms => settings.database().err().map(|error| error.0),
        #[cfg(feature = "notifier")]
        Role::Notifier => None,
        #[cfg(all(feature = "products", feature = "cart", feature = "loms", feature = "notifier"))]
        Role::All => settings.database().err().map(|error| error.0),
    };
    let _ = settings; // a build without LOMS has no use for them
    wrong.unwrap_or_default()
}

/// Servers of the whole shop that would listen at the same place.
fn shared_addresses(settings: &Settings) -> Vec<(String, &'static str, SocketAddr)> {
    let servers: [(&str, &Listen); 5] = [
        ("cart.http", &settings.cart.http),
        ("products.http", &settings.products.http),
        ("loms.grpc", &settings.loms.grpc),
        ("loms.http", &settings.loms.http),
        ("notifier.http", &settings.notifier.http),
    ];
    let mut shared = Vec::new();
    for (index, (name, listen)) in servers.iter().enumerate() {
        let before = servers[..index].iter().find(|(_, other)| other == listen);
        if let Some((other, _)) = before.filter(|_| listen.port != 0) {
            shared.push((format!("{name}.port"), *other, listen.address()));
        }
        if settings.ops.addr.0 == Some(listen.address()) && listen.port != 0 {
            shared.push(("ops.addr".to_owned(), *name, listen.address()));
        }
    }
    shared
}

/// Whether a path, unless it is empty, is a file that can be read.
pub(super) fn readable(path: &str) -> Result<(), String> {
    if path.is_empty() {
        return Ok(());
    }
    let file = std::fs::File::open(Path::new(path)).map_err(|error| format!("cannot be read: {error}"))?;
    match file.metadata() {
        Ok(data) if data.is_file() => Ok(()),
        _ => Err("is no file".to_owned()),
    }
}
