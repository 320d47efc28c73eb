//! One flight a sku: whoever asks for a product that is being asked for already gets the answer
//! of that request.
//!
//! A flight belongs to all who wait for it, not to the first: it goes on, with its place in the
//! queue of the limiter, as long as one of them waits, and is dropped with the last. This is why it
//! is not moka's `try_get_with`: there the request is its first caller's, and when his deadline
//! passes the next one begins anew at the end of that queue; and a caller who saw 200 of them give
//! up panics.

use std::collections::HashMap;
use std::sync::Arc;

use domain::cart::ports::{Product, ProductsError};
use domain::types::Sku;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use parking_lot::Mutex;

/// What products say of a sku.
pub(super) type Answer = Result<Option<Product>, ProductsError>;

type Flight = Shared<BoxFuture<'static, Answer>>;

/// The flights in the air, by sku. Cheap to clone. There are never more than callers.
#[derive(Clone, Default)]
pub(super) struct Flights(Arc<Mutex<Air>>);

#[derive(Default)]
struct Air {
    flights: HashMap<Sku, (u64, WeakShared<BoxFuture<'static, Answer>>)>,
    started: u64,
}

impl Flights {
    /// The flight of this sku: the one in the air, or else `work`, which is not polled otherwise.
    pub(super) fn join(&self, sku: Sku, work: impl Future<Output = Answer> + Send + 'static) -> Flight {
        let mut air = self.0.lock();
        if let Some(flight) = air.flights.get(&sku).and_then(|(_, flight)| flight.upgrade()) {
            return flight;
        }
        air.started += 1;
        let number = air.started;
        let landing = Landing {
            flights: self.clone(),
            sku,
            number,
        };
        let flight = async move {
            let answer = work.await;
            drop(landing);
            answer
        };
        let flight = flight.boxed().shared();
        if let Some(weak) = flight.downgrade() {
            air.flights.insert(sku, (number, weak));
        }
        flight
    }

    /// How many are in the air.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.lock().flights.len()
    }
}

/// Takes a flight off the list when it has landed or nobody waits for it any more.
struct Landing {
    flights: Flights,
    sku: Sku,
    number: u64,
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut air = self.flights.0.lock();
        // A flight that was given up may have a successor already.
        if air
            .flights
            .get(&self.sku)
            .is_some_and(|(number, _)| *number == self.number)
        {
            air.flights.remove(&self.sku);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::{join_all, pending};
    use tokio::sync::oneshot;

    use super::*;

    fn sku() -> Sku {
        Sku::try_from(7).unwrap()
    }

    #[tokio::test]
    async fn many_callers_make_one_flight_and_nothing_is_left() {
        let (flights, started) = (Flights::default(), Arc::new(AtomicUsize::new(0)));
        let answers = (0..100).map(|_| {
            let started = Arc::clone(&started);
            flights.join(sku(), async move {
                started.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                Err(ProductsError::Overloaded(420))
            })
        });
        let answers = join_all(answers).await;
        assert!(
            answers
                .iter()
                .all(|answer| matches!(answer, Err(ProductsError::Overloaded(420))))
        );
        assert_eq!(started.load(Ordering::Relaxed), 1);
        assert_eq!(flights.len(), 0);
    }

    #[tokio::test]
    async fn a_flight_goes_on_when_its_first_caller_leaves() {
        let flights = Flights::default();
        let (land, landed) = oneshot::channel::<()>();
        let mut first = flights.join(sku(), async move {
            landed.await.unwrap();
            Ok(None)
        });
        assert!((&mut first).now_or_never().is_none());
        let second = flights.join(sku(), async { unreachable!("one is in the air") });
        drop(first);
        land.send(()).unwrap();
        assert!(matches!(second.await, Ok(None)));
        assert_eq!(flights.len(), 0);
    }

    #[test]
    fn a_flight_ends_with_its_last_caller() {
        let flights = Flights::default();
        let (first, second) = (flights.join(sku(), pending()), flights.join(sku(), pending()));
        drop(first);
        assert_eq!(flights.len(), 1);
        drop(second);
        assert_eq!(flights.len(), 0);
    }
}
