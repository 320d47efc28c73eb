//! The way of a log line: level, then the ids and the time of the moment it was logged, then a
//! bounded queue, then one thread that writes. A full queue drops lines and counts them: logging
//! never holds up the work.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::clock::Clock;
use slog::{BorrowedKV, Drain, KV, Level, Logger, Never, OwnedKVList, Record, RecordLocation, RecordStatic, o};
use slog_async::{AsyncCore, AsyncError, AsyncGuard};

use super::levels::level_name;
use super::names::LINES_DROPPED;
use super::output::{Gathered, Output};
use super::pretty::Pretty;
use super::trace;
use crate::clock::SystemClock;
use crate::config::{LogFormat, LogLevel, LogSettings};

/// How many lines were dropped because the queue was full.
#[derive(Debug, Clone, Default)]
pub struct DroppedLines(Arc<AtomicU64>);

impl DroppedLines {
    /// The lines dropped so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A root logger without fields. The lines are written while the guard lives.
pub(super) fn start(settings: &LogSettings, output: &Output) -> (Logger, DroppedLines, AsyncGuard) {
    let least = slog_level(settings.level);
    match settings.format {
        LogFormat::Json => queue(json(output), least, settings.queue_max),
        LogFormat::Pretty => queue(Pretty::to(output.clone()), least, settings.queue_max),
    }
}

fn queue(
    write: impl Drain<Ok = (), Err = io::Error> + Send + 'static,
    least: Level,
    queue_max: usize,
) -> (Logger, DroppedLines, AsyncGuard) {
    // A line that cannot be written has nowhere to be told.
    let builder = AsyncCore::custom(write.ignore_res())
        .chan_size(queue_max)
        .thread_name("log".to_owned());
    let (queue, guard) = builder.build_with_guard();
    let dropped = DroppedLines::default();
    let drain = Entrance {
        queue,
        least,
        dropped: dropped.clone(),
    };
    (Logger::root(drain, o!()), dropped, guard)
}

fn json(output: &Output) -> impl Drain<Ok = (), Err = io::Error> + Send + use<> {
    let fields = o!(
        "msg" => slog::PushFnValue(|record: &Record<'_>, to: slog::PushFnValueSerializer<'_>| to.emit(record.msg())),
        "level" => slog::FnValue(|record: &Record<'_>| level_name(record.level())),
    );
    let builder = slog_json::Json::new(Gathered::for_output(output.clone()));
    builder.add_key_value(fields).set_newlines(true).set_flush(true).build()
}

/// Where lines enter: on the thread that logs, where the current trace is known.
struct Entrance {
    queue: AsyncCore,
    least: Level,
    dropped: DroppedLines,
}

impl Drain for Entrance {
    type Ok = ();
    type Err = Never;

    fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), Never> {
        if !self.is_enabled(record.level()) {
            return Ok(());
        }
        let location = RecordLocation {
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
        let kv = (record.kv(), Moment);
        let record = Record::new(&fixed, record.msg(), BorrowedKV(&kv));
        if let Err(AsyncError::Full) = self.queue.log(&record, values) {
            self.dropped.0.fetch_add(1, Ordering::Relaxed);
            metrics::counter!(LINES_DROPPED.name).increment(1);
        }
        Ok(())
    }

    fn is_enabled(&self, level: Level) -> bool {
        level.is_at_least(self.least)
    }
}

/// The time, and the ids of the current trace.
struct Moment;

impl KV for Moment {
    fn serialize(&self, _: &Record<'_>, to: &mut dyn slog::Serializer) -> slog::Result {
        to.emit_arguments("ts", &format_args!("{}", SystemClock.now()))?;
        if let Some(trace) = trace::current() {
            to.emit_arguments("trace_id", &format_args!("{:032x}", trace.trace_id()))?;
            to.emit_arguments("span_id", &format_args!("{:016x}", trace.span_id()))?;
        }
        Ok(())
    }
}

const fn slog_level(level: LogLevel) -> Level {
    match level {
        LogLevel::Error => Level::Error,
        LogLevel::Warn => Level::Warning,
        LogLevel::Info => Level::Info,
        LogLevel::Debug => Level::Debug,
        LogLevel::Trace => Level::Trace,
    }
}

#[cfg(test)]
mod tests {
    use domain::trace::TraceContext;
    use slog::{debug, error, info};

    use super::super::output::tests::Kept;
    use super::*;

    fn lines(settings: &LogSettings, log: impl FnOnce(&Logger)) -> String {
        let kept = Kept::default();
        let (logger, _, guard) = start(settings, &Output::to(kept.clone()));
        log(&logger);
        drop(guard);
        kept.text()
    }

    #[test]
    fn a_line_is_one_json_object_with_all_its_parts() {
        let text = lines(&LogSettings::default(), |root| {
            let logger = root.new(o!("service" => "cart"));
            debug!(logger, "too fine");
            let parent = TraceContext::new(0xabc, 0xdef, 0);
            tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap()
                .block_on(trace::follow(parent, async {
                    info!(logger, "line {}", 1; "order_id" => 7, "text" => "a\nb\"");
                }));
            error!(logger, "no trace");
        });
        let rows: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(rows.len(), 2, "{text}");
        let row = &rows[0];
        assert_eq!(row["msg"], "line 1");
        assert_eq!(row["level"], "info");
        assert_eq!(row["service"], "cart");
        assert_eq!(row["order_id"], 7);
        assert_eq!(row["text"], "a\nb\"");
        assert_eq!(row["trace_id"], "00000000000000000000000000000abc");
        assert_eq!(row["span_id"], "0000000000000def");
        assert!(domain::clock::Moment::parse(row["ts"].as_str().unwrap()).is_ok());
        assert_eq!(rows[1]["level"], "error");
        assert_eq!(rows[1].get("trace_id"), None);
        for key in ["\"service\"", "\"msg\"", "\"level\"", "\"ts\""] {
            assert_eq!(text.lines().next().unwrap().matches(key).count(), 1, "{key} in {text}");
        }
    }

    #[test]
    fn pretty_lines_are_for_people() {
        let settings = LogSettings {
            format: LogFormat::Pretty,
            ..LogSettings::default()
        };
        let text = lines(
            &settings,
            |root| info!(root.new(o!("service" => "loms")), "started"; "port" => 8083),
        );
        let (time, rest) = text.split_once(' ').unwrap();
        assert_eq!(time.len(), "03:04:05.678".len());
        assert_eq!(rest, "info  loms started port=8083\n");
    }

    /// A place that takes nothing until it is let go.
    struct Stuck(std::sync::mpsc::Receiver<()>);

    impl io::Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_queue_drops_and_counts() {
        let (let_go, stuck) = std::sync::mpsc::channel();
        let settings = LogSettings {
            queue_max: 16,
            ..LogSettings::default()
        };
        let (logger, dropped, guard) = start(&settings, &Output::to(Stuck(stuck)));
        for _ in 0..100 {
            info!(logger, "x");
        }
        // The queue holds 16, and the writer may have taken one.
        assert!((83..=84).contains(&dropped.count()), "{}", dropped.count());
        drop(let_go);
        drop(guard);
    }
}
