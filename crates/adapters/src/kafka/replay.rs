//! Sending dead letters back. Who does it is a member of the group whose committed positions tell how
//! far they were sent back. So a partition of letters has one owner, and of two replays at once the
//! second one finds nothing to own. One that ends between sending a batch and committing it leaves at
//! most that batch to be sent once more, under the old event ids.
//!
//! All but [`send_back`] waits on the library's own threads: call it where blocking is allowed.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::time::Duration;

use domain::clock::Moment;
use domain::notify::ports::Position;
use parking_lot::Mutex;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError as LibraryError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use super::client::KafkaClient;
use super::dead_letters::{LEFT_OUT, OFFSET, PARTITION, REASON, TOPIC};
use super::errors::KafkaError;
use super::letters::{Letter, Letters, LettersError, POLL, copy, reader_config};
use super::record::{Outgoing, fill};
use super::settings::KafkaSettings;
use crate::events::partition_of;

/// What is sent back before it is committed: letters, and bytes of their values.
pub const BATCH_MAX: usize = 256;
const BATCH_MAX_BYTES: usize = 1024 * 1024;
/// A replay of which nothing was heard for so long has ended: another may go on.
const SESSION_TIMEOUT: Duration = Duration::from_secs(6);
/// How long it may take until the group tells what is whose: the session of one that was killed, and more.
const JOIN_WITHIN: Duration = Duration::from_secs(30);
/// Partitions that another gives away come after those that nobody had.
const SETTLE: Duration = Duration::from_secs(2);
/// What is fetched ahead, KiB.
const AHEAD_MAX_KIB: &str = "4096";

/// Which partitions are ours; `None` until the group has decided.
#[derive(Debug, Default)]
struct Membership(Mutex<Option<BTreeSet<i32>>>);

impl ClientContext for Membership {
    /// The same errors come out of the poll.
    fn error(&self, _: LibraryError, _: &str) {}
}

impl ConsumerContext for Membership {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let numbers = |list: &TopicPartitionList| -> Vec<i32> {
            list.elements().iter().map(|element| element.partition()).collect()
        };
        let mut ours = self.0.lock();
        let ours = ours.get_or_insert_default();
        match rebalance {
            Rebalance::Assign(list) => ours.extend(numbers(list)),
            Rebalance::Revoke(list) => numbers(list).iter().for_each(|number| {
                ours.remove(number);
            }),
            Rebalance::Error(_) => {}
        }
    }
}

/// The one that sends dead letters back. It leaves the group when it is dropped.
pub struct Replay {
    member: BaseConsumer<Membership>,
    topic: String,
    /// The end of each partition when the letters were opened.
    ends: BTreeMap<i32, i64>,
    /// Partitions of ours that were read to their end.
    reached: BTreeSet<i32>,
    /// Read, and not handed out.
    waiting: VecDeque<Letter>,
    within: Duration,
}

impl Replay {
    /// Takes the letters that were not sent back, of those that were opened.
    ///
    /// # Errors
    /// [`LettersError::Busy`] where another replay has all of them.
    pub fn join(settings: &KafkaSettings, letters: &Letters) -> Result<Self, LettersError> {
        let member: BaseConsumer<Membership> = reader_config(settings)
            .set("group.protocol", "classic")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", SESSION_TIMEOUT.as_millis().to_string())
            .set("heartbeat.interval.ms", "1000")
            .set("socket.timeout.ms", letters.within().as_millis().to_string())
            .set("queued.max.messages.kbytes", AHEAD_MAX_KIB)
            .create_with_context(Membership::default())?;
        member.subscribe(&[letters.topic()])?;
        let mut replay = Self {
            member,
            topic: letters.topic().to_owned(),
            ends: letters.ends().collect(),
            reached: BTreeSet::new(),
            waiting: VecDeque::new(),
            within: letters.within(),
        };
        replay.settle()?;
        Ok(replay)
    }

    /// Waits until the group has decided what is ours.
    fn settle(&mut self) -> Result<(), LettersError> {
        let (mut waited, mut settled) = (Duration::ZERO, Duration::ZERO);
        loop {
            let ours = self.member.context().0.lock().as_ref().map(BTreeSet::len);
            match ours {
                None if waited >= JOIN_WITHIN => return Err(LettersError::NoGroup(JOIN_WITHIN)),
                Some(0) if settled >= SETTLE => return Err(LettersError::Busy),
                Some(0) => settled += POLL,
                None => waited += POLL,
                Some(_) => return Ok(()),
            }
            self.poll();
        }
    }

    /// Lets the library work for a moment; whether something was heard.
    fn poll(&mut self) -> bool {
        match self.member.poll(POLL) {
            Some(Ok(message)) => {
                let (number, end) = (message.partition(), self.ends.get(&message.partition()));
                let end = end.copied().unwrap_or_default();
                if message.offset() < end {
                    self.waiting.push_back(copy(&message));
                }
                if message.offset() + 1 >= end {
                    self.reached.insert(number);
                }
                true
            }
            Some(Err(LibraryError::PartitionEOF(number))) => {
                self.reached.insert(number);
                true
            }
            // The library tries again by itself; what counts is that nothing comes.
            Some(Err(_)) | None => false,
        }
    }

    /// What is ours now; what was read of others is theirs.
    fn ours(&mut self) -> BTreeSet<i32> {
        let ours = self.member.context().0.lock().clone().unwrap_or_default();
        self.waiting.retain(|letter| ours.contains(&letter.position.partition));
        self.reached.retain(|number| ours.contains(number));
        ours
    }

    /// The next letters to be sent back, oldest first in each partition; none at the end. What is written
    /// meanwhile is not read. Those of the batch before have to be marked first.
    ///
    /// # Errors
    /// [`LettersError`]; [`LettersError::Lost`] where another replay has taken over.
    pub fn next_batch(&mut self) -> Result<Vec<Letter>, LettersError> {
        let mut silent = Duration::ZERO;
        loop {
            let ours = self.ours();
            if ours.is_empty() {
                return Err(LettersError::Lost);
            }
            let values = self.waiting.iter().map(|letter| letter.value.as_ref());
            let bytes: usize = values.map(|value| value.map_or(0, Vec::len)).sum();
            let is_full = self.waiting.len() >= BATCH_MAX || bytes >= BATCH_MAX_BYTES;
            let is_quiet = !silent.is_zero() && !self.waiting.is_empty();
            if is_full || is_quiet || self.reached.is_superset(&ours) {
                let count = self.waiting.len().min(BATCH_MAX);
                return Ok(self.waiting.drain(..count).collect());
            }
            if silent >= self.within {
                return Err(LettersError::Silent(self.within));
            }
            silent = if self.poll() { Duration::ZERO } else { silent + POLL };
        }
    }

    /// Remembers of a batch, in each partition, the letters before the first that is not `done`.
    ///
    /// # Errors
    /// [`LettersError`]: they may be sent back again.
    pub fn mark(&mut self, batch: &[Letter], done: impl Fn(&Letter) -> bool) -> Result<(), LettersError> {
        let behind = behind(batch, done);
        let mut waited = Duration::ZERO;
        loop {
            let ours = self.ours();
            let mut list = TopicPartitionList::new();
            for (number, behind) in behind.iter().filter(|(number, _)| ours.contains(number)) {
                list.add_partition_offset(&self.topic, *number, Offset::Offset(*behind))?;
            }
            if list.count() < behind.len() {
                return Err(LettersError::Lost);
            }
            if behind.is_empty() {
                return Ok(());
            }
            // Waits at most a session for the coordinator, and `within` for its answer.
            match self.member.commit(&list, CommitMode::Sync) {
                Ok(()) => return Ok(()),
                Err(error) if is_passing(&error) && waited < self.within => {
                    self.poll();
                    waited += POLL;
                }
                Err(error) if is_lost(&error) => return Err(LettersError::Lost),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl std::fmt::Debug for Replay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replay")
            .field("ends", &self.ends)
            .field("reached", &self.reached)
            .finish_non_exhaustive()
    }
}

/// In each partition, the offset behind the letters before the first that is not done.
fn behind(batch: &[Letter], done: impl Fn(&Letter) -> bool) -> BTreeMap<i32, i64> {
    let (mut behind, mut stopped) = (BTreeMap::new(), BTreeSet::new());
    for letter in batch {
        let Position { partition, offset } = letter.position;
        if !done(letter) {
            stopped.insert(partition);
        }
        if !stopped.contains(&partition) {
            behind.insert(partition, offset + 1);
        }
    }
    behind
}

/// The group is deciding anew: soon it can be said again.
fn is_passing(error: &LibraryError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::RebalanceInProgress)
}

/// The group has gone on without us.
fn is_lost(error: &LibraryError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::IllegalGeneration | RDKafkaErrorCode::UnknownMemberId | RDKafkaErrorCode::AssignmentLost
        )
    )
}

/// What became of letters.
#[derive(Debug, Default)]
pub struct SentBack {
    /// Where those stand that are back.
    pub sent: HashSet<Position>,
    /// What ended it before its end: the first letter concerned, and why.
    pub failure: Option<(Position, KafkaError)>,
}

/// Sends letters back to their topics as they came: key, value and headers, into their old partitions;
/// where one had none, into that of its key. Those of one partition keep their order. Ends at the first
/// that is refused, or that nobody takes.
pub async fn send_back(client: &KafkaClient, letters: &[&Letter], now: Moment) -> SentBack {
    let mut outcome = SentBack::default();
    let mut places: BTreeMap<(String, u32), Vec<(Position, Outgoing)>> = BTreeMap::new();
    for letter in letters {
        match place(client, letter).await {
            Ok(place) => places
                .entry(place)
                .or_default()
                .push((letter.position, back(letter, now))),
            Err(error) => {
                outcome.failure = Some((letter.position, error));
                return outcome;
            }
        }
    }
    for ((topic, partition), records) in places {
        if let Err(failure) = lane(client, &topic, partition, records, &mut outcome.sent).await {
            outcome.failure = Some(failure);
            break;
        }
    }
    outcome
}

async fn lane(
    client: &KafkaClient,
    topic: &str,
    partition: u32,
    records: Vec<(Position, Outgoing)>,
    sent: &mut HashSet<Position>,
) -> Result<(), (Position, KafkaError)> {
    let within = client.settings().publish_timeout;
    let mut parts: VecDeque<_> = fill(topic, records, |(_, record)| record.bytes_max()).into();
    while let Some(mut part) = parts.pop_front() {
        let records = part.iter().map(|(_, record)| record.clone()).collect();
        match client.append(topic, partition, records, within).await {
            Ok(_) => sent.extend(part.iter().map(|(position, _)| *position)),
            // One of several: it is found by halving, so that those before it get back.
            Err(KafkaError::Refused(_)) if part.len() > 1 => {
                parts.push_front(part.split_off(part.len() / 2));
                parts.push_front(part);
            }
            Err(error) => return Err((part[0].0, error)),
        }
    }
    Ok(())
}

/// Where a letter belongs.
async fn place(client: &KafkaClient, letter: &Letter) -> Result<(String, u32), KafkaError> {
    let topic = letter.topic().unwrap_or_else(|| client.settings().topic.clone());
    let partitions = client.partitions(&topic).await?;
    let old = letter.origin().and_then(|origin| u32::try_from(origin.partition).ok());
    let of_key = || partition_of(letter.key.as_deref().unwrap_or_default(), partitions);
    let partition = old.filter(|old| *old < partitions).unwrap_or_else(of_key);
    Ok((topic, partition))
}

/// A letter as it came.
fn back(letter: &Letter, now: Moment) -> Outgoing {
    let ours = [REASON, TOPIC, PARTITION, OFFSET, LEFT_OUT];
    let headers = letter.headers.iter().filter(|(name, _)| !ours.contains(&name.as_str()));
    Outgoing {
        key: letter.key.clone(),
        value: letter.value.clone(),
        headers: headers.map(|(name, value)| (name.clone(), value.clone())).collect(),
        sent: now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(partition: i32, offset: i64) -> Letter {
        Letter {
            position: Position { partition, offset },
            written: None,
            key: None,
            value: None,
            headers: BTreeMap::new(),
        }
    }

    #[test]
    fn each_partition_is_marked_up_to_its_first_letter_that_is_not_back() {
        let batch = [letter(0, 4), letter(1, 7), letter(0, 5), letter(0, 6), letter(1, 8)];
        let all = behind(&batch, |_| true);
        assert_eq!(all, BTreeMap::from([(0, 7), (1, 9)]));
        let but_one = behind(&batch, |letter| letter.position.offset != 5);
        assert_eq!(but_one, BTreeMap::from([(0, 5), (1, 9)]));
        assert_eq!(behind(&batch, |_| false), BTreeMap::new());
    }
}
