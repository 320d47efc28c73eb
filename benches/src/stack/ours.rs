//! Our way without the network: the order book that gathers batches, over the ledger in Postgres, in
//! this process.

use std::sync::Arc;

use adapters::postgres::reads::PostgresReads;
use adapters::postgres::testing::WholeLedger;
use app::clock::SystemClock;
use app::config::LomsSettings;
use app::engine::batcher::{BatchLimits, Batcher, order_book};
use domain::order::model::{Draft, Line as OrderLine, Lines};
use domain::order::ports::{BookError, OrderBook, OrderQueries};
use domain::order::settle::SettleCommand;
use domain::stock::ports::StockQueries;
use domain::types::{OrderId, Quantity, Sku, UserId};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::drive::fault;
use super::way::{Step, Way};
use crate::client::{Answer, Fault, FaultKind};
use crate::dataset::Line;
use crate::error::LoadError;

/// The order book of one instance.
#[derive(Debug)]
pub(crate) struct Ours {
    book: Batcher,
    /// Woken after each commit.
    pub(crate) committed: Arc<Notify>,
    reads: Arc<PostgresReads>,
    stop: CancellationToken,
    batches: JoinHandle<()>,
}

/// The bounds that the shop has by default.
pub(crate) fn limits() -> BatchLimits {
    let settings = LomsSettings::default();
    BatchLimits {
        batch_max: settings.batch_max,
        queue_max: settings.queue_max,
        lanes: settings.lanes,
        held_pause: settings.held_pause(),
    }
}

impl Ours {
    /// Over a ledger.
    pub(crate) fn new(ledger: &Arc<WholeLedger>, limits: BatchLimits) -> Self {
        let committed = Arc::new(Notify::new());
        let (book, batches) = order_book(limits, Arc::clone(ledger), SystemClock, Arc::clone(&committed));
        let stop = CancellationToken::new();
        Self {
            book,
            committed,
            reads: Arc::clone(&ledger.reads),
            batches: tokio::spawn(batches.run(stop.clone())),
            stop,
        }
    }

    /// Decides what is queued, then nothing more.
    ///
    /// # Errors
    /// Where a batch panicked.
    pub(crate) async fn end(self: Arc<Self>) -> Result<(), LoadError> {
        self.stop.cancel();
        match Arc::try_unwrap(self) {
            Ok(ours) => ours.batches.await.map_err(LoadError::Worker),
            Err(_) => Err(LoadError::Target("the order book is still in use".to_owned())),
        }
    }
}

fn of_book(error: BookError) -> Fault {
    let kind = match error {
        BookError::Unavailable(_) => FaultKind::Unavailable,
        BookError::Unknown(_) => FaultKind::Unknown,
        BookError::Poisonous(_) => FaultKind::Unexpected,
    };
    fault(kind, &error)
}

fn wrong(error: impl std::error::Error) -> Fault {
    fault(FaultKind::Unexpected, &error)
}

fn draft(user_id: i64, lines: &[Line]) -> Answer<Draft> {
    let lines = lines.iter().map(|line| {
        Ok(OrderLine {
            sku: Sku::try_from(line.sku).map_err(wrong)?,
            quantity: Quantity::try_from(line.count).map_err(wrong)?,
        })
    });
    let lines: Vec<OrderLine> = lines.collect::<Answer<_>>()?;
    Ok(Draft {
        user: UserId::try_from(user_id).map_err(wrong)?,
        lines: Lines::merge(lines).map_err(wrong)?,
        key: None,
    })
}

impl Way for Ours {
    async fn place(&self, user_id: i64, lines: &[Line]) -> Answer<i64> {
        let placed = self.book.place(draft(user_id, lines)?, None).await.map_err(of_book)?;
        placed
            .map(OrderId::get)
            .map_err(|refusal| fault(FaultKind::Refused, &refusal))
    }

    async fn step(&self, step: Step, id: i64) -> Answer<()> {
        let order = || OrderId::try_from(id).map_err(wrong);
        let command = match step {
            Step::Pay => SettleCommand::Pay(order()?),
            Step::Cancel => SettleCommand::Cancel(order()?),
            Step::Info => {
                let found = self.reads.order(order()?).await;
                return there(found.map_err(|error| fault(FaultKind::Unavailable, &error))?);
            }
            Step::Free => {
                let found = self.reads.stock(Sku::try_from(id).map_err(wrong)?).await;
                return there(found.map_err(|error| fault(FaultKind::Unavailable, &error))?);
            }
            Step::Checkout => return step.unknown(),
        };
        let settled = self.book.settle(command, None).await.map_err(of_book)?;
        settled.map(drop).map_err(|refusal| fault(FaultKind::Refused, &refusal))
    }
}

fn there<T>(found: Option<T>) -> Answer<()> {
    found
        .map(drop)
        .ok_or_else(|| Fault::new(FaultKind::Unexpected, "not there", "it was placed and is not there"))
}
