//! The order book: gathers concurrent calls into batches, each decided in one transaction.
//!
//! A lone call is sent at once; while a batch is in flight others gather, and the next batch
//! takes them all. There is no timer. A batch runs in a task of its own to its end, whether or
//! not its callers still wait. Only an error that proves rollback has its members tried one by
//! one, so that a poisonous one spoils nobody else's; an unknown outcome is never run again.

use std::sync::Arc;

use domain::clock::Clock;
use domain::error::cause;
use domain::order::batch::{Action, Answer, Command, decide, footprint};
use domain::order::model::Draft;
use domain::order::place::PlaceRefusal;
use domain::order::ports::{BookError, Ledger, LedgerError, OrderBook};
use domain::order::settle::{SettleCommand, SettleRefusal, Settled};
use domain::trace::TraceContext;
use domain::types::OrderId;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// The bounds of the order book.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    /// Most calls in a batch.
    pub batch_max: usize,
    /// Most calls that wait for a batch; one more is answered `Unavailable` at once.
    pub queue_max: usize,
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
}

type Reply = oneshot::Sender<Result<Answer, BookError>>;
type Member = (Command, Reply);

/// The way into the order book. Cheap to clone; when the last clone is gone the book closes.
#[derive(Debug, Clone)]
pub struct Batcher {
    queue: mpsc::Sender<Member>,
}

/// What decides batches.
#[derive(Debug)]
pub struct Batches<L, C> {
    queue: mpsc::Receiver<Member>,
    batch_max: usize,
    ledger: L,
    clock: C,
    committed: Arc<Notify>,
}

/// An order book over a ledger. `committed` is woken after each commit.
pub fn order_book<L, C>(limits: BatchLimits, ledger: L, clock: C, committed: Arc<Notify>) -> (Batcher, Batches<L, C>) {
    let (sender, queue) = mpsc::channel(limits.queue_max);
    (
        Batcher { queue: sender },
        Batches {
            queue,
            batch_max: limits.batch_max,
            ledger,
            clock,
            committed,
        },
    )
}

impl Batcher {
    async fn submit(&self, action: Action, trace: Option<TraceContext>) -> Result<Answer, BookError> {
        let (reply, answer) = oneshot::channel();
        self.queue
            .try_send((Command { action, trace }, reply))
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
    pub async fn run(mut self, stop: CancellationToken) {
        let size = metrics::histogram!("loms_batch_size_calls");
        let queued = metrics::gauge!("loms_batch_queue_calls");
        let mut members: Vec<Member> = Vec::with_capacity(self.batch_max);
        loop {
            let took = stop
                .run_until_cancelled(self.queue.recv_many(&mut members, self.batch_max))
                .await;
            let took = match took {
                Some(took) => took,
                None => {
                    self.queue.close();
                    self.queue.recv_many(&mut members, self.batch_max).await
                }
            };
            if took == 0 {
                return;
            }
            #[expect(clippy::cast_precision_loss, reason = "queues are far below 2^52")]
            {
                size.record(members.len() as f64);
                queued.set(self.queue.len() as f64);
            }
            let (commands, replies): (Vec<Command>, Vec<Reply>) = members.drain(..).unzip();
            match self.transact(&commands).await {
                Ok(answers) => answer(replies, answers.into_iter().map(Ok)),
                Err(LedgerError::RolledBack(_)) if commands.len() > 1 => self.one_by_one(commands, replies).await,
                Err(error) => answer(replies, std::iter::repeat_with(|| Err(book_error(&error)))),
            }
        }
    }

    async fn transact(&self, commands: &[Command]) -> Result<Vec<Answer>, LedgerError> {
        let (ledger, clock) = (&self.ledger, &self.clock);
        let answers = ledger
            .transact(footprint(commands), |loaded| decide(commands, clock.now(), loaded))
            .await?;
        self.committed.notify_one();
        Ok(answers)
    }

    async fn one_by_one(&self, commands: Vec<Command>, replies: Vec<Reply>) {
        for (command, reply) in commands.into_iter().zip(replies) {
            let ran = self.transact(std::slice::from_ref(&command)).await;
            let only = ran.map(|mut answers| answers.pop());
            answer([reply], only.map_err(|error| book_error(&error)).transpose());
        }
    }
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
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use adapters::memory::ledger::{LedgerLimits, MemoryLedger, StockRecord};
    use domain::order::ports::OrderQueries;
    use domain::stock::model::Stock;
    use domain::stock::ports::StockQueries;
    use domain::testing::build::{ManualClock, draft, keyed, order_id, sku};
    use domain::testing::faults::{FaultyLedger, LedgerFault};
    use domain::types::Sku;

    use super::*;

    const LIMITS: BatchLimits = BatchLimits {
        batch_max: 8,
        queue_max: 64,
    };

    fn ledger(total: u32) -> Arc<MemoryLedger> {
        let limits = LedgerLimits {
            orders_max: 100_000,
            outbox_max: 100_000,
            keys_kept: Duration::from_secs(24 * 3600),
        };
        let stock = StockRecord {
            sku: sku(1),
            stock: Stock::new(total, 0).unwrap(),
        };
        Arc::new(MemoryLedger::new(limits, [stock], ManualClock::default().now()))
    }

    fn start<L: Ledger>(limits: BatchLimits, ledger: L) -> (Batcher, tokio::task::JoinHandle<()>) {
        let (book, batches) = order_book(limits, ledger, ManualClock::default(), Arc::default());
        (book, tokio::spawn(batches.run(CancellationToken::new())))
    }

    async fn reserved(ledger: &MemoryLedger, sku: Sku) -> u32 {
        ledger.stock(sku).await.unwrap().unwrap().reserved()
    }

    #[tokio::test]
    async fn calls_gather_while_a_batch_is_in_flight_and_each_gets_its_answer() {
        let ledger = ledger(50);
        let sizes = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let seen = Arc::clone(&sizes);
        let counting = FaultyLedger::new(Arc::clone(&ledger), move |footprint| {
            seen.lock().push(footprint.new_orders());
            None
        });
        let (book, batches) = start(LIMITS, counting);
        let placed = futures::future::join_all((0..60).map(|_| book.place(draft(&[(1, 1)]), None))).await;
        let won: Vec<_> = placed.into_iter().filter_map(|answer| answer.unwrap().ok()).collect();
        assert_eq!((won.len(), reserved(&ledger, sku(1)).await), (50, 50));
        assert!(won.is_sorted(), "decided in the order of arrival");
        assert_eq!(sizes.lock().iter().sum::<usize>(), 60);
        assert!(
            sizes.lock().iter().all(|size| *size <= 8) && sizes.lock().contains(&8),
            "{:?}",
            sizes.lock()
        );
        drop(book);
        batches.await.unwrap();
    }

    #[tokio::test]
    async fn a_full_queue_answers_at_once_and_loses_nothing() {
        let ledger = ledger(500);
        let (book, batches) = order_book(
            BatchLimits {
                batch_max: 8,
                queue_max: 3,
            },
            Arc::clone(&ledger),
            ManualClock::default(),
            Arc::default(),
        );
        let calls: Vec<_> = (0..10)
            .map(|_| {
                tokio::spawn({
                    let book = book.clone();
                    async move { book.place(draft(&[(1, 1)]), None).await }
                })
            })
            .collect();
        while calls.iter().filter(|call| call.is_finished()).count() < 7 {
            tokio::task::yield_now().await; // refused although nothing is decided yet
        }
        tokio::spawn(batches.run(CancellationToken::new()));
        let answers = futures::future::join_all(calls).await;
        let placed = answers
            .into_iter()
            .filter(|answer| matches!(answer, Ok(Ok(Ok(_)))))
            .count();
        assert_eq!((placed, reserved(&ledger, sku(1)).await), (3, 3));
    }

    #[tokio::test]
    async fn a_proven_rollback_spoils_only_the_poisonous_member() {
        let ledger = ledger(500);
        let poison = sku(666);
        let faulty = FaultyLedger::new(Arc::clone(&ledger), move |footprint| {
            footprint.skus().contains(&poison).then_some(LedgerFault::RollBack)
        });
        let (book, _batches) = start(LIMITS, faulty);
        let skus = [1, 1, 666, 1];
        let answers = futures::future::join_all(skus.map(|n| book.place(draft(&[(n, 1)]), None))).await;
        assert!(matches!(answers[2], Err(BookError::Poisonous(_))));
        assert_eq!(answers.iter().filter(|answer| matches!(answer, Ok(Ok(_)))).count(), 3);
        assert_eq!(reserved(&ledger, sku(1)).await, 3);
    }

    #[tokio::test]
    async fn an_unknown_outcome_is_told_to_all_and_never_run_again() {
        let ledger = ledger(500);
        let mut faults = vec![LedgerFault::LoseAnswer].into_iter();
        let (book, _batches) = start(LIMITS, FaultyLedger::new(Arc::clone(&ledger), move |_| faults.next()));
        let drafts = [keyed(&[(1, 1)], "a"), keyed(&[(1, 1)], "b")];
        let answers = futures::future::join_all(drafts.clone().map(|draft| book.place(draft, None))).await;
        assert!(
            answers
                .iter()
                .all(|answer| matches!(answer, Err(BookError::Unknown(_)))),
            "{answers:?}"
        );
        assert_eq!(reserved(&ledger, sku(1)).await, 2, "it had been committed, once");
        let again = futures::future::join_all(drafts.map(|draft| book.place(draft, None))).await;
        assert!(again.iter().all(|answer| matches!(answer, Ok(Ok(_)))));
        assert_eq!(reserved(&ledger, sku(1)).await, 2, "the keys resolve it");
    }

    #[tokio::test]
    async fn a_batch_ends_although_its_caller_is_gone() {
        let ledger = ledger(500);
        let (book, batches) = order_book(LIMITS, Arc::clone(&ledger), ManualClock::default(), Arc::default());
        {
            let mut call = std::pin::pin!(book.place(draft(&[(1, 1)]), None));
            assert!(futures::poll!(&mut call).is_pending());
        }
        drop(book);
        batches.run(CancellationToken::new()).await;
        assert!(ledger.order(order_id(1)).await.unwrap().is_some());
    }
}
