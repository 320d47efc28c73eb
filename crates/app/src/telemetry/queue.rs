//! The bounded queue between those who log and standard output. Whoever logs never waits: a line
//! that finds no room is dropped and counted. One thread writes what has gathered in one piece, and
//! tells in a line of its own how many were dropped.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Stopwatch;
use super::names::LINES_DROPPED;
use super::output::Output;

/// What is written in one piece, unless a line is longer.
const PIECE_MAX_BYTES: usize = 64 * 1024;
/// Drops are told no more often.
const TELL_DROPS_AFTER: Duration = Duration::from_secs(1);
/// The share of the queue that is kept for warnings and errors: one in so many places.
const RESERVED: usize = 8;

/// How many lines were dropped: there was no room, or they could not be written.
#[derive(Debug, Clone, Default)]
pub struct DroppedLines(Arc<Dropped>);

#[derive(Debug, Default)]
struct Dropped {
    all: AtomicU64,
    untold: AtomicU64,
}

impl DroppedLines {
    /// The lines dropped so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.all.load(Ordering::Relaxed)
    }

    fn add(&self, lines: usize) {
        self.0.all.fetch_add(lines as u64, Ordering::Relaxed);
        self.0.untold.fetch_add(lines as u64, Ordering::Relaxed);
        metrics::counter!(LINES_DROPPED.name).increment(lines as u64);
    }
}

enum Message {
    Line(Vec<u8>),
    End,
}

/// Takes lines, each with its end.
pub(super) struct Queue {
    messages: SyncSender<Message>,
    waiting: Arc<AtomicUsize>,
    max: usize,
    dropped: DroppedLines,
}

/// A place in the queue, for one line.
pub(super) struct Place<'a>(&'a Queue);

/// The thread that writes. Dropped, it writes what is queued, and waits for that.
#[derive(Debug)]
pub(super) struct Writer {
    messages: SyncSender<Message>,
    thread: Option<JoinHandle<()>>,
}

/// Starts a queue of at most `max` lines. `tell` makes the line that tells of so many dropped ones.
///
/// # Errors
/// Where the system refuses a thread.
pub(super) fn start(
    output: Output,
    max: usize,
    tell: impl Fn(u64) -> Vec<u8> + Send + 'static,
) -> io::Result<(Queue, Writer, DroppedLines)> {
    let (messages, receiver) = sync_channel(max + 1); // and the end
    let (waiting, dropped) = (Arc::<AtomicUsize>::default(), DroppedLines::default());
    let work = Work {
        receiver,
        waiting: Arc::clone(&waiting),
        dropped: dropped.clone(),
        output,
        tell: Box::new(tell),
        told: None,
    };
    let builder = std::thread::Builder::new().name("log".to_owned());
    let thread = builder.spawn(move || work.run())?;
    let writer = Writer {
        messages: messages.clone(),
        thread: Some(thread),
    };
    let queue = Queue {
        messages,
        waiting,
        max,
        dropped: dropped.clone(),
    };
    Ok((queue, writer, dropped))
}

impl Queue {
    /// A place for a line. `None`: there is no room, and the line counts as dropped. The last places are
    /// kept for what matters.
    pub(super) fn place(&self, matters: bool) -> Option<Place<'_>> {
        let max = if matters {
            self.max
        } else {
            self.max - self.max / RESERVED
        };
        if self.waiting.fetch_add(1, Ordering::Relaxed) < max {
            return Some(Place(self));
        }
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        self.dropped.add(1);
        None
    }
}

impl Place<'_> {
    /// Queues a line. One that could not be made counts as dropped.
    pub(super) fn take(self, line: Option<Vec<u8>>) {
        let queue = self.0;
        // There is room for everybody who has a place; without a writer there is nobody to write.
        let queued = line.is_some_and(|line| queue.messages.try_send(Message::Line(line)).is_ok());
        if !queued {
            queue.waiting.fetch_sub(1, Ordering::Relaxed);
            queue.dropped.add(1);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.messages.send(Message::End); // a thread that is gone has nothing left to write
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the thread does.
struct Work {
    receiver: Receiver<Message>,
    waiting: Arc<AtomicUsize>,
    dropped: DroppedLines,
    output: Output,
    tell: Box<dyn Fn(u64) -> Vec<u8> + Send>,
    told: Option<Stopwatch>,
}

impl Work {
    fn run(mut self) {
        let mut piece = Vec::new();
        loop {
            let first = match self.receiver.recv_timeout(TELL_DROPS_AFTER) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => {
                    self.tell_drops(false);
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let (lines, ended) = self.gather(first, &mut piece);
            let written = self.output.write_lines(&piece);
            piece.clear();
            // Until here they took their places: what is in our hands is bounded too.
            self.waiting.fetch_sub(lines, Ordering::Relaxed);
            if written.is_err() {
                self.dropped.add(lines);
            }
            if ended {
                break;
            }
            self.tell_drops(false);
        }
        self.tell_drops(true);
    }

    /// Gathers what is queued, up to a piece; how many lines, and whether the end was among it.
    fn gather(&self, first: Message, piece: &mut Vec<u8>) -> (usize, bool) {
        let (mut lines, mut next) = (0, Some(first));
        while let Some(message) = next {
            match message {
                Message::Line(line) => piece.extend_from_slice(&line),
                Message::End => return (lines, true),
            }
            lines += 1;
            next = if piece.len() < PIECE_MAX_BYTES {
                self.receiver.try_recv().ok()
            } else {
                None
            };
        }
        (lines, false)
    }

    fn tell_drops(&mut self, last: bool) {
        let due = last || self.told.is_none_or(|told| told.elapsed() >= TELL_DROPS_AFTER);
        if !due || self.dropped.0.untold.load(Ordering::Relaxed) == 0 {
            return;
        }
        self.told = Some(Stopwatch::start());
        let lines = self.dropped.0.untold.swap(0, Ordering::Relaxed);
        if self.output.write_lines(&(self.tell)(lines)).is_err() {
            self.dropped.0.untold.fetch_add(lines, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::mpsc;

    use super::super::output::tests::Kept;
    use super::*;

    /// Takes nothing until it is let go; then it keeps what comes.
    struct Stuck(mpsc::Receiver<()>, Kept);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            self.1.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn tell(lines: u64) -> Vec<u8> {
        format!("{lines} were dropped\n").into_bytes()
    }

    #[test]
    fn a_full_queue_drops_and_counts_and_tells_when_there_is_room() {
        let (let_go, stuck) = mpsc::channel();
        let kept = Kept::default();
        let (queue, writer, dropped) = start(Output::to(Stuck(stuck, kept.clone())), 16, tell).unwrap();
        for number in 0..100 {
            if let Some(place) = queue.place(false) {
                place.take(Some(format!("line {number}\n").into_bytes()));
            }
        }
        assert_eq!(dropped.count(), 86, "one place in eight is reserved");
        for _ in 0..3 {
            if let Some(place) = queue.place(true) {
                place.take(Some(b"this matters\n".to_vec()));
            }
        }
        assert_eq!(dropped.count(), 87);
        drop(let_go);
        drop(writer);
        let text = kept.text();
        assert_eq!(
            text.lines().filter(|line| line.starts_with("line ")).count(),
            14,
            "{text}"
        );
        assert_eq!(text.matches("this matters").count(), 2, "{text}");
        assert!(text.contains("\n87 were dropped\n"), "{text}");
        assert!(queue.place(true).is_some(), "there is room again");
    }

    /// Refuses what it is given.
    struct Broken;

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::other("planted"))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_cannot_be_written_counts_as_dropped() {
        let (queue, writer, dropped) = start(Output::to(Broken), 16, tell).unwrap();
        for _ in 0..5 {
            queue.place(false).unwrap().take(Some(b"x\n".to_vec()));
        }
        drop(writer);
        assert_eq!(dropped.count(), 5);
    }
}
