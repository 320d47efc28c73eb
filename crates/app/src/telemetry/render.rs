//! How a line looks: one JSON object with the time, level, service, message, target and trace of
//! what is told, then its fields; or a text for people. It is made on the thread that logs, which
//! alone knows the current trace; that costs less than a copy of everything for another thread.

use std::cell::{Cell, RefCell};
use std::io::{self, Write};
use std::rc::Rc;

use domain::clock::Clock;
use slog::{BorrowedKV, Drain, KV, OwnedKVList, PushFnValue, PushFnValueSerializer, Record, RecordStatic, o};
use slog_json::Json;

use super::levels::{is_ours, of_slog};
use super::{pretty, trace};
use crate::clock::SystemClock;
use crate::config::LogFormat;

/// The keys that every line has, and no field may have.
#[cfg(test)]
pub(super) const OWN_KEYS: [&str; 7] = ["ts", "level", "service", "msg", "target", "trace_id", "span_id"];

/// Who tells a line, and whether that is a module of ours: whoever logs by slog is one, and what came
/// by `tracing` has its target as a tag.
pub(super) fn teller<'a>(record: &'a Record<'_>) -> (&'a str, bool) {
    match record.tag() {
        "" => (record.module(), true),
        target => (target, is_ours(target)),
    }
}

/// The line of a record, with its end. `None` for what is logged while a value of another line is
/// rendered, or while the thread ends.
pub(super) fn line(format: LogFormat, record: &Record<'_>, values: &OwnedKVList) -> Option<Vec<u8>> {
    let location = slog::RecordLocation {
        file: record.file(),
        line: record.line(),
        column: record.column(),
        function: record.function(),
        module: record.module(),
    };
    let fixed = RecordStatic {
        location: &location,
        tag: record.tag(),
        level: record.level(),
    };
    let kv = (Told(teller(record).0), record.kv());
    let record = Record::new(&fixed, record.msg(), BorrowedKV(&kv));
    match format {
        LogFormat::Json => RENDERER.try_with(|renderer| renderer.render(&record, values)).ok()?,
        LogFormat::Pretty => Some(pretty::line(&record, values).into_bytes()),
    }
}

thread_local! {
    /// The renderer of this thread.
    static RENDERER: Renderer = Renderer::new();
}

struct Renderer {
    line: Gathered,
    busy: Cell<bool>,
    json: Json<Gathered>,
}

/// What was rendered so far.
#[derive(Clone, Default)]
struct Gathered(Rc<RefCell<Vec<u8>>>);

impl Renderer {
    fn new() -> Self {
        let line = Gathered::default();
        let json = Json::new(line.clone())
            .add_key_value(o!(
                "msg" => PushFnValue(|record: &Record<'_>, to: PushFnValueSerializer<'_>| to.emit(record.msg())),
                "level" => slog::FnValue(|record: &Record<'_>| of_slog(record.level()).name()),
                "ts" => PushFnValue(|_: &Record<'_>, to: PushFnValueSerializer<'_>| {
                    to.emit(format_args!("{}", SystemClock.now()))
                }),
            ))
            .set_newlines(true)
            .build();
        Self {
            line,
            busy: Cell::new(false),
            json,
        }
    }

    /// `None` where it is busy.
    fn render(&self, record: &Record<'_>, values: &OwnedKVList) -> Option<Vec<u8>> {
        if self.busy.replace(true) {
            return None;
        }
        self.line.0.borrow_mut().clear();
        let rendered = self.json.log(record, values);
        self.busy.set(false);
        rendered.ok()?; // memory takes everything
        Some(self.line.0.borrow().clone())
    }
}

impl Write for Gathered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Who tells it, and the ids of the current trace; empty outside of one.
struct Told<'a>(&'a str);

impl KV for Told<'_> {
    fn serialize(&self, _: &Record<'_>, to: &mut dyn slog::Serializer) -> slog::Result {
        to.emit_str("target", self.0)?;
        match trace::current() {
            Some(trace) => {
                to.emit_arguments("trace_id", &format_args!("{:032x}", trace.trace_id()))?;
                to.emit_arguments("span_id", &format_args!("{:016x}", trace.span_id()))
            }
            None => {
                to.emit_str("trace_id", "")?;
                to.emit_str("span_id", "")
            }
        }
    }
}
