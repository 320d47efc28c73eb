//! The simplest order book: each call is a batch of its own, decided while its caller waits.
//! It shows that the use cases need no more than the ledger, and it adds no queue that could
//! hide a race of the ledger.

use crate::clock::Clock;
use crate::error::cause;
use crate::order::batch::{Action, Answer, Command, decide, footprint};
use crate::order::model::Draft;
use crate::order::place::PlaceRefusal;
use crate::order::ports::{BookError, Ledger, LedgerError, OrderBook};
use crate::order::settle::{SettleCommand, SettleRefusal, Settled};
use crate::trace::TraceContext;
use crate::types::OrderId;

use super::faults::Planted;

/// An order book without a queue. It is as bounded as its callers are.
#[derive(Debug, Clone)]
pub struct DirectBook<L, C> {
    ledger: L,
    clock: C,
}

impl<L: Ledger, C: Clock> DirectBook<L, C> {
    /// Over a ledger.
    pub const fn new(ledger: L, clock: C) -> Self {
        Self { ledger, clock }
    }

    async fn decide_alone(&self, action: Action, trace: Option<TraceContext>) -> Result<Answer, BookError> {
        let batch = [Command { action, trace }];
        let decided = self
            .ledger
            .transact(footprint(&batch), |loaded| decide(&batch, self.clock.now(), loaded))
            .await;
        let mut answers = decided.map_err(|error| match error {
            LedgerError::RolledBack(cause) => BookError::Poisonous(cause),
            LedgerError::Unknown(cause) => BookError::Unknown(cause),
            LedgerError::Busy(cause) => BookError::Unavailable(cause),
            held @ LedgerError::Contended(_) => BookError::Unavailable(crate::error::cause(held)),
        })?;
        answers.pop().ok_or_else(|| BookError::Unknown(cause(Planted)))
    }
}

impl<L: Ledger, C: Clock> OrderBook for DirectBook<L, C> {
    async fn place(
        &self,
        draft: Draft,
        trace: Option<TraceContext>,
    ) -> Result<Result<OrderId, PlaceRefusal>, BookError> {
        match self.decide_alone(Action::Place(draft), trace).await? {
            Answer::Placed(placed) => Ok(placed),
            Answer::Settled(_) => Err(BookError::Unknown(cause(Planted))),
        }
    }

    async fn settle(
        &self,
        command: SettleCommand,
        trace: Option<TraceContext>,
    ) -> Result<Result<Settled, SettleRefusal>, BookError> {
        match self.decide_alone(Action::Settle(command), trace).await? {
            Answer::Settled(settled) => Ok(settled),
            Answer::Placed(_) => Err(BookError::Unknown(cause(Planted))),
        }
    }
}
