//! The order book: gathers concurrent calls into batches, each decided in one transaction.
//!
//! A lone call is sent at once; while every lane has a batch in flight others gather, and the next
//! batch takes them all. There is no timer. A batch runs to its end, whether or not its callers
//! still wait. Only an error that proves rollback has members tried again: one by one where one of
//! them may be poisonous; without those that touch rows which somebody else holds, who are told
//! to come back later. An unknown outcome is never run again.

mod held;

use std::sync::Arc;
use std::time::Duration;

use adapters::spans::Span;
use domain::clock::Clock;
use domain::error::cause;
use domain::order::batch::{Action, Answer, Command, decide, footprint};
use domain::order::model::Draft;
use domain::order::place::PlaceRefusal;
use domain::order::ports::{BookError, Ledger, LedgerError, OrderBook};
use domain::order::settle::{SettleCommand, SettleRefusal, Settled};
use domain::trace::TraceContext;
use domain::types::OrderId;
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanKind;
use tokio::sync::{Mutex, Notify, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::held::HeldRows;
use super::numbers::{Gathering, Numbers, Reason, Tally};
use crate::telemetry::Stopwatch;

/// How often a batch is tried whose rows others hold.
const ATTEMPTS_MAX: usize = 4;

/// The bounds of the order book.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    /// Most calls in a batch.
    pub batch_max: usize,
    /// Most calls that wait for a batch; one more is answered `Unavailable` at once.
    pub queue_max: usize,
    /// Batches that are in flight at the same time. Calls of different lanes overtake each other.
    pub lanes: usize,
    /// How long calls are refused that touch a row which was found held by somebody else.
    pub held_pause: Duration,
}

/// Why the order book took a call not, or gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum BatcherError {
    #[error("the queue of the order book is full")]
    Full,
    #[error("the order book is shutting down")]
    Closed,
    #[error("the batch ended without an answer")]
    NoAnswer,
    #[error("the batch answered another question")]
    WrongAnswer,
    #[error("a row that it touches is held by somebody else")]
    Held,
    #[error("the ledger ceased to answer before it was begun")]
    Stopped,
}

type Reply = oneshot::Sender<Result<Answer, BookError>>;
type Member = (Command, Reply);
/// A member of a batch, with the span of its caller.
type Call = (Member, Span);
/// One on its way, and since when.
type Waiting = (Call, Stopwatch);

/// The way into the order book. Cheap to clone; when the last clone is gone the book closes.
#[derive(Debug, Clone)]
pub struct Batcher {
    queue: mpsc::Sender<Waiting>,
    numbers: Numbers,
}

/// What decides batches.
#[derive(Debug)]
pub struct Batches<L, C> {
    queue: Mutex<mpsc::Receiver<Waiting>>,
    limits: BatchLimits,
    ledger: L,
    clock: C,
    committed: Arc<Notify>,
    held: HeldRows,
    numbers: Numbers,
    gathering: Gathering,
}

/// An order book over a ledger. `committed` is woken after each commit.
pub fn order_book<L, C>(limits: BatchLimits, ledger: L, clock: C, committed: Arc<Notify>) -> (Batcher, Batches<L, C>) {
    let (sender, queue) = mpsc::channel(limits.queue_max);
    let numbers = Numbers::new();
    (
        Batcher {
            queue: sender,
            numbers: numbers.clone(),
        },
        Batches {
            queue: Mutex::new(queue),
            limits,
            ledger,
            clock,
            committed,
            held: HeldRows::default(),
            numbers,
            gathering: Gathering::new(),
        },
    )
}

impl Batcher {
    async fn submit(&self, action: Action, trace: Option<TraceContext>) -> Result<Answer, BookError> {
        let answer = self.ask(action, trace).await;
        match &answer {
            Ok(answer) => self.numbers.answered(answer),
            Err(error) => self.numbers.refused(reason(error)),
        }
        answer
    }

    async fn ask(&self, action: Action, trace: Option<TraceContext>) -> Result<Answer, BookError> {
        let (reply, answer) = oneshot::channel();
        self.queue
            .try_send((
                ((Command { action, trace }, reply), Span::current()),
                Stopwatch::start(),
            ))
            .map_err(|refused| {
                BookError::Unavailable(cause(match refused {
                    mpsc::error::TrySendError::Full(_) => BatcherError::Full,
                    mpsc::error::TrySendError::Closed(_) => BatcherError::Closed,
                }))
            })?;
        // Only a panic in the batch loses the answer: nobody knows how far it came.
        answer
            .await
            .unwrap_or_else(|_| Err(BookError::Unknown(cause(BatcherError::NoAnswer))))
    }
}

impl OrderBook for Batcher {
    async fn place(
        &self,
        draft: Draft,
        trace: Option<TraceContext>,
    ) -> Result<Result<OrderId, PlaceRefusal>, BookError> {
        match self.submit(Action::Place(draft), trace).await? {
            Answer::Placed(placed) => Ok(placed),
            Answer::Settled(_) => Err(BookError::Unknown(cause(BatcherError::WrongAnswer))),
        }
    }

    async fn settle(
        &self,
        command: SettleCommand,
        trace: Option<TraceContext>,
    ) -> Result<Result<Settled, SettleRefusal>, BookError> {
        match self.submit(Action::Settle(command), trace).await? {
            Answer::Settled(settled) => Ok(settled),
            Answer::Placed(_) => Err(BookError::Unknown(cause(BatcherError::WrongAnswer))),
        }
    }
}

impl<L: Ledger, C: Clock> Batches<L, C> {
    /// Decides batch after batch, until it is stopped or all [`Batcher`]s are gone; then what is
    /// queued is still decided.
    pub async fn run(self, stop: CancellationToken) {
        let shared = Arc::new(self);
        let mut others = JoinSet::new();
        for _ in 1..shared.limits.lanes {
            others.spawn(Arc::clone(&shared).lane(stop.clone()));
        }
        shared.lane(stop).await;
        while let Some(ended) = others.join_next().await {
            if let Err(panicked) = ended.map_err(tokio::task::JoinError::try_into_panic)
                && let Ok(panicked) = panicked
            {
                std::panic::resume_unwind(panicked);
            }
        }
    }

    async fn lane(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let (members, callers): (Vec<Member>, Vec<Span>) = self.gather(&stop).await.into_iter().unzip();
            if members.is_empty() {
                return;
            }
            let span = of_batch(&callers);
            drop(callers);
            span.around(self.decide(members)).await;
        }
    }

    /// The next batch; empty at the end.
    async fn gather(&self, stop: &CancellationToken) -> Vec<Call> {
        let mut waiting: Vec<Waiting> = Vec::with_capacity(self.limits.batch_max);
        let mut queue = self.queue.lock().await;
        let took = stop
            .run_until_cancelled(queue.recv_many(&mut waiting, self.limits.batch_max))
            .await;
        if took.is_none() {
            queue.close();
            queue.recv_many(&mut waiting, self.limits.batch_max).await;
        }
        let waited = waiting.iter().map(|(_, since)| since.elapsed());
        self.gathering.note(waited, queue.len());
        waiting.into_iter().map(|(member, _)| member).collect()
    }

    async fn decide(&self, members: Vec<Member>) {
        let (mut commands, mut replies) = self.without_held(members.into_iter().unzip());
        for attempt in 1..=ATTEMPTS_MAX {
            if commands.is_empty() {
                return;
            }
            let done = self.transact(&commands).await;
            note(&done);
            match done {
                Ok(answers) => return answer(replies, answers.into_iter().map(Ok)),
                Err(LedgerError::RolledBack(_)) => return self.one_by_one(commands, replies).await,
                Err(LedgerError::Contended(held)) if attempt < ATTEMPTS_MAX => {
                    self.held.note(&held, self.clock.now().plus(self.limits.held_pause));
                    (commands, replies) = self.without_held((commands, replies));
                }
                Err(error) => return answer(replies, std::iter::repeat_with(|| Err(book_error(&error)))),
            }
        }
    }

    /// Refuses those that touch rows which somebody else holds.
    fn without_held(&self, batch: (Vec<Command>, Vec<Reply>)) -> (Vec<Command>, Vec<Reply>) {
        let now = self.clock.now();
        if self.held.is_empty(now) {
            return batch;
        }
        let members = batch.0.into_iter().zip(batch.1);
        let (refused, free): (Vec<Member>, Vec<Member>) =
            members.partition(|(command, _)| self.held.touches(command, now));
        for (_, reply) in refused {
            answer([reply], [Err(held_error())]);
        }
        free.into_iter().unzip()
    }

    async fn transact(&self, commands: &[Command]) -> Result<Vec<Answer>, LedgerError> {
        let (ledger, clock) = (&self.ledger, &self.clock);
        let footprint = footprint(commands).avoiding(self.held.skus(clock.now()));
        let watch = Stopwatch::start();
        let done = ledger
            .transact(footprint, |loaded| {
                let (changes, answers) = decide(commands, clock.now(), loaded);
                let tally = Tally::of(&changes, loaded);
                (changes, (answers, tally))
            })
            .await;
        self.numbers.transaction(&watch, &done);
        let (answers, tally) = done?;
        self.numbers.committed(&tally);
        self.committed.notify_one();
        Ok(answers)
    }

    async fn one_by_one(&self, commands: Vec<Command>, replies: Vec<Reply>) {
        let mut members = commands.into_iter().zip(replies);
        while let Some((command, reply)) = members.next() {
            if self.held.touches(&command, self.clock.now()) {
                answer([reply], [Err(held_error())]);
                continue;
            }
            let ran = self.transact(std::slice::from_ref(&command)).await;
            if matches!(ran, Err(LedgerError::Busy(_) | LedgerError::Unknown(_))) {
                // The ledger does not answer: the others were not begun, and must not wait in turn.
                let others = members.by_ref().map(|(_, reply)| reply);
                answer(others, std::iter::repeat_with(|| Err(stopped_error())));
            }
            if let Err(LedgerError::Contended(held)) = &ran {
                self.held.note(held, self.clock.now().plus(self.limits.held_pause));
            }
            let only = ran.map(|mut answers| answers.pop());
            answer([reply], only.map_err(|error| book_error(&error)).transpose());
        }
    }
}

/// A span around a batch, in the trace of its first sampled member, with links to and from them all.
fn of_batch(callers: &[Span]) -> Span {
    Span::for_all(callers.iter(), SpanKind::Internal, || {
        let size = i64::try_from(callers.len()).unwrap_or(i64::MAX);
        ("order book batch".into(), vec![KeyValue::new("loms.batch.size", size)])
    })
}

/// Marks the batch as failed, if it did. The calls that are run again afterwards may succeed.
fn note<T>(done: &Result<T, LedgerError>) {
    let kind = match done {
        Ok(_) => return,
        Err(LedgerError::RolledBack(_)) => "rolled_back",
        Err(LedgerError::Contended(_)) => "contended",
        Err(LedgerError::Busy(_)) => "busy",
        Err(LedgerError::Unknown(_)) => "outcome_unknown",
    };
    Span::current().fail(|| kind.into());
}

fn answer(replies: impl IntoIterator<Item = Reply>, answers: impl IntoIterator<Item = Result<Answer, BookError>>) {
    for (reply, answer) in replies.into_iter().zip(answers) {
        let _ = reply.send(answer); // a caller that has gone away needs none
    }
}

fn book_error(error: &LedgerError) -> BookError {
    match error {
        LedgerError::RolledBack(cause) => BookError::Poisonous(cause.clone()),
        LedgerError::Unknown(cause) => BookError::Unknown(cause.clone()),
        LedgerError::Busy(cause) => BookError::Unavailable(cause.clone()),
        LedgerError::Contended(_) => held_error(),
    }
}

/// Why there is no answer, in numbers.
fn reason(error: &BookError) -> Reason {
    match error {
        BookError::Unavailable(cause) => match cause.downcast_ref() {
            Some(BatcherError::Full) => Reason::QueueFull,
            Some(BatcherError::Held) => Reason::HeldRows,
            Some(BatcherError::Closed | BatcherError::NoAnswer | BatcherError::WrongAnswer | BatcherError::Stopped)
            | None => Reason::Unavailable,
        },
        BookError::Unknown(_) => Reason::Unknown,
        BookError::Poisonous(_) => Reason::Poisonous,
    }
}

fn stopped_error() -> BookError {
    BookError::Unavailable(cause(BatcherError::Stopped))
}

fn held_error() -> BookError {
    BookError::Unavailable(cause(BatcherError::Held))
}

#[cfg(test)]
mod tests;
