//! Cancels orders that were not paid in time, round after round, one instance at a time.

use std::time::Duration;

use domain::clock::{Clock, Moment};
use domain::order::expire::Expire;
use domain::order::ports::{OrderBook, OrderQueries};
use domain::turn::Turn;
use slog::{Logger, info, warn};
use tokio_util::sync::CancellationToken;

use crate::telemetry::names::EXPIRED;
use crate::telemetry::{Repeated, chain};

/// When orders expire.
#[derive(Debug, Clone, Copy)]
pub struct ExpiryLimits {
    /// How long an order may await payment.
    pub payment_window: Duration,
    /// The pause between rounds that found little.
    pub interval: Duration,
    /// Most orders a round.
    pub batch_max: usize,
}

/// Expires orders until it is stopped.
pub async fn run<B: OrderBook, Q: OrderQueries, T: Turn, C: Clock>(
    book: B,
    orders: Q,
    turn: T,
    clock: C,
    limits: ExpiryLimits,
    log: Logger,
    stop: CancellationToken,
) {
    let expired = metrics::counter!(EXPIRED.name);
    let expire = Expire {
        book: &book,
        orders: &orders,
        batch_max: limits.batch_max,
    };
    let (failing, mut pause) = (Repeated::default(), Duration::ZERO);
    let fail = |error: &(dyn std::error::Error + Send + Sync)| {
        if let Some(suppressed) = failing.fails() {
            warn!(log, "unpaid orders stay for now"; "error" => chain(error), "suppressed" => suppressed);
        }
    };
    while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
        pause = limits.interval;
        match turn.is_mine().await {
            Ok(true) => {}
            Ok(false) => continue,
            Err(error) => {
                fail(&error);
                continue;
            }
        }
        let due = clock.now().unix_millis() - i64::try_from(limits.payment_window.as_millis()).unwrap_or(i64::MAX);
        match expire.run(Moment::from_unix_millis(due)).await {
            Ok(round) => {
                expired.increment(round.cancelled as u64);
                if round.cancelled > 0 {
                    info!(log, "unpaid orders cancelled"; "orders" => round.cancelled);
                }
                if round.failed == 0 {
                    failing.succeeds();
                } else if let Some(suppressed) = failing.fails() {
                    warn!(log, "unpaid orders stay for now"; "orders" => round.failed, "suppressed" => suppressed);
                }
                if round.found == limits.batch_max && round.cancelled > 0 {
                    pause = Duration::ZERO;
                }
            }
            Err(error) => fail(&error),
        }
    }
}
