//! Why a command ended early, and the exit codes of the program.

use std::path::PathBuf;

/// Everything was as it should be.
pub(crate) const EXIT_OK: u8 = 0;
/// The audit, the comparison or the story found something wrong.
pub(crate) const EXIT_FOUND: u8 = 1;
/// The command line or an input file is wrong; nothing was sent. clap exits with the same code.
pub(crate) const EXIT_USAGE: u8 = 2;
/// The run could not be completed, or answers came that should not: no statement about the shop.
pub(crate) const EXIT_INCOMPLETE: u8 = 3;

/// Why a command ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// Arguments that do not go together.
    #[error("{0}")]
    Usage(String),
    /// A file cannot be read or written.
    #[error("{path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path}, line {line}")]
    Format {
        /// The file.
        path: PathBuf,
        /// Where, from 1.
        line: usize,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// The deployment does not answer as it must for the run to begin or go on.
    #[error("{0}")]
    Target(String),
    /// A server of our own cannot be started.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// Where it should listen.
        address: String,
        /// What the system said.
        reason: String,
    },
    /// A worker of the program ended by a panic.
    #[error("a worker of the load program broke off")]
    Worker(#[source] tokio::task::JoinError),
    /// The story went another way than it should.
    #[error("the story went wrong: {0}")]
    Story(String),
    /// Standard output is closed.
    #[error("cannot write the report")]
    Output(#[from] std::io::Error),
}

impl LoadError {
    /// The exit code of the program.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::File { .. } | Self::Format { .. } => EXIT_USAGE,
            Self::Story(_) => EXIT_FOUND,
            Self::Target(_) | Self::Listen { .. } | Self::Worker(_) | Self::Output(_) => EXIT_INCOMPLETE,
        }
    }
}
