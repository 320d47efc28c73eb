//! Checking a cart out, whatever is lost on the way.

mod caller_keys;
mod flights;
mod outcomes;
mod resolve;
mod unknown;

use std::collections::VecDeque;
use std::future::ready;
use std::sync::{Arc, Mutex};

use crate::support::block_on;
use adapters::memory::carts::{CartLimits, MemoryCarts};
use domain::cart::checkout::{Checkout, CheckoutError};
use domain::cart::model::Added;
use domain::cart::ports::{AddError, Carts, CartsError, Ended, Freeze, LomsError, MockLoms};
use domain::order::model::Lines;
use domain::testing::build::{CountingKeys, ParkedSpawner, key, order_id, sku, units, user};
use domain::testing::carts_contract::content;
use domain::testing::faults::planted;
use domain::types::{IdempotencyKey, OrderId, Quantity, Sku, UserId};
use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::BoxFuture;

type Answer = BoxFuture<'static, Result<OrderId, LomsError>>;

/// The kinds of answer of LOMS.
fn placed(n: i64) -> Answer {
    ready(Ok(order_id(n))).boxed()
}
fn refused() -> Answer {
    ready(Err(LomsError::Refused(
        "order 9 failed: sku 1: 2 wanted, 1 free".to_owned(),
    )))
    .boxed()
}
fn unavailable() -> Answer {
    ready(Err(LomsError::Unavailable(planted()))).boxed()
}
fn unknown() -> Answer {
    ready(Err(LomsError::Unknown(planted()))).boxed()
}
fn rejected() -> Answer {
    ready(Err(LomsError::Rejected(planted()))).boxed()
}
fn panics() -> Answer {
    async { panic!("LOMS panicked") }.boxed()
}

/// An answer that comes when the test opens the gate.
fn gated(answer: Answer) -> (oneshot::Sender<()>, Answer) {
    let (open, gate) = oneshot::channel();
    let late = async move {
        let _ = gate.await;
        answer.await
    };
    (open, late.boxed())
}

/// What happens before a step over the carts, or after it, once.
type Before = Mutex<Option<BoxFuture<'static, Result<(), CartsError>>>>;

async fn happen(before: &Before) -> Result<(), CartsError> {
    let planned = before.lock().unwrap().take();
    planned.unwrap_or_else(|| ready(Ok(())).boxed()).await
}

/// Carts in memory whose steps can be held up, or made to fail, once.
struct TestCarts {
    inner: MemoryCarts,
    after_answered: Before,
    before_freeze: Before,
    before_end: Before,
}

impl TestCarts {
    /// Holds the next step up until the sender is used or dropped.
    fn hold_up(before: &Before) -> oneshot::Sender<()> {
        let (open, gate) = oneshot::channel();
        *before.lock().unwrap() = Some(gate.map(|_| Ok(())).boxed());
        open
    }
}

impl Carts for TestCarts {
    async fn lines(&self, user: UserId) -> Result<Vec<(Sku, Quantity)>, CartsError> {
        self.inner.lines(user).await
    }
    async fn add(&self, user: UserId, sku: Sku, quantity: Quantity, free: u32) -> Result<Added, AddError> {
        self.inner.add(user, sku, quantity, free).await
    }
    async fn remove(&self, user: UserId, sku: Sku) -> Result<(), CartsError> {
        self.inner.remove(user, sku).await
    }
    async fn clear(&self, user: UserId) -> Result<(), CartsError> {
        self.inner.clear(user).await
    }
    async fn answered(&self, user: UserId, caller_key: IdempotencyKey) -> Result<Option<OrderId>, CartsError> {
        let answered = self.inner.answered(user, caller_key).await;
        happen(&self.after_answered).await?;
        answered
    }
    async fn freeze(
        &self,
        user: UserId,
        caller_key: Option<IdempotencyKey>,
        fresh: Option<IdempotencyKey>,
    ) -> Result<Freeze, CartsError> {
        happen(&self.before_freeze).await?;
        self.inner.freeze(user, caller_key, fresh).await
    }
    async fn end(
        &self,
        user: UserId,
        key: IdempotencyKey,
        ended: Ended,
        caller_keys: Vec<IdempotencyKey>,
    ) -> Result<(), CartsError> {
        happen(&self.before_end).await?;
        self.inner.end(user, key, ended, caller_keys).await
    }
    async fn unresolved(&self, limit: usize) -> Result<Vec<UserId>, CartsError> {
        self.inner.unresolved(limit).await
    }
}

type Sent = Arc<Mutex<Vec<(UserId, Lines, IdempotencyKey)>>>;

/// User 1 has two units of sku 1 and three of sku 2 in the cart; LOMS answers by a script.
struct Bench {
    carts: Arc<TestCarts>,
    sent: Sent,
    spawner: Arc<ParkedSpawner>,
    checkout: Checkout<TestCarts, MockLoms, CountingKeys, Arc<ParkedSpawner>>,
}

const FILLED: [(i64, u32); 2] = [(1, 2), (2, 3)];

impl Bench {
    fn with(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::bounded(answers, 100)
    }

    fn bounded(answers: impl IntoIterator<Item = Answer>, flights_max: usize) -> Self {
        let inner = MemoryCarts::new(CartLimits {
            carts_max: 100,
            answers_max: 64 * 100,
        });
        let carts = Arc::new(TestCarts {
            inner,
            after_answered: Before::default(),
            before_freeze: Before::default(),
            before_end: Before::default(),
        });
        let (sent, script) = (
            Sent::default(),
            Mutex::new(answers.into_iter().collect::<VecDeque<_>>()),
        );
        let (mut loms, calls) = (MockLoms::new(), Arc::clone(&sent));
        loms.expect_create().returning(move |user, lines, key| {
            calls.lock().unwrap().push((user, lines, key));
            let answer = script.lock().unwrap().pop_front();
            answer.expect("LOMS is asked no more often than the script says")
        });
        let spawner = Arc::new(ParkedSpawner::default());
        let checkout = Checkout::new(
            Arc::clone(&carts),
            Arc::new(loms),
            CountingKeys::default(),
            Arc::clone(&spawner),
            flights_max,
        );
        let bench = Self {
            carts,
            sent,
            spawner,
            checkout,
        };
        bench.fill(1);
        bench
    }

    fn fill(&self, n: i64) {
        for (s, count) in FILLED {
            self.add(n, s, count);
        }
    }

    fn add(&self, n: i64, s: i64, count: u32) {
        let added = self.carts.add(user(n), sku(s), units(count), u32::MAX);
        added.now_or_never().unwrap().unwrap();
    }

    fn content(&self) -> Vec<(i64, u32)> {
        block_on(content(&*self.carts, 1))
    }

    /// What was sent for user 1 so far.
    fn sent(&self) -> Vec<(Lines, IdempotencyKey)> {
        let sent = self.sent.lock().unwrap();
        sent.iter()
            .filter(|(who, ..)| *who == user(1))
            .map(|(_, lines, key)| (lines.clone(), key.clone()))
            .collect()
    }

    fn unresolved(&self) -> Vec<UserId> {
        block_on(self.carts.unresolved(10)).unwrap()
    }

    fn run(&self) -> Result<OrderId, CheckoutError> {
        block_on(self.checkout.run(user(1), None))
    }

    fn run_keyed(&self, text: &str) -> Result<OrderId, CheckoutError> {
        block_on(self.checkout.run(user(1), Some(key(text))))
    }

    fn resolve(&self) -> Result<OrderId, CheckoutError> {
        block_on(self.checkout.resolve(user(1)))
    }

    /// A call of its own, to be polled beside others.
    fn call(&self, text: Option<&str>) -> BoxFuture<'static, Result<OrderId, CheckoutError>> {
        let (checkout, caller_key) = (self.checkout.clone(), text.map(key));
        async move { checkout.run(user(1), caller_key).await }.boxed()
    }
}

/// Polls once; the call must wait.
async fn waits(call: &mut BoxFuture<'static, Result<OrderId, CheckoutError>>) {
    assert!(futures::poll!(call).is_pending());
}
