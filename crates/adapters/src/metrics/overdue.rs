//! Whether what is being dropped took too long, or is not waited for any more.

use std::cell::Cell;

thread_local! {
    static OVERDUE: Cell<bool> = const { Cell::new(false) };
}

/// Whether what is being dropped on this thread took too long, in `within`.
#[must_use]
pub fn overdue() -> bool {
    OVERDUE.get()
}

/// Drops work that took too long: what it holds learns so by [`overdue`].
#[cfg_attr(
    not(any(feature = "postgres", feature = "kafka")),
    expect(dead_code, reason = "nothing else is bounded in a build without servers")
)]
pub(super) fn drop_overdue<T>(work: T) {
    OVERDUE.set(true);
    drop(work);
    OVERDUE.set(false);
}
