//! What kinds of failure the outside can tell apart. Each use case has an error enum of its
//! own; every one of its cases says by [`Kind::kind`] which row of the status table it is.

/// The rows of the table that turns an error into an HTTP or gRPC status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request itself is wrong: repeating it cannot help.
    Invalid,
    /// What it names does not exist.
    NotFound,
    /// The state of the shop forbids it (not enough stock, an illegal move of an order).
    Refused,
    /// The idempotency key was used before, for another body.
    KeyReused,
    /// A dependency or a full queue: nothing was done, repeat freely.
    Unavailable,
    /// Nobody can tell whether it was done: repeat with the same idempotency key only.
    OutcomeUnknown,
    /// Our bug.
    Internal,
}

impl ErrorKind {
    /// All kinds, for tables and tests.
    pub const ALL: [Self; 7] = [
        Self::Invalid,
        Self::NotFound,
        Self::Refused,
        Self::KeyReused,
        Self::Unavailable,
        Self::OutcomeUnknown,
        Self::Internal,
    ];
}

/// An error of a use case. Its `Display` is for the caller; what is internal stays in
/// `source` and goes to the log only.
pub trait Kind: std::error::Error + Send + Sync + 'static {
    /// The row of the status table.
    fn kind(&self) -> ErrorKind;
}

/// A cause that only the log sees. Shared, because one failure may answer many callers.
pub type Cause = std::sync::Arc<dyn std::error::Error + Send + Sync>;

/// An error as a cause.
pub fn cause(error: impl std::error::Error + Send + Sync + 'static) -> Cause {
    std::sync::Arc::new(error)
}
