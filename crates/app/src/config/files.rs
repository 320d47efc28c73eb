//! Files that settings name: certificates and passwords.

use std::path::Path;

use super::agree::readable;

/// The most bytes of a file of certificates, or of a password.
const FILE_MAX: u64 = 1 << 20;

/// What is in a file.
pub(super) fn bytes(path: &str) -> Result<Vec<u8>, String> {
    readable(path).map_err(|reason| format!("{path:?} {reason}"))?;
    let length = std::fs::metadata(Path::new(path)).map_or(0, |data| data.len());
    if length > FILE_MAX {
        return Err(format!("{path:?} has {length} bytes, more than {FILE_MAX}"));
    }
    std::fs::read(path).map_err(|error| format!("{path:?} cannot be read: {error}"))
}

/// A password as an editor or `echo` writes it: without the line end behind it.
pub(super) fn only_line(mut text: Vec<u8>) -> Result<Vec<u8>, String> {
    if text.last() == Some(&b'\n') {
        text.pop();
        if text.last() == Some(&b'\r') {
            text.pop();
        }
    }
    if text.is_empty() {
        return Err("holds no password".to_owned());
    }
    if text.contains(&b'\n') || text.contains(&0) {
        return Err("holds more than a line".to_owned());
    }
    Ok(text)
}
