//! What an error of Postgres proves. Only an answer of the server proves anything: a connection
//! that broke says nothing about what was sent over it.

use domain::error::{Cause, cause};
use domain::order::ports::{Contention, LedgerError, QueryError};
use tokio_postgres::Error as PgError;
use tokio_postgres::error::{Severity, SqlState};

/// Why something was not done that no error of the server explains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The time for it is over.
    #[error("the database did not answer in time")]
    TimedOut,
    /// All connections wait for commits whose outcome is not known yet.
    #[error("every connection waits for a commit that is overdue")]
    Overdue,
    /// The task that commits ended without an answer.
    #[error("the commit ended without an answer")]
    NoAnswer,
    /// No server of the cluster takes writes.
    #[error("no server takes writes")]
    NoPrimary,
    /// A server takes writes that was deposed: another is on a newer timeline.
    #[error("the server was deposed: its timeline {found} is older than {newest}")]
    Deposed {
        /// Its timeline.
        found: i32,
        /// The newest that was seen.
        newest: i32,
    },
    /// Another server took over while the connection was in use.
    #[error("another server took over meanwhile")]
    DeposedMeanwhile,
    /// There is no schema in the database.
    #[error("the database has no schema: run `app migrate`")]
    NoSchema,
    /// A row breaks a rule of the domain: the schema does not hold.
    #[error("a row of {0} breaks a rule of the domain")]
    BadRow(&'static str),
}

/// The answer of the server in an error, if it is one and it did not end the session.
#[must_use]
pub fn refused(error: &PgError) -> Option<&SqlState> {
    let answer = error.as_db_error()?;
    match answer.parsed_severity() {
        Some(Severity::Fatal | Severity::Panic) => None,
        _ => Some(answer.code()),
    }
}

/// Whether rows were not to be had in time.
#[must_use]
pub fn is_lock_timeout(error: &PgError) -> bool {
    error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE)
}

/// What is certain of a transaction whose COMMIT was not sent, or whose statements before the
/// COMMIT failed: nothing was done. A member may be to blame only for errors of data.
#[must_use]
pub fn rolled_back(error: PgError) -> LedgerError {
    match refused(&error).map(|state| &state.code()[..2]) {
        // Data, integrity, RAISE, limits of the server: another member may be to blame.
        Some("22" | "23" | "P0" | "54") => LedgerError::RolledBack(cause(error)),
        // Deadlock and serialization: it may be tried again as it is.
        Some("40") => LedgerError::Contended(Contention::default()),
        _ => LedgerError::Busy(cause(error)),
    }
}

/// Nothing was done, and no member is to blame.
#[must_use]
pub fn busy(error: impl std::error::Error + Send + Sync + 'static) -> LedgerError {
    LedgerError::Busy(cause(error))
}

/// Nobody knows.
#[must_use]
pub fn unknown(error: impl std::error::Error + Send + Sync + 'static) -> LedgerError {
    LedgerError::Unknown(cause(error))
}

/// A failed read.
#[must_use]
pub fn unread(error: impl std::error::Error + Send + Sync + 'static) -> QueryError {
    QueryError(cause(error))
}

/// A failed read, by its cause.
#[must_use]
pub const fn unread_for(cause: Cause) -> QueryError {
    QueryError(cause)
}
