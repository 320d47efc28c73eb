//! CSV: the line `sku,total_count`, then two numbers a line. Blank lines are passed over.

use std::io::Read;

use super::input::{Input, Length, RECORD_BYTES_MAX};
use super::{End, Found, Gone};

const HEAD: &str = "sku,total_count";

pub(super) fn read(mut input: Input<impl Read>, found: &mut Found) -> Result<End, Gone> {
    let mut line = Vec::new();
    let mut number = 0_u64;
    let mut has_head = false;
    loop {
        let length = match input.line(&mut line) {
            Ok(Some(length)) => length,
            Ok(None) => return Ok(input.end()),
            Err(error) => return Ok(Err(error)),
        };
        number += 1;
        let text = match (length, std::str::from_utf8(&line)) {
            (Length::TooLong, _) => {
                found.problem(number, format!("longer than {RECORD_BYTES_MAX} bytes"))?;
                continue;
            }
            (Length::Fits, Ok(text)) => text.trim(),
            (Length::Fits, Err(_)) => {
                found.problem(number, "not UTF-8")?;
                continue;
            }
        };
        if text.is_empty() {
            continue;
        }
        if has_head {
            record(number, text, found)?;
        } else if text == HEAD {
            has_head = true;
        } else {
            // Another kind of file: each of its lines would be a problem.
            found.problem(number, format!("a stock file begins with `{HEAD}` (CSV) or `[` (JSON)"))?;
            return Ok(input.end());
        }
    }
}

fn record(line: u64, text: &str, found: &mut Found) -> Result<(), Gone> {
    let Some((sku, total)) = text.split_once(',').filter(|(_, total)| !total.contains(',')) else {
        return found.problem(line, "a record is two numbers and a comma between them");
    };
    let (sku, total) = (sku.trim(), total.trim());
    let Ok(sku) = sku.parse() else {
        return found.problem(
            line,
            format!("sku must be a positive 64-bit integer, got {}", quoted(sku)),
        );
    };
    let Ok(total) = total.parse() else {
        return found.problem(
            line,
            format!("total_count must be from 0 to 4294967295, got {}", quoted(total)),
        );
    };
    found.record(line, sku, total)
}

/// What was found, short and without what a terminal would obey.
pub(super) fn quoted(text: &str) -> String {
    const SHOWN_MAX: usize = 40;
    let shown: String = text.chars().take(SHOWN_MAX).collect();
    let more = if text.chars().nth(SHOWN_MAX).is_some() {
        "…"
    } else {
        ""
    };
    format!("{shown:?}{more}")
}
