//! Log lines for people: time of day, level, service, message, then the fields.

use std::fmt::{self, Write};
use std::io;

use slog::{Drain, KV, Key, OwnedKVList, Record};

use super::levels::level_name;
use super::output::Output;

/// Writes lines for people.
pub(super) struct Pretty(Output);

impl Pretty {
    pub(super) const fn to(output: Output) -> Self {
        Self(output)
    }
}

impl Drain for Pretty {
    type Ok = ();
    type Err = io::Error;

    fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> io::Result<()> {
        let mut parts = Parts::default();
        values.serialize(record, &mut parts)?;
        record.kv().serialize(record, &mut parts)?;
        let time = parts.ts.get(11..23).unwrap_or(&parts.ts);
        let (level, service) = (level_name(record.level()), &parts.service);
        let line = format!("{time} {level:<5} {service} {}{}\n", record.msg(), parts.fields);
        self.0.write_lines(line.as_bytes())
    }
}

#[derive(Default)]
struct Parts {
    ts: String,
    service: String,
    fields: String,
}

impl slog::Serializer for Parts {
    fn emit_arguments(&mut self, key: Key, value: &fmt::Arguments<'_>) -> slog::Result {
        match key {
            "ts" => self.ts = value.to_string(),
            "service" => self.service = value.to_string(),
            "span_id" => {} // the trace is enough for people
            _ => write!(self.fields, " {key}={value}")?,
        }
        Ok(())
    }
}
