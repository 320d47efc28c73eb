//! The commands that work on the topics of Kafka, and why one of them was not done.

use std::io;

use clap::Subcommand;

use super::{Ended, dlq, print, topics};
use crate::config::Settings;
use crate::telemetry::chain;

/// What an operator can ask for.
#[derive(Debug, Subcommand)]
pub enum EventsCommand {
    /// Create the topics of order events and dead letters where they are missing
    #[command(long_about = topics::ABOUT)]
    Topics,
    /// Show order events that could not be handled, and send them back
    #[command(subcommand)]
    Dlq(dlq::DlqCommand),
}

/// Why a command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// There is no broker.
    #[error(
        "this command works on brokers: set kafka.brokers, as in --set kafka.brokers=HOST:9092 or APP__KAFKA__BROKERS"
    )]
    NoBrokers,
    /// The settings of the brokers are of no use.
    #[error(transparent)]
    Brokers(#[from] crate::config::BrokersError),
    /// Topics are not as they should be.
    #[error("{}", chain(.0))]
    Topics(#[from] adapters::kafka::topics::TopicsError),
    /// Dead letters cannot be looked through.
    #[error("{}", chain(.0))]
    Letters(#[from] adapters::kafka::letters::LettersError),
    /// A dead letter was not sent back; those before it were.
    #[error("the dead letter {place} was not sent back: {}; --skip {place} passes it over", chain(.source))]
    Replay {
        /// Where it stands.
        place: domain::notify::ports::Position,
        /// Why.
        source: adapters::kafka::errors::KafkaError,
    },
    /// Nobody reads what is said.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

impl Ended for CommandError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::NoBrokers | Self::Brokers(_) => 2,
            Self::Topics(_) | Self::Letters(_) | Self::Replay { .. } | Self::Output(_) => 1,
        }
    }
}

/// Does it.
pub(super) async fn perform(command: EventsCommand, settings: &Settings) -> Result<(), CommandError> {
    match command {
        EventsCommand::Topics => topics::run(settings).await,
        EventsCommand::Dlq(command) => dlq::run(command, settings).await,
    }
}

/// Says a line to whoever asked.
pub(super) fn say(line: impl AsRef<str>) -> Result<(), CommandError> {
    print(line.as_ref()).map_err(CommandError::Output)
}
