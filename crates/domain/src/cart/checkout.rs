//! Use case: turn a cart into an order, once, whatever is lost on the way.
//!
//! The lines and a key of ours are frozen before LOMS is called. A known outcome ends the
//! frozen checkout; an unknown one keeps it, and everything that comes later resolves exactly
//! those lines under that key first. One checkout is in flight a user: whoever comes meanwhile
//! waits for the same answer. It runs to its end whether or not its caller still waits.

use std::collections::HashMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};

use super::model::FrozenCheckout;
use super::ports::{Carts, CartsError, Ended, Freeze, Keys, Loms, LomsError, Spawner};
use crate::error::{ErrorKind, Kind};
use crate::types::{IdempotencyKey, OrderId, UserId};

/// Most callers with an idempotency key of their own that may wait for one checkout.
const KEYED_WAITERS_MAX: usize = 64;

/// Why a checkout gave no order.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CheckoutError {
    /// Nothing is in the cart.
    #[error("the cart is empty")]
    Empty,
    /// Not enough stock; the cart is unchanged.
    #[error("{0}")]
    Refused(String),
    /// Nothing was done: LOMS is not there, or too many checkouts are in flight.
    #[error("orders are not available; nothing was done, try again later")]
    Unavailable(#[source] Option<LomsError>),
    /// The carts failed before LOMS was asked.
    #[error(transparent)]
    Carts(#[from] CartsError),
    /// An order may or may not have been made.
    #[error("the outcome is not known yet; repeat the checkout to learn it")]
    Unknown(#[source] LomsError),
    /// LOMS called our request wrong.
    #[error("internal error")]
    Rejected(#[source] LomsError),
    /// The checkout panicked; its outcome is unknown until the next one.
    #[error("internal error")]
    Panicked,
}

impl Kind for CheckoutError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Empty => ErrorKind::NotFound,
            Self::Refused(_) => ErrorKind::Refused,
            Self::Unavailable(_) | Self::Carts(_) => ErrorKind::Unavailable,
            Self::Unknown(_) => ErrorKind::OutcomeUnknown,
            Self::Rejected(_) | Self::Panicked => ErrorKind::Internal,
        }
    }
}

/// What a flight may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// A new checkout, after an unresolved one.
    Order,
    /// Only to resolve an unresolved one.
    Resolve,
}

type Answer = Shared<BoxFuture<'static, Result<OrderId, CheckoutError>>>;

#[derive(Clone)]
struct Flight {
    purpose: Purpose,
    answer: Answer,
    caller_keys: Arc<Mutex<Vec<IdempotencyKey>>>,
}

impl Flight {
    /// Notes that the caller of this key is to get the answer.
    fn wait(&self, key: IdempotencyKey) -> Result<(), CheckoutError> {
        let mut keys = lock(&self.caller_keys);
        if keys.contains(&key) {
            return Ok(());
        }
        if keys.len() >= KEYED_WAITERS_MAX {
            return Err(CheckoutError::Unavailable(None));
        }
        keys.push(key);
        Ok(())
    }
}

/// Checks carts out. Cheap to clone; the clones share what is in flight.
pub struct Checkout<C, L, K, S> {
    shared: Arc<Parts<C, L, K, S>>,
}

struct Parts<C, L, K, S> {
    carts: Arc<C>,
    loms: Arc<L>,
    keys: K,
    spawner: S,
    flights_max: usize,
    flights: Mutex<HashMap<UserId, Flight>>,
}

impl<C, L, K, S> Clone for Checkout<C, L, K, S> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<C, L, K, S> fmt::Debug for Checkout<C, L, K, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkout")
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}

impl<C, L, K, S> Checkout<C, L, K, S> {
    /// How many checkouts are in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        lock(&self.shared.flights).len()
    }
}

impl<C: Carts, L: Loms, K: Keys, S: Spawner> Checkout<C, L, K, S> {
    /// Over these ports, with at most `flights_max` checkouts in flight.
    pub fn new(carts: Arc<C>, loms: Arc<L>, keys: K, spawner: S, flights_max: usize) -> Self {
        let flights = Mutex::new(HashMap::new());
        Self {
            shared: Arc::new(Parts {
                carts,
                loms,
                keys,
                spawner,
                flights_max,
                flights,
            }),
        }
    }

    /// Orders what is in the cart of `user`. The same `caller_key` gives the same order.
    ///
    /// # Errors
    /// [`CheckoutError`]; `Unknown` is resolved by the next call, or in the background.
    pub async fn run(&self, user: UserId, caller_key: Option<IdempotencyKey>) -> Result<OrderId, CheckoutError> {
        if let Some(order) = self.answered(user, caller_key.as_ref()).await? {
            return Ok(order);
        }
        loop {
            let flight = self.join(user, caller_key.clone(), Purpose::Order)?;
            let answer = flight.answer.await;
            // A background flight that found nothing to resolve says nothing about our cart.
            if flight.purpose == Purpose::Resolve && matches!(answer, Err(CheckoutError::Empty)) {
                continue;
            }
            let order = answer?;
            // Our key may have been answered while we joined a later flight: then that answer counts.
            return Ok(self
                .answered(user, caller_key.as_ref())
                .await
                .ok()
                .flatten()
                .unwrap_or(order));
        }
    }

    async fn answered(&self, user: UserId, key: Option<&IdempotencyKey>) -> Result<Option<OrderId>, CartsError> {
        match key {
            Some(key) => self.shared.carts.answered(user, key.clone()).await,
            None => Ok(None),
        }
    }

    /// Resolves the unresolved checkout of `user`, if there is one, and begins no other.
    ///
    /// # Errors
    /// [`CheckoutError`]; `Empty` when there was nothing to resolve.
    pub async fn resolve(&self, user: UserId) -> Result<OrderId, CheckoutError> {
        self.join(user, None, Purpose::Resolve)?.answer.await
    }

    /// The flight of this user, begun if there is none.
    fn join(&self, user: UserId, key: Option<IdempotencyKey>, purpose: Purpose) -> Result<Flight, CheckoutError> {
        let mut flights = lock(&self.shared.flights);
        if let Some(flight) = flights.get(&user) {
            if let Some(key) = key {
                flight.wait(key)?;
            }
            return Ok(flight.clone());
        }
        if flights.len() >= self.shared.flights_max {
            return Err(CheckoutError::Unavailable(None));
        }
        let caller_keys = Arc::new(Mutex::new(key.clone().into_iter().collect()));
        let answer = fly(Arc::clone(&self.shared), user, key, purpose).boxed().shared();
        let flight = Flight {
            purpose,
            answer,
            caller_keys,
        };
        flights.insert(user, flight.clone());
        drop(flights);
        self.shared.spawner.spawn(flight.answer.clone().map(drop).boxed());
        Ok(flight)
    }
}

async fn fly<C: Carts, L: Loms, K: Keys, S: Spawner>(
    parts: Arc<Parts<C, L, K, S>>,
    user: UserId,
    caller_key: Option<IdempotencyKey>,
    purpose: Purpose,
) -> Result<OrderId, CheckoutError> {
    let flown = AssertUnwindSafe(parts.order(user, caller_key, purpose))
        .catch_unwind()
        .await;
    let (frozen, answer) = flown.unwrap_or((None, Err(CheckoutError::Panicked)));
    let told = match (frozen, ended(&answer)) {
        (Some(key), Some(ended)) => AssertUnwindSafe(parts.tell(user, key, ended))
            .catch_unwind()
            .await
            .is_ok(),
        (None, _) | (_, None) => false,
    };
    if !told {
        parts.land(user, usize::MAX);
    }
    answer
}

/// What an answer proves about the frozen checkout; `None` where nothing.
fn ended(answer: &Result<OrderId, CheckoutError>) -> Option<Ended> {
    match answer {
        Ok(order) => Some(Ended::Placed(*order)),
        Err(CheckoutError::Refused(_) | CheckoutError::Unavailable(_) | CheckoutError::Rejected(_)) => {
            Some(Ended::Dropped)
        }
        Err(CheckoutError::Unknown(_)) => Some(Ended::Unknown),
        Err(CheckoutError::Empty | CheckoutError::Carts(_) | CheckoutError::Panicked) => None,
    }
}

impl<C: Carts, L: Loms, K: Keys, S> Parts<C, L, K, S> {
    /// The key of the frozen checkout, if one was sent, and its answer.
    async fn order(
        &self,
        user: UserId,
        caller_key: Option<IdempotencyKey>,
        purpose: Purpose,
    ) -> (Option<IdempotencyKey>, Result<OrderId, CheckoutError>) {
        let fresh = match purpose {
            Purpose::Order => Some(self.keys.fresh()),
            Purpose::Resolve => None,
        };
        let (FrozenCheckout { key, lines }, unresolved) = match self.carts.freeze(user, caller_key, fresh).await {
            Err(error) => return (None, Err(error.into())),
            Ok(Freeze::Answered(order)) => return (None, Ok(order)),
            Ok(Freeze::Empty) => return (None, Err(CheckoutError::Empty)),
            Ok(Freeze::New(frozen)) => (frozen, false),
            Ok(Freeze::Unresolved(frozen)) => (frozen, true),
        };
        let answer = self
            .loms
            .create(user, lines, key.clone())
            .await
            .map_err(|error| match error {
                LomsError::Refused(message) => CheckoutError::Refused(message),
                LomsError::Unknown(_) => CheckoutError::Unknown(error),
                // That nothing was done now says nothing about the first time.
                LomsError::Unavailable(_) | LomsError::Rejected(_) if unresolved => CheckoutError::Unknown(error),
                LomsError::Unavailable(_) => CheckoutError::Unavailable(Some(error)),
                LomsError::Rejected(_) => CheckoutError::Rejected(error),
            });
        (Some(key), answer)
    }

    /// Tells the cart how it ended, and only then lands: a checkout that began in between would
    /// send again what this one is about to drop. Again for those who came while it was told.
    async fn tell(&self, user: UserId, key: IdempotencyKey, ended: Ended) {
        loop {
            let callers = self.callers(user);
            let known = callers.len();
            // Should this fail the checkout stays frozen, and the next one ends it.
            let _ = self.carts.end(user, key.clone(), ended, callers).await;
            if self.land(user, known) {
                return;
            }
        }
    }

    fn callers(&self, user: UserId) -> Vec<IdempotencyKey> {
        lock(&self.flights)
            .get(&user)
            .map(|flight| lock(&flight.caller_keys).clone())
            .unwrap_or_default()
    }

    /// Takes the flight off the board, unless more callers than `known` wait for it by now.
    fn land(&self, user: UserId, known: usize) -> bool {
        let mut flights = lock(&self.flights);
        let more = flights
            .get(&user)
            .is_some_and(|flight| lock(&flight.caller_keys).len() > known);
        if !more {
            flights.remove(&user);
        }
        !more
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
