//! The thread on which the library's consumer lives from its making to its end. It polls, hands on
//! what comes, pauses partitions of which too much is out, and commits by a timer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::notify::ports::{Delivery, Position, Unreadable};
use domain::trace::TraceContext;
use metrics::Counter;
use parking_lot::Mutex;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError as LibraryError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message as _};
use rdkafka::{ClientConfig, TopicPartitionList};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::super::measured::{DESTINATION, Requests};
use super::config::member_config;
use super::context::{Context, Member};
use super::state::{Shared, State};
use super::{CannotBuild, ConsumeError, ConsumerSettings, Sent};
use crate::events::{EVENT_ID, Message, TRACEPARENT};
use crate::metrics::MESSAGES_CONSUMED;

/// The longest wait for the library: so long may a partition wait that can go on.
const POLL: Duration = Duration::from_millis(20);
/// Who needs longer than this to handle what is out is slow: then the partition pauses.
const ROOM_WITHIN: Duration = Duration::from_millis(100);
/// The pause before the next look, where the owner of the source is slow.
const OUTLET_PAUSE: Duration = Duration::from_millis(2);
/// The pause before another consumer is made in the place of one that is of no use any more.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The way to the owner of the source.
#[derive(Clone)]
pub(super) struct Outlet {
    send: mpsc::Sender<Sent>,
    shared: Arc<Shared>,
}

impl Outlet {
    /// Waits for room; `false` where nobody is there, or the group is to be left.
    pub(super) fn send(&self, sent: Sent) -> bool {
        let mut sent = sent;
        loop {
            match self.send.try_send(sent) {
                Ok(()) => return true,
                Err(TrySendError::Closed(_)) => return false,
                Err(TrySendError::Full(back)) => sent = back,
            }
            if self.shared.pause(OUTLET_PAUSE) {
                return false;
            }
        }
    }

    /// Drops it where there is no room: failures repeat.
    pub(super) fn offer(&self, sent: Sent) {
        let _ = self.send.try_send(sent);
    }
}

/// Makes the consumer, so that wrong settings are told at once, and starts its thread.
pub(super) fn start(
    settings: ConsumerSettings,
    shared: Arc<Shared>,
    send: mpsc::Sender<Sent>,
    end: oneshot::Sender<Result<(), ConsumeError>>,
) -> Result<(), CannotBuild> {
    let outlet = Outlet {
        send,
        shared: Arc::clone(&shared),
    };
    let consumed = metrics::counter!(MESSAGES_CONSUMED.name, DESTINATION => settings.kafka.topic.clone());
    let thread = Thread {
        config: member_config(&settings),
        consumed,
        settings,
        shared,
        outlet,
    };
    let member = thread.make()?;
    std::thread::Builder::new()
        .name("kafka-consumer".to_owned())
        .spawn(move || {
            let _ = end.send(thread.run(member)); // nobody waits where the source was dropped
        })
        .map_err(CannotBuild::Thread)?;
    Ok(())
}

struct Thread {
    settings: ConsumerSettings,
    config: ClientConfig,
    consumed: Counter,
    shared: Arc<Shared>,
    outlet: Outlet,
}

impl Thread {
    fn make(&self) -> Result<Member, CannotBuild> {
        let context = Context {
            topic: self.settings.kafka.topic.clone(),
            shared: Arc::clone(&self.shared),
            outlet: self.outlet.clone(),
            release_within: self.settings.release_within,
            commits: Requests::new("commit", &self.settings.kafka.topic),
            sent: Mutex::default(),
        };
        let member: Member = self.config.create_with_context(context)?;
        member.subscribe(&[&self.settings.kafka.topic])?;
        Ok(member)
    }

    /// Lives until the group is to be left; whether what was handled is committed.
    fn run(self, first: Member) -> Result<(), ConsumeError> {
        let mut member = first;
        loop {
            let Err(fatal) = self.live(&member) else {
                let committed = self.commit_last(&member);
                drop(member); // leaves the group
                return committed;
            };
            // Nothing of it is ours any more; another one begins where commits ended.
            let ours = self.shared.lock().ours();
            self.outlet.send(Sent::Revoked(ours.clone()));
            drop(member);
            self.shared.change(State::begin_anew);
            self.outlet.offer(Sent::Failure(ConsumeError::Fatal(fatal)));
            member = loop {
                if self.shared.pause(AGAIN_AFTER) {
                    return Ok(());
                }
                match self.make() {
                    Ok(member) => break member,
                    Err(error) => self.outlet.offer(Sent::Failure(ConsumeError::Build(Arc::new(error)))),
                }
            };
        }
    }

    /// Commits what is left. While the group rebalances it is refused: then the rebalance goes on first.
    fn commit_last(&self, member: &Member) -> Result<(), ConsumeError> {
        let begin = now();
        loop {
            let committed = member.context().commit(member, None);
            if committed.is_ok() || begin.elapsed() >= self.settings.leave_within / 2 {
                return committed;
            }
            drop(member.poll(POLL));
        }
    }

    /// Polls until the group is to be left, or the consumer is of no use any more.
    fn live(&self, member: &Member) -> Result<(), LibraryError> {
        let (mut committed, mut closed) = (now(), false);
        loop {
            self.shared.wait_for_room(self.settings.held_max, ROOM_WITHIN);
            let (closing, leaving, moves) = {
                let mut state = self.shared.lock();
                (state.closing, state.leaving, state.balance(self.settings.held_max))
            };
            if leaving {
                return Ok(());
            }
            self.pause_and_resume(member, &moves);
            if closing && !closed {
                closed = self.outlet.send(Sent::Closed);
            }
            if committed.elapsed() >= self.settings.commit_interval {
                committed = now();
                if let Err(error) = member.context().send_commit(member) {
                    self.outlet.offer(Sent::Failure(error));
                }
            }
            match member.poll(POLL) {
                Some(Err(LibraryError::MessageConsumptionFatal(code))) => {
                    return Err(LibraryError::MessageConsumptionFatal(code));
                }
                Some(Err(error)) => self.complain(error),
                Some(Ok(message)) => self.deliver(&message),
                None => {}
            }
        }
    }

    fn pause_and_resume(&self, member: &Member, (pause, resume): &(Vec<i32>, Vec<i32>)) {
        let not_paused = self.move_all(pause, |list| member.pause(list));
        let not_resumed = self.move_all(resume, |list| member.resume(list));
        if !not_paused.is_empty() || !not_resumed.is_empty() {
            self.shared.lock().not_balanced(&not_paused, &not_resumed);
        }
    }

    /// Those of the partitions with which it failed, as a whole or alone.
    fn move_all(&self, numbers: &[i32], by: impl FnOnce(&TopicPartitionList) -> KafkaResult<()>) -> Vec<i32> {
        let Some(list) = self.list(numbers) else {
            return Vec::new();
        };
        if let Err(error) = by(&list) {
            self.complain(error);
            return numbers.to_vec();
        }
        let mut failed = Vec::new();
        for element in list.elements() {
            if let Err(error) = element.error() {
                self.complain(LibraryError::PauseResume(error.to_string()));
                failed.push(element.partition());
            }
        }
        failed
    }

    fn list(&self, partitions: &[i32]) -> Option<TopicPartitionList> {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for number in partitions {
            list.add_partition(&self.settings.kafka.topic, *number);
        }
        (!partitions.is_empty()).then_some(list)
    }

    fn deliver(&self, message: &BorrowedMessage<'_>) {
        let delivery = copy(message);
        let ours = {
            let mut state = self.shared.lock();
            state.broker_answers = true;
            // What still comes at the end comes again to whoever is next.
            !state.closing && state.deliver(delivery.position, bytes(&delivery))
        };
        if ours {
            self.consumed.increment(1);
            self.outlet.send(Sent::Delivery(delivery));
        }
    }

    /// The library goes on after all of these: a broker that is away comes back.
    fn complain(&self, error: LibraryError) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            self.shared.lock().broker_answers = false;
        }
        self.outlet.offer(Sent::Failure(ConsumeError::Library(error)));
    }
}

/// What it takes in memory, for the most part.
fn bytes(delivery: &Delivery) -> usize {
    let length = |part: &Option<Box<[u8]>>| part.as_ref().map_or(0, |part| part.len());
    let headers = delivery.headers.iter().map(|(name, value)| name.len() + value.len());
    length(&delivery.key) + length(&delivery.value) + headers.sum::<usize>()
}

/// A message as a delivery of its own.
fn copy(message: &BorrowedMessage<'_>) -> Delivery {
    let headers: BTreeMap<String, Vec<u8>> = message
        .headers()
        .map(|headers| {
            let named = headers.iter();
            named
                .map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec()))
                .collect()
        })
        .unwrap_or_default();
    let key: Option<Box<[u8]>> = message.key().map(Into::into);
    let value: Option<Box<[u8]>> = message.payload().map(Into::into);
    let position = Position {
        partition: message.partition(),
        offset: message.offset(),
    };
    Delivery {
        position,
        content: read(value.as_deref(), &headers),
        key,
        value,
        headers,
    }
}

fn read(
    value: Option<&[u8]>,
    headers: &BTreeMap<String, Vec<u8>>,
) -> Result<domain::notify::ports::Received, Unreadable> {
    let text = |name: &str| headers.get(name).map(|value| std::str::from_utf8(value));
    let event_id = match text(EVENT_ID) {
        Some(Ok(event_id)) => event_id,
        Some(Err(_)) => return Err(Unreadable(format!("the header {EVENT_ID} is no text"))),
        None => return Err(Unreadable(format!("no {EVENT_ID} header"))),
    };
    let Some(value) = value else {
        return Err(Unreadable("no value".to_owned()));
    };
    let message = Message {
        key: Box::default(),
        value: value.into(),
        event_id: event_id.into(),
        trace: text(TRACEPARENT).and_then(Result::ok).and_then(TraceContext::parse),
    };
    message.decode()
}

/// The timer of a thread that has no runtime.
#[expect(clippy::disallowed_methods, reason = "measures a pause, tells no time")]
fn now() -> Instant {
    Instant::now()
}
