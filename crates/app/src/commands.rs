//! What an operator does with the one binary beside running it: one file a command. A command
//! says what it did on standard output and why it did not on standard error.
//!
//! | exit code | means |
//! |---|---|
//! | 0 | done |
//! | 1 | refused or failed, nothing was changed; of `audit`: rules of the ledger do not hold |
//! | 2 | wrong usage or wrong settings |
//! | 3 | sent, and nobody can tell whether it was done; of `audit`: nobody can tell, it could not be done |

#[cfg(feature = "loms")]
pub mod audit;
#[cfg(feature = "loms")]
pub mod db;
#[cfg(feature = "notifier")]
pub mod dlq;
#[cfg(feature = "notifier")]
pub mod events;
#[cfg(feature = "loms")]
pub mod ledger;
#[cfg(feature = "loms")]
pub mod migrate;
#[cfg(feature = "loms")]
pub mod stock;
#[cfg(feature = "notifier")]
pub mod topics;

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;

use crate::config::Settings;

/// Time for what a command leaves behind: a connection to say good-bye.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// What an operator can ask for.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Something of the ledger.
    #[cfg(feature = "loms")]
    #[command(flatten)]
    Ledger(ledger::LedgerCommand),
    /// Something of the topics.
    #[cfg(feature = "notifier")]
    #[command(flatten)]
    Events(events::EventsCommand),
}

/// Why a command was not done.
trait Ended: fmt::Display {
    /// The code with which the process ends.
    fn exit_code(&self) -> u8;
}

/// Does what a command asks for, and says so.
pub fn run(command: Command, settings: &Settings) -> ExitCode {
    match command {
        #[cfg(feature = "loms")]
        Command::Ledger(command) => finish(ledger::perform(command, settings)),
        #[cfg(feature = "notifier")]
        Command::Events(command) => finish(events::perform(command, settings)),
    }
}

fn finish<E: Ended>(work: impl Future<Output = Result<(), E>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&format_args!("cannot start: {error}"), 1),
    };
    let done = runtime.block_on(work);
    runtime.shutdown_timeout(LAST_WORDS);
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&error, error.exit_code()),
    }
}

fn refuse(why: &impl fmt::Display, code: u8) -> ExitCode {
    let _ = writeln!(io::stderr().lock(), "app: {why}"); // nobody else is left to be told
    ExitCode::from(code)
}

/// Prints a line for whoever asked.
fn print(line: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{line}")
}
