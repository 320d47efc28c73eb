//! The sink that writes one JSON line an event: what the notifier does with events when it is
//! told nothing else. Lines are gathered and written whole, so that they never mix with the
//! log, and they are out before [`EventSink::flush`] answers. What a place that fails did not take
//! stays for the next attempt, from the beginning of the line in which it failed.

use std::io;
use std::sync::Arc;

use domain::error::cause;
use domain::notify::ports::{EventSink, Position, Received, SinkError};
use parking_lot::Mutex;
use serde::Serialize;

/// A place that takes lines of several writers. Cheap to clone.
pub trait TakesLines: Clone + Send + Sync + 'static {
    /// Writes lines, each with its end, and flushes them. It begins on a line of its own, also where the
    /// last one was torn by a failure. Waits while nobody reads.
    ///
    /// How many bytes it took, from the first on, and what failed then: of these too some may not be out yet.
    fn take(&self, lines: &[u8]) -> (usize, io::Result<()>);
}

/// Gathered lines are written before another one when they are more than this, also without a flush.
const GATHERED_MAX_BYTES: usize = 64 * 1024;

/// Room for a line, so that it is made without growing.
const LINE_BYTES: usize = 512;

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
    out: W,
    now: fn() -> String,
    gathered: Arc<Mutex<Gathered>>,
}

/// What is not known to be out.
#[derive(Debug, Default)]
struct Gathered {
    /// Not taken yet.
    lines: Vec<u8>,
    /// Something was taken, and a failure came before it was flushed.
    unflushed: bool,
}

impl Gathered {
    fn write(&mut self, out: &impl TakesLines) -> io::Result<()> {
        let (taken, written) = out.take(&self.lines);
        let taken = &self.lines[..taken];
        // A line that was torn is written again as a whole.
        let whole = taken.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.unflushed = written.is_err();
        self.lines.drain(..whole);
        written
    }
}

impl<W: TakesLines> LineSink<W> {
    /// To a place; `now` gives the `ts` of a line, RFC 3339.
    pub fn new(out: W, now: fn() -> String) -> Self {
        Self {
            out,
            now,
            gathered: Arc::default(),
        }
    }

    /// Writes off the runtime: whoever reads our output may be slow.
    async fn write(&self) -> io::Result<()> {
        let is_out = {
            let gathered = self.gathered.lock();
            gathered.lines.is_empty() && !gathered.unflushed
        };
        if is_out {
            return Ok(());
        }
        let (out, gathered) = (self.out.clone(), Arc::clone(&self.gathered));
        let write = tokio::task::spawn_blocking(move || gathered.lock().write(&out));
        write.await.map_err(io::Error::other)?
    }
}

impl<W: TakesLines> EventSink for LineSink<W> {
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
        let mut text = Vec::with_capacity(LINE_BYTES);
        serde_json::to_writer(&mut text, &line).map_err(|error| SinkError::Unavailable(cause(error)))?;
        text.push(b'\n');
        // Before it is gathered: who is told to try again does not leave it here twice.
        if self.gathered.lock().lines.len() > GATHERED_MAX_BYTES {
            self.flush().await?;
        }
        self.gathered.lock().lines.append(&mut text);
        Ok(())
    }

    async fn flush(&self) -> Result<(), SinkError> {
        self.write().await.map_err(|error| SinkError::Unavailable(cause(error)))
    }
}

impl<W> std::fmt::Debug for LineSink<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let gathered = self.gathered.try_lock().map(|gathered| gathered.lines.len());
        f.debug_struct("LineSink")
            .field("gathered_bytes", &gathered)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use domain::clock::Clock;
    use domain::order::status::OrderStatus;
    use domain::testing::build::{ManualClock, order_id};
    use domain::trace::TraceContext;

    use super::*;

    /// Keeps what is written, as pieces that were taken in one go.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Place>>);

    #[derive(Default)]
    struct Place {
        pieces: Vec<String>,
        /// Bytes that still fit on the disk, if it is bounded.
        room: Option<usize>,
        cannot_flush: bool,
    }

    impl TakesLines for Kept {
        fn take(&self, lines: &[u8]) -> (usize, io::Result<()>) {
            let mut place = self.0.lock();
            let taken = place.room.map_or(lines.len(), |room| room.min(lines.len()));
            place.room = place.room.map(|room| room - taken);
            if taken > 0 {
                place.pieces.push(String::from_utf8(lines[..taken].to_vec()).unwrap());
            }
            let is_out = taken == lines.len() && !place.cannot_flush;
            (taken, is_out.then_some(()).ok_or(io::ErrorKind::StorageFull.into()))
        }
    }

    impl Kept {
        fn sink(&self) -> LineSink<Self> {
            LineSink::new(self.clone(), || "now".to_owned())
        }

        fn pieces(&self) -> Vec<String> {
            self.0.lock().pieces.clone()
        }
    }

    /// The offset of a whole line.
    fn offset(line: &str) -> i64 {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["offset"].as_i64().unwrap()
    }

    async fn deliver(sink: &LineSink<Kept>, offset: i64) -> Result<(), SinkError> {
        let event = Received {
            event_id: "7".into(),
            order: order_id(3),
            status: OrderStatus::Payed,
            moment: ManualClock::default().now(),
            trace: TraceContext::new(1, 2, 0),
        };
        sink.deliver(Position { partition: 1, offset }, &event).await
    }

    #[tokio::test]
    async fn writes_whole_lines_when_flushed() {
        let out = Kept::default();
        let sink = out.sink();
        deliver(&sink, 9).await.unwrap();
        assert!(out.pieces().is_empty());
        sink.flush().await.unwrap();
        let text = out.pieces().concat();
        let line: serde_json::Value = serde_json::from_str(text.strip_suffix('\n').unwrap()).unwrap();
        assert_eq!(line["order_id"], 3);
        assert_eq!(line["status"], "payed");
        assert_eq!(line["moment"], "2026-01-02T03:04:05.678Z");
        assert_eq!(
            (&line["partition"], &line["offset"], &line["event_id"]),
            (&1.into(), &9.into(), &"7".into())
        );
        assert_eq!(line["trace_id"], "00000000000000000000000000000001");
        sink.flush().await.unwrap();
        assert_eq!(out.pieces().len(), 1, "nothing is left");
    }

    #[tokio::test]
    async fn a_line_that_was_torn_is_written_again_and_none_before_it() {
        let out = Kept::default();
        let sink = out.sink();
        for offset in 0..3 {
            deliver(&sink, offset).await.unwrap();
        }
        // The first line, and half of the second one.
        let length = sink.gathered.lock().lines.len() / 3;
        out.0.lock().room = Some(length + length / 2);
        for _ in 0..3 {
            assert!(sink.flush().await.is_err());
        }
        out.0.lock().room = None;
        sink.flush().await.unwrap();
        let pieces = out.pieces();
        assert_eq!(pieces.len(), 2, "{pieces:?}");
        let (first, torn) = pieces[0].split_once('\n').unwrap();
        assert_eq!((offset(first), torn.len()), (0, length / 2));
        assert_eq!(pieces[1].lines().map(offset).collect::<Vec<_>>(), [1, 2]);
    }

    /// As the notifier does: who is told that it is not there delivers the same event again.
    #[tokio::test]
    async fn while_nothing_is_taken_what_is_gathered_is_bounded_and_comes_once() {
        let out = Kept::default();
        let sink = out.sink();
        out.0.lock().room = Some(0);
        let mut accepted = 0;
        while deliver(&sink, accepted).await.is_ok() {
            accepted += 1;
        }
        let gathered = || sink.gathered.lock().lines.len();
        let before = gathered();
        for _ in 0..100 {
            assert!(deliver(&sink, accepted).await.is_err());
        }
        assert_eq!(gathered(), before);
        out.0.lock().room = None;
        deliver(&sink, accepted).await.unwrap();
        sink.flush().await.unwrap();
        let offsets: Vec<i64> = out.pieces().concat().lines().map(offset).collect();
        assert_eq!(offsets, (0..=accepted).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn what_was_taken_and_not_flushed_is_not_safe() {
        let out = Kept::default();
        let sink = out.sink();
        deliver(&sink, 1).await.unwrap();
        out.0.lock().cannot_flush = true;
        for _ in 0..2 {
            assert!(sink.flush().await.is_err());
        }
        out.0.lock().cannot_flush = false;
        sink.flush().await.unwrap();
        assert_eq!(out.pieces().len(), 1, "not written twice");
    }
}
