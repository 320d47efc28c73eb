//! Standard output as a place for whole lines, shared by everybody who writes to it.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::sync::Arc;

use parking_lot::Mutex;

/// Takes whole lines; those of different writers never mix. Cheap to clone.
#[derive(Clone)]
pub struct Output(Arc<Mutex<Place>>);

struct Place {
    to: Box<dyn Write + Send>,
    /// It failed in the middle of a line: whoever comes next begins another one.
    torn: bool,
}

impl Place {
    fn take(&mut self, lines: &[u8]) -> (usize, io::Result<()>) {
        let mut taken = 0;
        let written = self.write(lines, &mut taken).and_then(|()| self.to.flush());
        (taken, written)
    }

    fn write(&mut self, lines: &[u8], taken: &mut usize) -> io::Result<()> {
        if self.torn && !lines.is_empty() {
            self.to.write_all(b"\n")?;
            self.torn = false;
        }
        while *taken < lines.len() {
            match self.to.write(&lines[*taken..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(more) => *taken += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            self.torn = lines[*taken - 1] != b'\n';
        }
        Ok(())
    }
}

impl Output {
    /// Standard output.
    #[must_use]
    pub fn stdout() -> Self {
        Self::to(io::stdout())
    }

    /// Any other place.
    pub fn to(place: impl Write + Send + 'static) -> Self {
        let to = Box::new(place);
        Self(Arc::new(Mutex::new(Place { to, torn: false })))
    }

    /// Writes lines, each with its end, and flushes them. Waits while nobody reads: call it where
    /// waiting is allowed (a thread for blocking work).
    ///
    /// # Errors
    /// What the place says; part of the lines may have been written.
    pub fn write_lines(&self, lines: &[u8]) -> io::Result<()> {
        self.take_lines(lines).1
    }

    /// The same, for who goes on after a failure: how many bytes the place took, from the first on, and
    /// what failed then. After a line that was torn whoever writes next begins another one.
    pub fn take_lines(&self, lines: &[u8]) -> (usize, io::Result<()>) {
        self.0.lock().take(lines)
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Output")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Keeps what is written.
    #[derive(Clone, Default)]
    pub(in super::super) struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Kept {
        pub(in super::super) fn text(&self) -> String {
            String::from_utf8(self.0.lock().clone()).unwrap()
        }
    }

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // One byte at a time, as badly as a writer may.
            self.0.lock().extend_from_slice(&bytes[..1.min(bytes.len())]);
            Ok(1.min(bytes.len()))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_of_many_writers_stay_whole() {
        let kept = Kept::default();
        let output = Output::to(kept.clone());
        std::thread::scope(|scope| {
            for letter in ["a", "b", "c", "d"] {
                let output = output.clone();
                scope.spawn(move || {
                    let line = format!("{}\n", letter.repeat(50));
                    for _ in 0..50 {
                        output.write_lines(line.as_bytes()).unwrap();
                    }
                });
            }
        });
        let text = kept.text();
        assert_eq!(text.lines().count(), 200);
        for line in text.lines() {
            assert_eq!(line, line[..1].repeat(50));
        }
    }

    /// Takes three bytes, then nothing once.
    struct Full(Kept, u32);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1 += 1;
            if self.1 == 4 {
                return Err(ErrorKind::StorageFull.into());
            }
            self.0.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn after_a_line_that_was_torn_another_one_begins() {
        let kept = Kept::default();
        let output = Output::to(Full(kept.clone(), 0));
        let (taken, written) = output.take_lines(b"abcdef\n");
        assert_eq!((taken, written.unwrap_err().kind()), (3, ErrorKind::StorageFull));
        assert_eq!(output.take_lines(b"").0, 0);
        output.write_lines(b"of the log\n").unwrap();
        output.write_lines(b"abcdef\n").unwrap();
        assert_eq!(kept.text(), "abc\nof the log\nabcdef\n");
    }
}
