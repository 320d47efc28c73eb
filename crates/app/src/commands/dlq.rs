//! `app dlq`: looks through the dead letters of order events, and sends them back to their topic once
//! what kept them from being handled was mended. How far they were sent back Kafka remembers, so a
//! repeated replay goes on behind it.

use std::str::FromStr;
use std::time::Duration;

use adapters::kafka::client::KafkaClient;
use adapters::kafka::letters::{Letter, Letters};
use adapters::kafka::replay;
use adapters::kafka::settings::KafkaSettings;
use clap::{Args, Subcommand};
use domain::clock::Clock;
use domain::notify::ports::Position;
use serde_json::json;
use tokio::runtime::Handle;
use tokio::task::{JoinError, spawn_blocking};

use super::events::{CommandError, say};
use crate::clock::SystemClock;
use crate::config::Settings;

/// The help of the commands.
const LIST_ABOUT: &str = "\
Show the dead letters, a JSON object a line, oldest first.

`letter` is where one stands (PARTITION/OFFSET), `replayed` whether it was sent back, `topic`, `partition` \
and `offset` say where it comes from, `reason` why it could not be handled. Texts are cut to 1000 \
characters. Exit code: 0 shown, 1 failed, 2 wrong settings.";
const REPLAY_ABOUT: &str = "\
Send the dead letters that were not sent back yet to their topic, oldest first.

Key, value and headers are those with which each came, the event id too: who saw it before knows it as a \
repeat. What was sent back is remembered by Kafka, so it may be repeated. A second one at the same time is \
refused: the first has the letters, and one that was killed or frozen has them for some seconds more. A letter \
that is refused again ends it; --skip PARTITION/OFFSET passes it over. Letters without their value, and \
those that come while it runs, stay where they are. Exit code: 0 done, 1 ended before, 2 wrong settings.";

/// Time for each step; a command has one try, on a machine that may be busy.
const STEP_TIMEOUT: Duration = Duration::from_secs(15);
/// The most characters of a text that are shown.
const SHOWN_MAX: usize = 1_000;

/// What is done with dead letters.
#[derive(Debug, Subcommand)]
pub enum DlqCommand {
    /// Show the dead letters
    #[command(long_about = LIST_ABOUT)]
    List {
        /// Those that were sent back too
        #[arg(long)]
        all: bool,
    },
    /// Send the dead letters back to their topic
    #[command(long_about = REPLAY_ABOUT)]
    Replay(Replay),
}

/// How they are sent back.
#[derive(Debug, Args)]
pub struct Replay {
    /// A letter to pass over, as `list` names it; may be repeated
    #[arg(long, value_name = "PARTITION/OFFSET")]
    skip: Vec<Place>,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

impl Replay {
    /// Why a letter stays where it is, if it does.
    fn passes_over(&self, letter: &Letter) -> Option<&'static str> {
        if self.skip.iter().any(|skip| skip.0 == letter.position) {
            return Some("as you asked for");
        }
        letter.left_out().map(|_| "its value was left out")
    }
}

/// Where a letter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place(Position);

/// It is no such place.
#[derive(Debug, thiserror::Error)]
#[error("is not PARTITION/OFFSET, as in 0/17")]
struct NoPlace;

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let (partition, offset) = text.split_once('/').ok_or(NoPlace)?;
        Ok(Self(Position {
            partition: partition.parse().map_err(|_| NoPlace)?,
            offset: offset.parse().map_err(|_| NoPlace)?,
        }))
    }
}

/// Does it.
pub(super) async fn run(command: DlqCommand, settings: &Settings) -> Result<(), CommandError> {
    let brokers = settings.brokers("app-dlq")?.ok_or(CommandError::NoBrokers)?;
    let runtime = Handle::current();
    // The library that reads blocks.
    let work = spawn_blocking(move || match command {
        DlqCommand::List { all } => list(&brokers, all),
        DlqCommand::Replay(how) => replay(brokers, &how, &runtime),
    });
    work.await
        .unwrap_or_else(|error: JoinError| std::panic::resume_unwind(error.into_panic()))
}

fn list(brokers: &KafkaSettings, all: bool) -> Result<(), CommandError> {
    let letters = Letters::open(brokers, STEP_TIMEOUT)?;
    letters.read(all, |letter| say(shown(&letter, letters.is_replayed(&letter))))
}

fn replay(brokers: KafkaSettings, how: &Replay, runtime: &Handle) -> Result<(), CommandError> {
    let letters = Letters::open(&brokers, STEP_TIMEOUT)?;
    let mut count = Count::default();
    if how.dry_run {
        letters.read(false, |letter| match how.passes_over(&letter) {
            Some(why) => count.passed_over(&letter, why),
            None => count.sent(&letter, "would be sent back"),
        })?;
    } else if !letters.are_all_replayed() {
        send_all(brokers, &letters, how, &mut count, runtime)?;
    }
    let done = if how.dry_run { "would be" } else { "were" };
    let Count { sent, passed } = count;
    say(format!("{sent} dead letters {done} sent back, {passed} passed over"))
}

/// Batch by batch: sent, remembered, told.
fn send_all(
    brokers: KafkaSettings,
    letters: &Letters,
    how: &Replay,
    count: &mut Count,
    runtime: &Handle,
) -> Result<(), CommandError> {
    let mut group = replay::Replay::join(&brokers, letters)?;
    let client = KafkaClient::new(KafkaSettings {
        connect_timeout: brokers.connect_timeout.max(STEP_TIMEOUT),
        publish_timeout: brokers.publish_timeout.max(STEP_TIMEOUT),
        ..brokers
    });
    loop {
        let batch = group.next_batch()?;
        if batch.is_empty() {
            return Ok(());
        }
        let wanted: Vec<&Letter> = batch
            .iter()
            .filter(|letter| how.passes_over(letter).is_none())
            .collect();
        let back = runtime.block_on(replay::send_back(&client, &wanted, SystemClock.now()));
        let is_back = |letter: &Letter| back.sent.contains(&letter.position);
        group.mark(&batch, |letter| is_back(letter) || how.passes_over(letter).is_some())?;
        for letter in &batch {
            match how.passes_over(letter) {
                Some(why) => count.passed_over(letter, why)?,
                None if is_back(letter) => count.sent(letter, "was sent back")?,
                None => {}
            }
        }
        if let Some((place, source)) = back.failure {
            return Err(CommandError::Replay { place, source });
        }
    }
}

/// What was done, told as it is.
#[derive(Debug, Default)]
struct Count {
    sent: u64,
    passed: u64,
}

impl Count {
    fn sent(&mut self, letter: &Letter, done: &str) -> Result<(), CommandError> {
        self.sent += 1;
        say(format!("{} {done}", letter.position))
    }

    fn passed_over(&mut self, letter: &Letter, why: &str) -> Result<(), CommandError> {
        self.passed += 1;
        say(format!("{} is passed over: {why}", letter.position))
    }
}

fn shown(letter: &Letter, replayed: bool) -> String {
    let text = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|bytes| cut(&String::from_utf8_lossy(bytes)));
    let origin = letter.origin();
    json!({
        "letter": letter.position.to_string(),
        "written": letter.written.map(|written| written.to_string()),
        "replayed": replayed,
        "topic": letter.topic(),
        "partition": origin.map(|origin| origin.partition),
        "offset": origin.map(|origin| origin.offset),
        "reason": letter.reason().map(|reason| cut(&reason)),
        "event_id": letter.event_id().map(|event_id| cut(&event_id)),
        "key": text(&letter.key),
        "value": text(&letter.value),
        "left_out": letter.left_out(),
    })
    .to_string()
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_cuts() {
        let place = Position {
            partition: 1,
            offset: 17,
        };
        assert_eq!("1/17".parse::<Place>().unwrap(), Place(place));
        assert!(["", "17", "a/1", "1/b"].iter().all(|bad| bad.parse::<Place>().is_err()));
        assert_eq!(cut("short"), "short");
        assert_eq!(cut(&"ä".repeat(2_000)).chars().count(), SHOWN_MAX + 1);
    }
}
