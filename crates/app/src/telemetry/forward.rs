//! Forwards what libraries say by `tracing` (and by `log`, which comes over `tracing` too) to
//! slog, with its level, so that there is one stream of lines.

use std::fmt;

use slog::{BorrowedKV, KV, Logger, Record, RecordLocation, RecordStatic};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Hands events on.
pub(super) struct Forward(Logger);

impl Forward {
    pub(super) const fn to(logger: Logger) -> Self {
        Self(logger)
    }
}

impl<S: Subscriber> Layer<S> for Forward {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut said = Said {
            target: event.metadata().target().to_owned(),
            ..Said::default()
        };
        event.record(&mut said);
        let level = if said.is_of_a_caller() || said.is_handled() {
            slog::Level::Debug
        } else {
            slog_level(*event.metadata().level())
        };
        let fixed = RecordStatic {
            location: &LOCATION,
            tag: "",
            level,
        };
        let message = std::mem::take(&mut said.message);
        self.0
            .log(&Record::new(&fixed, &format_args!("{message}"), BorrowedKV(&said)));
    }
}

/// slog wants a place in the source; the target says it better.
const LOCATION: RecordLocation = RecordLocation {
    file: "",
    line: 0,
    column: 0,
    function: "",
    module: "",
};

const fn slog_level(level: Level) -> slog::Level {
    match level {
        Level::ERROR => slog::Level::Error,
        Level::WARN => slog::Level::Warning,
        Level::INFO => slog::Level::Info,
        Level::DEBUG => slog::Level::Debug,
        Level::TRACE => slog::Level::Trace,
    }
}

/// An event taken apart.
#[derive(Default)]
struct Said {
    message: String,
    target: String,
    fields: Vec<(&'static str, String)>,
}

impl Said {
    /// Bytes that are no HTTP, which actix tells as an error of its own: anybody can send them, and
    /// they were refused.
    fn is_of_a_caller(&self) -> bool {
        let told = ["stream error: request parse error", "MAX_BUFFER_SIZE"];
        self.target.starts_with("actix_http::h1::") && told.iter().any(|told| self.message.starts_with(told))
    }

    /// Failures of brokers, which the client of Kafka tells as warnings and errors of its own, each
    /// time: they are handed to us too, and told where they are handled.
    fn is_handled(&self) -> bool {
        self.target.starts_with("rskafka::")
    }

    fn put(&mut self, field: &Field, value: String) {
        match field.name() {
            "message" => self.message = value,
            "log.target" => self.target = value,
            name if name.starts_with("log.") => {} // where in its source a library said it
            name => self.fields.push((name, value)),
        }
    }
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

impl KV for Said {
    fn serialize(&self, _: &Record<'_>, to: &mut dyn slog::Serializer) -> slog::Result {
        to.emit_str("target", &self.target)?;
        self.fields
            .iter()
            .try_for_each(|(name, value)| to.emit_str(name, value))
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::super::drain;
    use super::super::output::{Output, tests::Kept};
    use super::*;
    use crate::config::LogSettings;

    #[test]
    fn an_event_becomes_a_line_with_its_level_and_fields() {
        let kept = Kept::default();
        let (logger, _, guard) = drain::start(&LogSettings::default(), &Output::to(kept.clone()));
        let subscriber = tracing_subscriber::registry().with(Forward::to(logger));
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(target: "library", retries = 3, name = "x", "gave {}", "up");
        });
        drop(guard);
        let line: serde_json::Value = serde_json::from_str(kept.text().trim()).unwrap();
        assert_eq!(line["msg"], "gave up");
        assert_eq!(line["level"], "warn");
        assert_eq!(line["target"], "library");
        assert_eq!(line["retries"], "3");
        assert_eq!(line["name"], "x");
    }

    #[test]
    fn bytes_of_a_caller_and_what_is_handled_are_no_error_of_ours() {
        let kept = Kept::default();
        let (logger, _, guard) = drain::start(&LogSettings::default(), &Output::to(kept.clone()));
        let subscriber = tracing_subscriber::registry().with(Forward::to(logger));
        tracing::subscriber::with_default(subscriber, || {
            tracing::error!(target: "actix_http::h1::dispatcher", "stream error: request parse error: no header");
            tracing::error!(target: "actix_http::h1::dispatcher", "stream error: internal error");
            tracing::error!(target: "rskafka::client::partition", "request encountered fatal error");
        });
        drop(guard);
        assert_eq!(kept.text().lines().count(), 1, "{}", kept.text());
        assert!(kept.text().contains("internal error"));
    }
}
