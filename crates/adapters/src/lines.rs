//! The sink that writes one JSON line an event: what the notifier does with events when it is
//! told nothing else. Lines are gathered and written whole, so that they never mix with the
//! log, and they are out before [`EventSink::flush`] answers.

use std::io::{self, Write};
use std::sync::Arc;

use domain::error::cause;
use domain::notify::ports::{EventSink, Position, Received, SinkError};
use parking_lot::Mutex;
use serde::Serialize;

/// Gathered lines are written when they are more than this, also without a flush.
const GATHERED_MAX_BYTES: usize = 64 * 1024;

/// What is written of an event.
#[derive(Serialize)]
struct LineOfEvent<'a> {
    ts: String,
    level: &'a str,
    service: &'a str,
    msg: &'a str,
    trace_id: String,
    span_id: String,
    order_id: i64,
    status: &'a str,
    moment: String,
    partition: i32,
    offset: i64,
    event_id: &'a str,
}

/// Writes lines.
pub struct LineSink<W> {
    out: Arc<Mutex<W>>,
    now: fn() -> String,
    gathered: Mutex<Vec<u8>>,
}

impl<W: Write + Send + 'static> LineSink<W> {
    /// To a writer; `now` gives the `ts` of a line, RFC 3339.
    pub fn new(out: W, now: fn() -> String) -> Self {
        Self {
            out: Arc::new(Mutex::new(out)),
            now,
            gathered: Mutex::default(),
        }
    }

    /// Writes off the runtime: whoever reads our output may be slow.
    async fn write(&self) -> io::Result<()> {
        let lines = std::mem::take(&mut *self.gathered.lock());
        if lines.is_empty() {
            return Ok(());
        }
        let out = Arc::clone(&self.out);
        let write = tokio::task::spawn_blocking(move || {
            let mut out = out.lock();
            let written = out.write_all(&lines).and_then(|()| out.flush());
            (lines, written)
        });
        let (mut lines, written) = write.await.map_err(io::Error::other)?;
        if written.is_err() {
            // Kept for the next attempt: better a line twice than one dropped.
            let mut gathered = self.gathered.lock();
            lines.append(&mut gathered);
            *gathered = lines;
        }
        written
    }
}

impl<W: Write + Send + 'static> EventSink for LineSink<W> {
    async fn deliver(&self, position: Position, event: &Received) -> Result<(), SinkError> {
        let line = LineOfEvent {
            ts: (self.now)(),
            level: "info",
            service: "notifier",
            msg: "order event",
            trace_id: event
                .trace
                .map(|trace| format!("{:032x}", trace.trace_id()))
                .unwrap_or_default(),
            span_id: event
                .trace
                .map(|trace| format!("{:016x}", trace.span_id()))
                .unwrap_or_default(),
            order_id: event.order.get(),
            status: event.status.as_str(),
            moment: event.moment.to_string(),
            partition: position.partition,
            offset: position.offset,
            event_id: &event.event_id,
        };
        let full = {
            let mut gathered = self.gathered.lock();
            serde_json::to_writer(&mut *gathered, &line).map_err(|error| SinkError::Unavailable(cause(error)))?;
            gathered.push(b'\n');
            gathered.len() > GATHERED_MAX_BYTES
        };
        if full { self.flush().await } else { Ok(()) }
    }

    async fn flush(&self) -> Result<(), SinkError> {
        self.write().await.map_err(|error| SinkError::Unavailable(cause(error)))
    }
}

impl<W> std::fmt::Debug for LineSink<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LineSink")
            .field("gathered_bytes", &self.gathered.lock().len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use domain::order::status::OrderStatus;
    use domain::testing::build::{ManualClock, order_id};
    use domain::trace::TraceContext;

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);
    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn writes_whole_lines_when_flushed() {
        use domain::clock::Clock;
        let out = Shared::default();
        let sink = LineSink::new(out.clone(), || "now".to_owned());
        let event = Received {
            event_id: "7".into(),
            order: order_id(3),
            status: OrderStatus::Payed,
            moment: ManualClock::default().now(),
            trace: TraceContext::new(1, 2, 0),
        };
        sink.deliver(
            Position {
                partition: 1,
                offset: 9,
            },
            &event,
        )
        .await
        .unwrap();
        assert!(out.0.lock().is_empty());
        sink.flush().await.unwrap();
        let text = String::from_utf8(out.0.lock().clone()).unwrap();
        let line: serde_json::Value = serde_json::from_str(text.strip_suffix('\n').unwrap()).unwrap();
        assert_eq!(line["order_id"], 3);
        assert_eq!(line["status"], "payed");
        assert_eq!(line["moment"], "2026-01-02T03:04:05.678Z");
        assert_eq!(
            (&line["partition"], &line["offset"], &line["event_id"]),
            (&1.into(), &9.into(), &"7".into())
        );
        assert_eq!(line["trace_id"], "00000000000000000000000000000001");
    }
}
