//! Forgets old idempotency keys, over the session of the instance whose turn it is.

use std::sync::Arc;

use domain::clock::Moment;
use domain::order::ports::{KeyRetention, QueryError};
use sql::queries::keys;

use super::measured::{Sql, measured};
use super::rows::timestamp;
use super::turn::Turn;

/// The keys of the ledger.
#[derive(Debug, Clone)]
pub struct PostgresKeys {
    turn: Arc<Turn>,
}

impl PostgresKeys {
    /// Forgotten by whoever has this turn.
    #[must_use]
    pub const fn new(turn: Arc<Turn>) -> Self {
        Self { turn }
    }
}

impl KeyRetention for PostgresKeys {
    async fn forget_keys(&self, recorded_before: Moment, limit: usize) -> Result<usize, QueryError> {
        let Some(session) = self.turn.take().await? else {
            return Ok(0);
        };
        let (before, limit) = (timestamp(recorded_before), i64::try_from(limit).unwrap_or(i64::MAX));
        let forget = keys::forget_keys();
        let gone = self
            .turn
            .with(measured(Sql::ForgetKeys, forget.bind(&*session, &before, &limit).one()))
            .await?;
        Ok(usize::try_from(gone).unwrap_or(0))
    }
}
