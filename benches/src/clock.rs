//! The one place of the load program that reads the clock. A tool that measures has no other use for
//! it, so it is a function here and not an argument.

use std::time::Instant;

/// The monotonic clock.
#[expect(clippy::disallowed_methods, reason = "the measuring tool's only reader of the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
