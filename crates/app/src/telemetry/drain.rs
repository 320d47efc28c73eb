//! The way of a log line: level, then the line itself, then a bounded queue, then one thread that
//! writes.

use std::io;
use std::panic::AssertUnwindSafe;

use slog::{Drain, Level, Logger, Never, OwnedKVList, Record, o};

use super::levels::Levels;
use super::output::Output;
use super::queue::{self, DroppedLines, Queue, Writer};
use super::render;
use crate::config::{LogFormat, LogSettings};

/// A root logger without fields. The lines are written while the writer lives.
///
/// # Errors
/// Where the system refuses a thread.
pub(super) fn start(
    settings: &LogSettings,
    levels: Levels,
    output: &Output,
) -> io::Result<(Logger, DroppedLines, Writer)> {
    let format = settings.format;
    let (queue, writer, dropped) = queue::start(output.clone(), settings.queue_max, move |lines| {
        tell_drops(format, lines)
    })?;
    let entrance = Entrance {
        queue,
        levels: AssertUnwindSafe(levels),
        format,
    };
    Ok((Logger::root(entrance, o!()), dropped, writer))
}

/// The line that tells of dropped ones.
fn tell_drops(format: LogFormat, lines: u64) -> Vec<u8> {
    let service = OwnedKVList::from(o!("service" => "app"));
    let fields = slog::b!("lines" => lines);
    let said = format_args!("log lines were dropped");
    render::line(format, &slog::record!(Level::Warning, "", &said, fields), &service).unwrap_or_default()
}

/// Where lines enter, on the thread that logs.
struct Entrance {
    queue: Queue,
    /// Levels are replaced as a whole: a panic elsewhere leaves no half of them.
    levels: AssertUnwindSafe<Levels>,
    format: LogFormat,
}

impl Drain for Entrance {
    type Ok = ();
    type Err = Never;

    fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), Never> {
        let (target, ours) = render::teller(record);
        if !self.levels.want(target, ours, record.level()) {
            return Ok(());
        }
        let matters = record.level().is_at_least(Level::Warning);
        if let Some(place) = self.queue.place(matters) {
            place.take(render::line(self.format, record, values));
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use domain::trace::TraceContext;
    use slog::{debug, error, info};

    use super::super::levels::LogLevels;
    use super::super::output::tests::Kept;
    use super::super::trace;
    use super::*;

    /// What is written when `log` has logged.
    pub(in super::super) fn lines(settings: &LogSettings, log: impl FnOnce(&Logger)) -> String {
        let kept = Kept::default();
        let levels = Levels::new(LogLevels::from(settings));
        let (logger, _, writer) = start(settings, levels, &Output::to(kept.clone())).unwrap();
        log(&logger);
        drop(writer);
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
        assert_eq!(row["target"], "app::telemetry::drain::tests");
        assert_eq!(row["order_id"], 7);
        assert_eq!(row["text"], "a\nb\"");
        assert_eq!(row["trace_id"], "00000000000000000000000000000abc");
        assert_eq!(row["span_id"], "0000000000000def");
        assert!(domain::clock::Moment::parse(row["ts"].as_str().unwrap()).is_ok());
        assert_eq!(rows[1]["level"], "error");
        assert_eq!(
            (rows[1]["trace_id"].as_str(), rows[1]["span_id"].as_str()),
            (Some(""), Some(""))
        );
        for key in render::OWN_KEYS {
            let key = format!("\"{key}\":");
            assert_eq!(text.lines().next().unwrap().matches(&key).count(), 1, "{key} in {text}");
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

    /// A value that logs while it is rendered.
    struct Talkative(Logger);

    impl std::fmt::Display for Talkative {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            info!(self.0, "inside");
            f.write_str("done")
        }
    }

    #[test]
    fn what_a_value_logs_while_it_is_rendered_is_counted_as_dropped() {
        let text = lines(&LogSettings::default(), |root| {
            info!(root, "outside"; "value" => %Talkative(root.clone()));
        });
        let said: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((said.len(), &said[0]["value"]), (2, &"done".into()), "{text}");
        assert_eq!(
            (&said[1]["msg"], &said[1]["lines"]),
            (&"log lines were dropped".into(), &1.into())
        );
    }

    #[test]
    fn drops_are_told_in_the_form_of_a_line() {
        let line = tell_drops(LogFormat::Json, 3);
        let line: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(
            (&line["msg"], &line["level"], &line["service"], &line["lines"]),
            (
                &"log lines were dropped".into(),
                &"warn".into(),
                &"app".into(),
                &3.into()
            )
        );
    }
}
