//! Standard output as a place for whole lines, shared by everybody who writes to it.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use parking_lot::Mutex;

/// Takes whole lines; those of different writers never mix. Cheap to clone.
#[derive(Clone)]
pub struct Output(Arc<Mutex<Box<dyn Write + Send>>>);

impl Output {
    /// Standard output.
    #[must_use]
    pub fn stdout() -> Self {
        Self::to(io::stdout())
    }

    /// Any other place.
    pub fn to(place: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Box::new(place))))
    }

    /// Writes lines, each with its end, and flushes them. Waits while nobody reads: call it where
    /// waiting is allowed (a thread for blocking work).
    ///
    /// # Errors
    /// What the place says; part of the lines may have been written.
    pub fn write_lines(&self, lines: &[u8]) -> io::Result<()> {
        let mut place = self.0.lock();
        place.write_all(lines)?;
        place.flush()
    }
}

/// Every `write` is taken whole, as lines.
impl Write for Output {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.write_lines(lines)?;
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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
}
