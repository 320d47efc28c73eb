//! Settings of the notifier: its part of the consumer group, and where events go from it.

use std::time::Duration;

use actix_web::http::Uri;
use serde::{Deserialize, Serialize};

use super::describe::settings;
use super::values::{Listen, Secret};

/// The shortest secret that is worth its name. Source: the output of SHA-256, halved.
const SECRET_MIN_BYTES: usize = 16;

/// The share of the time to end that may go into events that are held.
pub const FINISH_SHARE: f64 = 0.5;
/// The share of the time to end that may go into leaving the group.
pub const LEAVE_SHARE: f64 = 0.25;

/// What is done with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SinkKind {
    /// A line is written.
    Log,
    /// It is posted to a URL, and a line is written once that has it.
    Webhook,
}

settings! {
    /// What passes events on.
    NotifierSettings {
        /// What is done with an event: a line is written, or it is posted to a URL first.
        sink: SinkKind = SinkKind::Log, "log, webhook", (skip);
        /// The consumer group; its members share the partitions.
        group: String = "notifier".to_owned(), "1 to 200 letters, digits, dots, dashes, underscores", (custom(group_name));
        /// A member of the group of which nothing was heard for so long has left.
        session_timeout_ms: u64 = 10_000, "1000 to 300000", (range(min = 1_000, max = 300_000)) => session_timeout from_millis;
        /// Pause between commits of positions; what was handled since the last one repeats after a crash.
        commit_interval_ms: u64 = 500, "10 to 60000", (range(min = 10, max = 60_000)) => commit_interval from_millis;
        /// Event ids that are remembered of a partition, to tell repeats.
        dedupe_window: usize = 100_000, "1 to 10000000", (range(min = 1, max = 10_000_000));
        /// Events in memory, a partition, that were not handled yet; beyond it they wait in the outbox.
        stream_max: usize = 100_000, "1 to 100000000", (range(min = 1, max = 100_000_000));
        /// Events in memory that could not be handled; beyond it the next one waits.
        dead_letters_max: usize = 10_000, "1 to 10000000", (range(min = 1, max = 10_000_000));
        /// Events that are taken, or made safe, at once.
        batch_max: usize = 256, "1 to 100000", (range(min = 1, max = 100_000));
        /// Events of a partition that are held and not handled yet; beyond it the partition pauses.
        held_max: usize = 1_024, "1 to 100000", (range(min = 1, max = 100_000));
        /// Time for the event in hand when its partition goes to another notifier.
        release_within_ms: u64 = 2_000, "1 to 60000", (range(min = 1, max = 60_000)) => release_within from_millis;
        /// Pause after the first failure; it doubles.
        retry_pause_ms: u64 = 50, "1 to 60000", (range(min = 1, max = 60_000)) => retry_pause from_millis;
        /// The longest pause after failures.
        retry_pause_max_ms: u64 = 1_000, "1 to 600000", (range(min = 1, max = 600_000)) => retry_pause_max from_millis;
    }
    groups {
        /// Where events are posted.
        webhook: WebhookConfig = WebhookConfig::default();
        /// Where operations ask.
        http: Listen = Listen::on(8085);
    }
}

settings! {
    /// The webhook.
    WebhookConfig {
        /// The URL that events are posted to, where notifier.sink is webhook.
        url: String = String::new(), "empty, or http://HOST:PORT/PATH", (custom(http_url));
        /// The secret that signs them.
        secret: Secret = Secret::new(""), "any text of at least 16 bytes, where notifier.sink is webhook", (skip);
        /// Time to connect.
        connect_timeout_ms: u64 = 1_000, "1 to 60000", (range(min = 1, max = 60_000)) => connect_timeout from_millis;
        /// Time for a request and its answer.
        request_timeout_ms: u64 = 5_000, "1 to 60000", (range(min = 1, max = 60_000)) => request_timeout from_millis;
    }
    groups {}
}

/// A rule of garde: the name of a consumer group.
fn group_name(name: &str, (): &()) -> garde::Result {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if (1..=200).contains(&name.len()) && name.bytes().all(legal) {
        Ok(())
    } else {
        Err(garde::Error::new("is no name of a group"))
    }
}

/// A rule of garde: where something can be posted to.
fn http_url(url: &str, (): &()) -> garde::Result {
    let parsed: Option<Uri> = url.parse().ok();
    let good =
        parsed.is_some_and(|uri| uri.scheme_str() == Some("http") && uri.host().is_some_and(|host| !host.is_empty()));
    if good || url.is_empty() {
        Ok(())
    } else {
        Err(garde::Error::new("is no http URL"))
    }
}

/// What does not agree: each setting with what is wrong with it.
pub(super) fn disagreements(settings: &NotifierSettings) -> Vec<(&'static str, String)> {
    let (url, secret) = (&settings.webhook.url, settings.webhook.secret.expose());
    let mut found = Vec::new();
    match settings.sink {
        SinkKind::Log if !url.is_empty() => {
            found.push(("notifier.webhook.url", "is set, but notifier.sink is log".to_owned()));
        }
        SinkKind::Log => {}
        SinkKind::Webhook => {
            if url.is_empty() {
                found.push((
                    "notifier.webhook.url",
                    "is empty, but notifier.sink is webhook".to_owned(),
                ));
            }
            if secret.len() < SECRET_MIN_BYTES {
                let reason = format!("has fewer than {SECRET_MIN_BYTES} bytes, but notifier.sink is webhook");
                found.push(("notifier.webhook.secret", reason));
            }
        }
    }
    found
}

/// What is wrong with the time for an event in hand: at the end it must leave the group time to be left.
pub(super) fn release(settings: &NotifierSettings, grace: Duration) -> Option<(&'static str, String)> {
    let left = grace.mul_f64(1.0 - FINISH_SHARE - LEAVE_SHARE);
    (settings.release_within() >= left).then(|| {
        let (given, left, grace) = (settings.release_within_ms, left.as_millis(), grace.as_secs());
        let reason = format!(
            "is {given}, not less than {left}: a quarter of the {grace} s of shutdown.grace_seconds, which is there for it"
        );
        ("notifier.release_within_ms", reason)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_names() {
        for good in ["", "http://a", "http://a:1/b?c=d", "http://[::1]:80/x"] {
            assert!(http_url(good, &()).is_ok(), "{good}");
        }
        for bad in ["a:1", "https://a", "http://", "http://a b"] {
            assert!(http_url(bad, &()).is_err(), "{bad}");
        }
        assert!(group_name("notifier", &()).is_ok() && group_name("a b", &()).is_err() && group_name("", &()).is_err());
    }

    #[test]
    fn a_webhook_needs_a_url_and_a_secret_and_the_log_neither() {
        let mut settings = NotifierSettings::default();
        assert_eq!(disagreements(&settings), []);
        settings.sink = SinkKind::Webhook;
        let keys: Vec<_> = disagreements(&settings).into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["notifier.webhook.url", "notifier.webhook.secret"]);
        settings.webhook.url = "http://a".to_owned();
        settings.webhook.secret = Secret::new("0123456789abcdef");
        assert_eq!(disagreements(&settings), []);
        settings.webhook.secret = Secret::new("too short");
        assert_eq!(disagreements(&settings).len(), 1);
        settings.sink = SinkKind::Log;
        let keys: Vec<_> = disagreements(&settings).into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["notifier.webhook.url"]);
    }
}
