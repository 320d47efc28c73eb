//! Log lines for people: time of day, level, service, message, then the fields.

use std::fmt::{self, Write};

use domain::clock::Clock;
use slog::{KV, Key, OwnedKVList, Record};

use super::levels::of_slog;
use crate::clock::SystemClock;

/// The line of a record.
pub(super) fn line(record: &Record<'_>, values: &OwnedKVList) -> String {
    let mut parts = Parts::default();
    // Text takes everything.
    let _ = values.serialize(record, &mut parts);
    let _ = record.kv().serialize(record, &mut parts);
    let (time, level) = (SystemClock.now().to_string(), of_slog(record.level()).name());
    let time = time.get(11..23).unwrap_or(&time);
    format!("{time} {level:<5} {} {}{}\n", parts.service, record.msg(), parts.fields)
}

#[derive(Default)]
struct Parts {
    service: String,
    fields: String,
}

impl slog::Serializer for Parts {
    fn emit_arguments(&mut self, key: Key, value: &fmt::Arguments<'_>) -> slog::Result {
        match key {
            "service" => self.service = value.to_string(),
            "span_id" | "target" => {} // the trace and the service are enough for people
            "trace_id" => {
                let id = value.to_string();
                if !id.is_empty() {
                    write!(self.fields, " {key}={id}")?;
                }
            }
            _ => write!(self.fields, " {key}={value}")?,
        }
        Ok(())
    }
}
