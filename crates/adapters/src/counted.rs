//! Reads files of counted stock piece by piece: none is too large, no line may be too long, and every
//! problem says its line. Two formats, told apart by how the file begins:
//!
//! - CSV: the line `sku,total_count`, then two numbers a line;
//! - JSON, if the first character is `[`: the array of `loms.stock_file`, where `reserved` is 0 or
//!   left out, because a file cannot know what orders have reserved.
//!
//! There is no CSV crate behind it: two numbers a line have no quotes to understand, and a line has
//! to be bounded.

mod csv;
mod input;
mod json;

use std::io::Read;

use domain::error::cause;
use domain::stock::import::{Counted, Digest, Fault, Piece};
use domain::types::Sku;
use futures::Stream;
use tokio::sync::mpsc;

use input::Input;

/// Records of a piece.
const RECORDS_MAX: usize = 1_000;
/// Pieces that wait for whoever takes them.
const PIECES_MAX: usize = 4;

/// Whoever takes the pieces is gone: nothing more is to be read.
#[derive(Debug)]
struct Gone;

/// Takes what is found, and passes it on.
struct Found {
    pieces: mpsc::Sender<Piece>,
    records: Vec<Counted>,
    any: bool,
}

impl Found {
    fn record(&mut self, line: u64, sku: i64, total: u32) -> Result<(), Gone> {
        self.any = true;
        match Sku::try_from(sku) {
            Ok(sku) => self.records.push(Counted { line, sku, total }),
            Err(error) => self.send(Piece::Problem(line, Fault::Sku(error)))?,
        }
        if self.records.len() >= RECORDS_MAX {
            self.flush()?;
        }
        Ok(())
    }

    fn problem(&mut self, line: u64, what: impl Into<Box<str>>) -> Result<(), Gone> {
        self.any = true;
        self.send(Piece::Problem(line, Fault::NoRecord(what.into())))
    }

    fn flush(&mut self) -> Result<(), Gone> {
        if self.records.is_empty() {
            return Ok(());
        }
        let records = std::mem::take(&mut self.records);
        self.send(Piece::Records(records))
    }

    fn send(&self, piece: Piece) -> Result<(), Gone> {
        self.pieces.blocking_send(piece).map_err(|_| Gone)
    }
}

/// The pieces of a file. It is read on a thread for blocking work, no faster than they are taken.
///
/// # Panics
/// Outside a runtime.
pub fn pieces(file: impl Read + Send + 'static) -> impl Stream<Item = Piece> + Send {
    let (pieces, mut taken) = mpsc::channel(PIECES_MAX);
    tokio::task::spawn_blocking(move || {
        let found = Found {
            pieces,
            records: Vec::new(),
            any: false,
        };
        let _: Result<(), Gone> = read(file, found); // nobody is left to be told
    });
    futures::stream::poll_fn(move |context| taken.poll_recv(context))
}

fn read(file: impl Read, mut found: Found) -> Result<(), Gone> {
    let mut input = Input::new(file);
    let end = match input.is_json() {
        Ok(true) => json::read(input, &mut found)?,
        Ok(false) => csv::read(input, &mut found)?,
        Err(error) => Err(error),
    };
    found.flush()?;
    match end {
        Ok(digest) => {
            if !found.any {
                found.problem(1, "there is no record in the file")?;
            }
            found.send(Piece::End(digest))
        }
        Err(error) => found.send(Piece::Broken(cause(error))),
    }
}

/// The digest of a whole file, or why it cannot be read.
type End = std::io::Result<Digest>;

#[cfg(test)]
mod tests;
