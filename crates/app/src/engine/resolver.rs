//! Resolves checkouts whose outcome is unknown in the background, well before LOMS forgets
//! their keys, so that a shopper who never comes back loses nothing.

use std::sync::Arc;
use std::time::Duration;

use domain::cart::checkout::{Checkout, CheckoutError};
use domain::cart::ports::{Carts, Keys, Loms, Spawner};
use futures::StreamExt;
use slog::{Logger, info, warn};
use tokio_util::sync::CancellationToken;

use super::cart_numbers::CartNumbers;
use crate::telemetry::{Repeated, chain};

/// How often, and how many.
#[derive(Debug, Clone, Copy)]
pub struct ResolverLimits {
    /// The pause between rounds.
    pub interval: Duration,
    /// Most checkouts a round.
    pub batch_max: usize,
    /// How many are resolved at the same time.
    pub concurrency: usize,
}

/// Resolves checkouts until it is stopped.
pub async fn run<C: Carts, L: Loms, K: Keys, S: Spawner>(
    carts: Arc<C>,
    checkout: Checkout<C, L, K, S>,
    limits: ResolverLimits,
    numbers: CartNumbers,
    log: Logger,
    stop: CancellationToken,
) {
    let (reading, resolving) = (Repeated::default(), Repeated::default());
    while stop
        .run_until_cancelled(tokio::time::sleep(limits.interval))
        .await
        .is_some()
    {
        let users = match carts.unresolved(limits.batch_max).await {
            Ok(users) => users,
            Err(error) => {
                if let Some(suppressed) = reading.fails() {
                    warn!(log, "unresolved checkouts cannot be read"; "error" => chain(&error), "suppressed" => suppressed);
                }
                continue;
            }
        };
        reading.succeeds();
        let mut answers = futures::stream::iter(users)
            .map(|user| checkout.resolve(user))
            .buffer_unordered(limits.concurrency);
        let (mut resolved, mut unresolved, mut last) = (0, 0, None);
        while let Some(answer) = answers.next().await {
            numbers.resolved(&answer);
            match answer {
                Ok(_) | Err(CheckoutError::Refused(_) | CheckoutError::Empty) => resolved += 1,
                Err(error) => {
                    unresolved += 1;
                    last = Some(error);
                }
            }
        }
        if let Some(error) = last {
            if let Some(suppressed) = resolving.fails() {
                warn!(log, "checkouts stay unresolved";
                    "checkouts" => unresolved, "error" => chain(&error), "suppressed" => suppressed);
            }
        } else if resolved > 0 {
            resolving.succeeds();
            info!(log, "checkouts resolved"; "checkouts" => resolved);
        }
    }
}
