//! The relay carries committed events from the outbox to where they go: read what is unsent,
//! publish, mark what was acknowledged. A crash between two steps repeats events under the
//! same id and loses none; after any error everything is read again, so that first occurrences
//! stay in order. It wakes after a commit, and polls for what other instances committed.

use std::sync::Arc;
use std::time::Duration;

use domain::error::Cause;
use domain::order::ports::{EventPublisher, Outbox};
use slog::{Logger, warn};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::pause::Pauses;
use crate::telemetry::chain;

/// Tries in a row that take nothing before the relay gives up at the end: a stream that is only full
/// empties meanwhile.
const LAST_TRIES_MAX: u64 = 20;

/// The bounds of the relay.
#[derive(Debug, Clone, Copy)]
pub struct RelayLimits {
    /// Most events a round.
    pub batch_max: usize,
    /// How often the outbox is looked at when nobody calls.
    pub poll_interval: Duration,
    /// The first pause after a failure; it doubles.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

/// Carries events.
#[derive(Debug)]
pub struct Relay<O, P> {
    /// Where events come from.
    pub outbox: O,
    /// Where they go.
    pub publisher: P,
    /// Woken after a commit.
    pub committed: Arc<Notify>,
    /// Its bounds.
    pub limits: RelayLimits,
    /// Where failures are told.
    pub log: Logger,
}

impl<O: Outbox, P: EventPublisher> Relay<O, P> {
    /// Runs until it is stopped, then sends what is left as long as somebody takes it.
    pub async fn run(self, stop: CancellationToken) {
        let mut pauses = Pauses::new(self.limits.first_pause, self.limits.longest_pause);
        let (mut failures, mut last_tries) = (0_u64, 0_u64);
        loop {
            match self.round().await {
                Ok(0) if stop.is_cancelled() => return,
                Ok(0) => self.wait(&stop).await,
                Ok(_) => {
                    (failures, last_tries) = (0, 0);
                    pauses.reset();
                }
                Err(error) => {
                    failures += 1;
                    // The first, then rarer and rarer: an outage must not fill the log.
                    if failures.is_power_of_two() {
                        warn!(self.log, "events wait in the outbox"; "error" => chain(&error), "failures" => failures);
                    }
                    if !stop.is_cancelled() {
                        pauses.wait(&stop).await;
                    } else if last_tries == LAST_TRIES_MAX {
                        warn!(self.log, "events are left in the outbox at the end");
                        return;
                    } else {
                        last_tries += 1;
                        tokio::time::sleep(self.limits.first_pause).await;
                    }
                }
            }
        }
    }

    /// One round; how many events were acknowledged.
    ///
    /// # Errors
    /// The first failure. What was acknowledged before is marked all the same.
    pub async fn round(&self) -> Result<usize, Cause> {
        let events = self
            .outbox
            .unsent(self.limits.batch_max)
            .await
            .map_err(|error| error.0)?;
        if events.is_empty() {
            return Ok(0);
        }
        let published = self.publisher.publish(events).await;
        let count = published.acknowledged.len();
        if count > 0 {
            self.outbox
                .mark_sent(published.acknowledged)
                .await
                .map_err(|error| error.0)?;
            metrics::counter!("loms_outbox_published_events_total").increment(count as u64);
        }
        match published.error {
            // Some went through: it is only slow, the rest is tried at once.
            Some(error) if count == 0 => Err(error.0),
            _ => Ok(count),
        }
    }

    async fn wait(&self, stop: &CancellationToken) {
        tokio::select! {
            () = self.committed.notified() => {}
            () = tokio::time::sleep(self.limits.poll_interval) => {}
            () = stop.cancelled() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use adapters::memory::ledger::{LedgerLimits, MemoryLedger, StockRecord};
    use adapters::memory::stream::MemoryStream;
    use domain::clock::Clock;
    use domain::notify::ports::{EventSource, Received};
    use domain::order::status::OrderStatus;
    use domain::stock::model::Stock;
    use domain::testing::build::{ManualClock, draft, pay, place, sku};
    use domain::testing::faults::{FaultyRelay, RelayFault, RelayPlan};
    use domain::testing::ledger_contract::run;
    use domain::types::OrderId;
    use parking_lot::Mutex;

    use super::*;

    const LIMITS: RelayLimits = RelayLimits {
        batch_max: 7,
        poll_interval: Duration::from_millis(1),
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(2),
    };

    fn relay<O, P>(outbox: O, publisher: P) -> Relay<O, P> {
        let log = Logger::root(slog::Discard, slog::o!());
        Relay {
            outbox,
            publisher,
            committed: Arc::default(),
            limits: LIMITS,
            log,
        }
    }

    async fn ledger_of_payed_orders(orders: i64) -> Arc<MemoryLedger> {
        let limits = LedgerLimits {
            orders_max: 1000,
            outbox_max: 10_000,
            keys_kept: Duration::from_secs(1),
        };
        let stock = StockRecord {
            sku: sku(1),
            stock: Stock::new(1_000_000, 0).unwrap(),
        };
        let ledger = Arc::new(MemoryLedger::new(limits, [stock], ManualClock::default().now()));
        for n in 1..=orders {
            run(&ledger, &[place(draft(&[(1, 1)]))]).await;
            run(&ledger, &[pay(n)]).await;
        }
        ledger
    }

    /// Everything that arrived, in order per partition.
    async fn arrived(stream: &MemoryStream) -> Vec<Received> {
        let mut source = stream.subscribe();
        let mut all = Vec::new();
        while stream.lag() > all.len() {
            all.extend(
                source
                    .next(10_000)
                    .await
                    .unwrap()
                    .into_iter()
                    .map(|delivery| delivery.content.unwrap()),
            );
        }
        all
    }

    fn first_occurrences(arrived: &[Received]) -> HashMap<OrderId, Vec<OrderStatus>> {
        let mut seen = std::collections::HashSet::new();
        let mut orders: HashMap<OrderId, Vec<OrderStatus>> = HashMap::new();
        for event in arrived {
            if seen.insert(event.event_id.clone()) {
                orders.entry(event.order).or_default().push(event.status);
            }
        }
        orders
    }

    fn assert_complete(arrived: &[Received], orders: usize) {
        let expected = [OrderStatus::New, OrderStatus::AwaitingPayment, OrderStatus::Payed];
        let first = first_occurrences(arrived);
        assert_eq!(first.len(), orders);
        assert!(first.values().all(|statuses| *statuses == expected), "{first:?}");
    }

    #[tokio::test]
    async fn stopped_between_any_two_steps_it_repeats_and_loses_nothing() {
        let all = [
            RelayFault::Read,
            RelayFault::Send,
            RelayFault::Acknowledge,
            RelayFault::Mark,
        ];
        let ledger = ledger_of_payed_orders(100).await;
        let stream = MemoryStream::new(100_000);
        let mut step = 0_usize;
        let plan: RelayPlan = Arc::new(Mutex::new(move || {
            step += 1;
            step.is_multiple_of(2).then(|| all[step / 2 % 4])
        }));
        let relay = relay(
            FaultyRelay::new(Arc::clone(&ledger), Arc::clone(&plan)),
            FaultyRelay::new(stream.clone(), plan),
        );
        let mut failures = 0;
        for _ in 0..10_000 {
            match relay.round().await {
                Ok(0) => break,
                Ok(_) => {}
                Err(_) => failures += 1,
            }
        }
        let arrived = arrived(&stream).await;
        assert!(
            failures > 10 && arrived.len() > 300,
            "{failures} failures, {} arrived",
            arrived.len()
        );
        assert_complete(&arrived, 100);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn two_unfenced_relays_keep_first_occurrences_in_order() {
        let ledger = ledger_of_payed_orders(300).await;
        let stream = MemoryStream::new(100_000);
        let stop = CancellationToken::new();
        stop.cancel(); // drain, then end
        let one = tokio::spawn(relay(Arc::clone(&ledger), stream.clone()).run(stop.clone()));
        let other = tokio::spawn(relay(Arc::clone(&ledger), stream.clone()).run(stop));
        one.await.unwrap();
        other.await.unwrap();
        assert_complete(&arrived(&stream).await, 300);
    }

    #[tokio::test]
    async fn wakes_after_a_commit_and_drains_when_stopped() {
        let ledger = ledger_of_payed_orders(1).await;
        let stream = MemoryStream::new(1000);
        let mut relay = relay(Arc::clone(&ledger), stream.clone());
        relay.limits.poll_interval = Duration::from_secs(3600);
        let (stop, committed) = (CancellationToken::new(), Arc::clone(&relay.committed));
        let task = tokio::spawn(relay.run(stop.clone()));
        let lag = |want: usize| {
            let stream = stream.clone();
            async move {
                while stream.lag() < want {
                    tokio::task::yield_now().await;
                }
            }
        };
        lag(3).await;
        run(&ledger, &[place(draft(&[(1, 1)]))]).await;
        committed.notify_one();
        lag(5).await;
        run(&ledger, &[pay(2)]).await;
        stop.cancel();
        task.await.unwrap();
        assert_complete(&arrived(&stream).await, 2);
    }
}
