//! The bytes of a file: counted by lines, hashed as they come, bounded by record.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};

use domain::stock::import::Digest;
use sha2::{Digest as _, Sha256};

/// The most bytes that a record may have, a line of CSV or an object of JSON.
pub(super) const RECORD_BYTES_MAX: usize = 4_096;

/// What editors of some systems put before a text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Hashes what passes.
struct Hashed<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}

/// Where a reader is, for whoever cannot ask it.
#[derive(Debug)]
pub(super) struct Position {
    line: Cell<u64>,
    record_bytes: Cell<usize>,
}

impl Position {
    /// The line of the byte that is read next.
    pub(super) fn line(&self) -> u64 {
        self.line.get()
    }

    /// A record begins.
    pub(super) fn begin_record(&self) {
        self.record_bytes.set(0);
    }

    /// Whether the record became too long to be one.
    pub(super) fn is_too_long(&self) -> bool {
        self.record_bytes.get() > RECORD_BYTES_MAX
    }
}

/// A file.
pub(super) struct Input<R> {
    file: BufReader<Hashed<R>>,
}

impl<R: Read> Input<R> {
    pub(super) fn new(inner: R) -> Self {
        let hash = Sha256::new();
        Self {
            file: BufReader::with_capacity(64 * 1024, Hashed { inner, hash }),
        }
    }

    /// Whether it begins as JSON does; the mark before a text and blanks are passed over.
    pub(super) fn is_json(&mut self) -> io::Result<bool> {
        if self.file.fill_buf()?.starts_with(BYTE_ORDER_MARK) {
            self.file.consume(BYTE_ORDER_MARK.len());
        }
        let begin = self.file.fill_buf()?;
        Ok(begin.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'['))
    }

    /// The next line without its end, cut off where it is too long; `None` at the end of the file.
    pub(super) fn line(&mut self, line: &mut Vec<u8>) -> io::Result<Option<Length>> {
        line.clear();
        let most = RECORD_BYTES_MAX as u64 + 1;
        if (&mut self.file).take(most).read_until(b'\n', line)? == 0 {
            return Ok(None);
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if line.len() > RECORD_BYTES_MAX {
            self.skip_line()?;
            return Ok(Some(Length::TooLong));
        }
        Ok(Some(Length::Fits))
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let bytes = self.file.fill_buf()?;
            if bytes.is_empty() {
                return Ok(());
            }
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let count = end.map_or(bytes.len(), |end| end + 1);
            self.file.consume(count);
            if end.is_some() {
                return Ok(());
            }
        }
    }

    /// Reads what is left, and tells the digest of all of it.
    pub(super) fn end(mut self) -> io::Result<Digest> {
        loop {
            let count = self.file.fill_buf()?.len();
            if count == 0 {
                return Ok(Digest(self.file.into_inner().hash.finalize().into()));
            }
            self.file.consume(count);
        }
    }

    /// Its bytes one after the other, for a parser that reads by itself.
    pub(super) fn counted<'a>(&'a mut self, position: &'a Position) -> impl Read + 'a {
        Counting {
            file: &mut self.file,
            position,
        }
    }
}

/// How long a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    Fits,
    TooLong,
}

impl Default for Position {
    fn default() -> Self {
        Self {
            line: Cell::new(1),
            record_bytes: Cell::new(0),
        }
    }
}

struct Counting<'a, F> {
    file: &'a mut F,
    position: &'a Position,
}

impl<F: Read> Read for Counting<'_, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // One by one: who reads ahead does not know the line of what it parses.
        let count = match buffer.first_mut() {
            Some(byte) => self.file.read(std::slice::from_mut(byte))?,
            None => 0,
        };
        if buffer[..count] == *b"\n" {
            self.position.line.set(self.position.line.get() + 1);
        }
        self.position.record_bytes.set(self.position.record_bytes.get() + count);
        if self.position.is_too_long() {
            return Err(io::Error::other("a record is too long"));
        }
        Ok(count)
    }
}
