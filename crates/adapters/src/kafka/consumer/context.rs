//! What the library calls back: about partitions that come and go, and once a second with its
//! statistics. All of it happens inside a poll, on the thread of the consumer.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError as LibraryError, KafkaResult, RDKafkaErrorCode};
use rdkafka::statistics::{Broker, Statistics};
use rdkafka::{Offset, TopicPartitionList};

use super::super::measured::Requests;
use super::state::Shared;
use super::thread::Outlet;
use super::{ConsumeError, Sent};
use crate::metrics::{CONNECTION, LAG, NONE, REFUSED, Stopwatch, TIMEOUT};

/// A broker that owes an answer and was silent for so long does not answer, µs.
const SILENT_MICROS: i64 = 5_000_000;

/// What is called back.
pub(super) struct Context {
    pub(super) topic: String,
    pub(super) shared: Arc<Shared>,
    pub(super) outlet: Outlet,
    pub(super) release_within: Duration,
    pub(super) commits: Requests,
    /// When the commit left that is on its way.
    pub(super) sent: Mutex<Option<Stopwatch>>,
}

/// The consumer of the library.
pub(super) type Member = BaseConsumer<Context>;

impl ClientContext for Context {
    fn stats(&self, statistics: Statistics) {
        let mut state = self.shared.lock();
        state.broker_answers = statistics.brokers.values().any(answers);
        let Some(topic) = statistics.topics.get(&self.topic) else {
            return;
        };
        for (number, partition) in &topic.partitions {
            if partition.committed_offset >= 0 {
                state.committed(*number, partition.committed_offset);
            }
            if let Some(lag) = state.lag(*number, partition.hi_offset, partition.committed_offset) {
                set_lag(*number, lag);
            }
        }
    }

    /// The same errors come out of the poll.
    fn error(&self, _: LibraryError, _: &str) {}
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, member: &Member, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(list) => self.shared.change(|state| state.assign(&numbers(list))),
            Rebalance::Revoke(list) => self.let_go(member, &numbers(list)),
            Rebalance::Error(error) => self.outlet.offer(Sent::Failure(ConsumeError::Library(error.clone()))),
        }
    }

    /// The end of a commit that was not waited for.
    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Some(watch) = self.sent.lock().take() {
            self.commits.note(commit_error(result.err().as_ref()), &watch);
        }
    }
}

/// Why a commit failed, as a label.
fn commit_error(error: Option<&LibraryError>) -> &'static str {
    match error.and_then(LibraryError::rdkafka_error_code) {
        None | Some(RDKafkaErrorCode::NoOffset) => NONE,
        Some(RDKafkaErrorCode::OperationTimedOut | RDKafkaErrorCode::RequestTimedOut) => TIMEOUT,
        Some(RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::AllBrokersDown) => CONNECTION,
        // Most often the group rebalances.
        Some(_) => REFUSED,
    }
}

impl Context {
    /// Waits until nobody handles the partitions any more, and commits what was handled.
    fn let_go(&self, member: &Member, partitions: &[i32]) {
        // Those that were lost belong to others already: they are neither waited for nor committed.
        if !member.assignment_lost() {
            self.shared.change(|state| state.revoke(partitions));
            if self.outlet.send(Sent::Revoked(partitions.to_vec())) {
                self.shared.wait_released(partitions, self.release_within);
            }
            if let Err(error) = self.commit(member, Some(partitions)) {
                self.outlet.offer(Sent::Failure(error));
            }
        } else {
            self.outlet.send(Sent::Revoked(partitions.to_vec()));
        }
        self.shared.change(|state| state.forget(partitions));
        partitions.iter().for_each(|number| set_lag(*number, 0));
    }

    /// Sends what was handled, and does not wait: the library would, as long as the broker is away. It does
    /// not tell either when such a commit fails, as some do while a group rebalances; the statistics show
    /// what the broker keeps.
    pub(super) fn send_commit(&self, member: &Member) -> Result<(), ConsumeError> {
        let positions = self.shared.lock().to_send();
        self.say(member, &positions, CommitMode::Async)?;
        self.shared.lock().sent(&positions);
        Ok(())
    }

    /// Commits what was handled, of these partitions or of all, and waits for the answer.
    pub(super) fn commit(&self, member: &Member, among: Option<&[i32]>) -> Result<(), ConsumeError> {
        let positions = self.shared.lock().to_commit(among);
        self.say(member, &positions, CommitMode::Sync)?;
        let mut state = self.shared.lock();
        positions
            .iter()
            .for_each(|(number, behind)| state.committed(*number, *behind));
        Ok(())
    }

    fn say(&self, member: &Member, positions: &[(i32, i64)], mode: CommitMode) -> Result<(), ConsumeError> {
        if positions.is_empty() {
            return Ok(());
        }
        let mut list = TopicPartitionList::with_capacity(positions.len());
        for (number, behind) in positions {
            list.add_partition_offset(&self.topic, *number, Offset::Offset(*behind))
                .map_err(ConsumeError::Commit)?;
        }
        let watch = Stopwatch::start();
        let said = member.commit(&list, mode);
        match mode {
            CommitMode::Sync => self.commits.note(commit_error(said.as_ref().err()), &watch),
            CommitMode::Async => *self.sent.lock() = Some(watch), // its end is called back
        }
        match said {
            Err(error) if !nothing_to_commit(&error) => Err(ConsumeError::Commit(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// The partitions of a list; all are of our topic.
fn numbers(list: &TopicPartitionList) -> Vec<i32> {
    list.elements().iter().map(|element| element.partition()).collect()
}

fn nothing_to_commit(error: &LibraryError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::NoOffset)
}

fn answers(broker: &Broker) -> bool {
    broker.state == "UP" && (broker.waitresp_cnt == 0 || broker.rxidle < SILENT_MICROS)
}

fn set_lag(partition: i32, events: i64) {
    #[expect(clippy::cast_precision_loss, reason = "a lag is far below 2^52")]
    metrics::gauge!(LAG.name, "partition" => partition.to_string()).set(events as f64);
}
