//! Forwards what libraries say by `tracing` (and by `log`, which comes over `tracing` too) to
//! slog, with its level, so that there is one stream of lines.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use slog::{BorrowedKV, KV, Logger, Record, RecordLocation, RecordStatic};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::chain_of;

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
            target: Cow::Borrowed(event.metadata().target()),
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
            tag: &said.target,
            level,
        };
        let (message, fields) = (&said.message, Fields(&said.fields));
        self.0
            .log(&Record::new(&fixed, &format_args!("{message}"), BorrowedKV(&fields)));
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
    target: Cow<'static, str>,
    fields: Vec<(&'static str, Value)>,
}

/// The value of a field.
enum Value {
    Text(String),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Flag(bool),
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

    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::Text(text)) => self.message = text,
            ("log.target", Value::Text(text)) => self.target = Cow::Owned(text),
            (name, _) if name.starts_with("log.") => {} // where in its source a library said it
            (name, value) => self.fields.push((name, value)),
        }
    }
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Value::Text(value.to_owned()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Value::Signed(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, Value::Unsigned(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, Value::Float(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Value::Flag(value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.put(field, Value::Text(chain_of(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Value::Text(format!("{value:?}")));
    }
}

/// The fields of an event. No key may stand twice in a line: a name that every line has is changed, and
/// of several fields with one name the first is taken.
struct Fields<'a>(&'a [(&'static str, Value)]);

impl KV for Fields<'_> {
    fn serialize(&self, _: &Record<'_>, to: &mut dyn slog::Serializer) -> slog::Result {
        let is_first = |index: usize, name| self.0[..index].iter().all(|(before, _)| key(before) != key(name));
        let all = self.0.iter().enumerate();
        all.filter(|(index, (name, _))| is_first(*index, name))
            .try_for_each(|(_, (name, value))| emit(key(name), value, to))
    }
}

/// The key of a field: another one for what is a key of every line.
fn key(name: &'static str) -> &'static str {
    match name {
        "ts" => "field_ts",
        "level" => "field_level",
        "service" => "field_service",
        "msg" => "field_msg",
        "target" => "field_target",
        "trace_id" => "field_trace_id",
        "span_id" => "field_span_id",
        name => name,
    }
}

fn emit(key: slog::Key, value: &Value, to: &mut dyn slog::Serializer) -> slog::Result {
    match value {
        Value::Text(text) => to.emit_str(key, text),
        Value::Signed(number) => to.emit_i64(key, *number),
        Value::Unsigned(number) => to.emit_u64(key, *number),
        Value::Float(number) => to.emit_f64(key, *number),
        Value::Flag(flag) => to.emit_bool(key, *flag),
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::super::drain::tests::lines;
    use super::super::render::OWN_KEYS;
    use super::*;
    use crate::config::LogSettings;

    /// What is written when `say` has said something by `tracing`.
    fn forwarded(say: impl FnOnce()) -> String {
        lines(&LogSettings::default(), |root| {
            let logger = root.new(slog::o!("service" => "app"));
            let subscriber = tracing_subscriber::registry().with(Forward::to(logger));
            tracing::subscriber::with_default(subscriber, say);
        })
    }

    #[test]
    fn an_event_becomes_a_line_with_its_level_and_fields() {
        let text = forwarded(|| {
            let error = std::io::Error::other("planted");
            let error: &(dyn Error + 'static) = &error;
            tracing::warn!(target: "library", retries = 3, share = 0.5, ok = false, error, name = "x", "gave {}", "up");
        });
        let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        let expected = serde_json::json!({
            "msg": "gave up", "level": "warn", "target": "library", "service": "app", "trace_id": "", "span_id": "",
            "retries": 3, "share": 0.5, "ok": false, "name": "x", "error": "planted", "ts": line["ts"],
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn a_field_never_takes_the_place_of_a_key() {
        let text = forwarded(|| {
            tracing::warn!(target: "library", level = 9, service = "theirs", trace_id = "mine", "said");
        });
        let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!(
            (&line["level"], &line["service"], &line["trace_id"]),
            (&"warn".into(), &"app".into(), &"".into())
        );
        assert_eq!(
            (&line["field_level"], &line["field_service"], &line["field_trace_id"]),
            (&9.into(), &"theirs".into(), &"mine".into())
        );
        for own in OWN_KEYS {
            assert_ne!(key(own), own);
            assert_eq!(text.matches(&format!("\"{own}\":")).count(), 1, "{own} in {text}");
        }
    }

    #[test]
    fn bytes_of_a_caller_and_what_is_handled_are_no_error_of_ours() {
        let text = forwarded(|| {
            tracing::error!(target: "actix_http::h1::dispatcher", "stream error: request parse error: no header");
            tracing::error!(target: "actix_http::h1::dispatcher", "stream error: internal error");
            tracing::error!(target: "rskafka::client::partition", "request encountered fatal error");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("internal error"));
    }
}
