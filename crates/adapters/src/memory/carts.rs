//! Carts in memory: a map a shard, each under its own lock, so that users do not wait for
//! each other. The number of carts is bounded over all shards, and so is the memory of
//! answered checkouts, which forgets the oldest first.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};

use domain::cart::model::{Added, Age, Cart};
use domain::cart::ports::{AddError, Carts, CartsError, Ended, Freeze};
use domain::types::{IdempotencyKey, OrderId, Quantity, Sku, UserId};

use super::sync::{AtomicUsize, Mutex, MutexGuard, Ordering};

/// The bounds of the store.
#[derive(Debug, Clone, Copy)]
pub struct CartLimits {
    /// Most carts, those with an unresolved checkout included.
    pub carts_max: usize,
    /// Most answers remembered for callers' idempotency keys.
    pub answers_max: usize,
}

/// What all carts hold together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Lines.
    pub lines: usize,
    /// Checkouts whose outcome is not known.
    pub unresolved: usize,
}

const SHARDS: usize = 64;

#[derive(Debug, Default)]
struct Shard {
    carts: HashMap<UserId, Cart>,
    answers: HashMap<(UserId, IdempotencyKey), OrderId>,
    answered: VecDeque<(UserId, IdempotencyKey)>,
}

/// The carts of one process.
#[derive(Debug)]
pub struct MemoryCarts {
    limits: CartLimits,
    count: AtomicUsize,
    hasher: RandomState,
    shards: Vec<Mutex<Shard>>,
}

impl MemoryCarts {
    /// An empty store.
    #[must_use]
    pub fn new(limits: CartLimits) -> Self {
        let shards = std::iter::repeat_with(Mutex::default).take(SHARDS).collect();
        Self {
            limits,
            count: AtomicUsize::new(0),
            hasher: RandomState::new(),
            shards,
        }
    }

    /// How many carts there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// What all carts hold together, each shard looked at for itself.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for shard in &self.shards {
            for cart in shard.lock().carts.values() {
                totals.lines += cart.lines().len();
                totals.unresolved += usize::from(cart.is_frozen());
            }
        }
        totals
    }

    fn shard(&self, user: UserId) -> MutexGuard<'_, Shard> {
        // The remainder is below SHARDS, so it fits.
        let at = self.hasher.hash_one(user) % SHARDS as u64;
        self.shards[usize::try_from(at).unwrap_or(0)].lock()
    }

    /// Takes one of the places for carts.
    fn take_place(&self) -> Result<(), CartsError> {
        let max = self.limits.carts_max;
        let below = |count| (count < max).then_some(count + 1);
        let taken = self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, below);
        taken.map(drop).map_err(|_| CartsError::TooManyCarts)
    }

    /// Changes a cart that may be there, and forgets it when nothing is left in it.
    fn change(&self, shard: &mut Shard, user: UserId, f: impl FnOnce(&mut Cart)) {
        let Some(cart) = shard.carts.get_mut(&user) else { return };
        f(cart);
        if cart.is_idle() {
            shard.carts.remove(&user);
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Shard {
    fn remember(&mut self, key: (UserId, IdempotencyKey), order: OrderId, max: usize) {
        if self.answers.contains_key(&key) {
            return;
        }
        self.answers.insert(key.clone(), order);
        self.answered.push_back(key);
        while self.answered.len() > max {
            if let Some(oldest) = self.answered.pop_front() {
                self.answers.remove(&oldest);
            }
        }
    }
}

impl Carts for MemoryCarts {
    async fn lines(&self, user: UserId) -> Result<Vec<(Sku, Quantity)>, CartsError> {
        let shard = self.shard(user);
        let lines = shard.carts.get(&user).map(|cart| cart.lines().iter());
        Ok(lines
            .into_iter()
            .flatten()
            .map(|line| (line.sku, line.quantity))
            .collect())
    }

    async fn add(&self, user: UserId, sku: Sku, quantity: Quantity, free: u32) -> Result<Added, AddError> {
        let mut shard = self.shard(user);
        if let Some(cart) = shard.carts.get_mut(&user) {
            return Ok(cart.add(sku, quantity, free)?);
        }
        let mut cart = Cart::default();
        let added = cart.add(sku, quantity, free)?;
        self.take_place()?;
        shard.carts.insert(user, cart);
        Ok(added)
    }

    async fn remove(&self, user: UserId, sku: Sku) -> Result<(), CartsError> {
        self.change(&mut self.shard(user), user, |cart| cart.remove(sku));
        Ok(())
    }

    async fn clear(&self, user: UserId) -> Result<(), CartsError> {
        self.change(&mut self.shard(user), user, Cart::clear);
        Ok(())
    }

    async fn answered(&self, user: UserId, caller_key: IdempotencyKey) -> Result<Option<OrderId>, CartsError> {
        Ok(self.shard(user).answers.get(&(user, caller_key)).copied())
    }

    async fn freeze(
        &self,
        user: UserId,
        caller_key: Option<IdempotencyKey>,
        fresh: Option<IdempotencyKey>,
    ) -> Result<Freeze, CartsError> {
        let mut shard = self.shard(user);
        if let Some(key) = caller_key
            && let Some(order) = shard.answers.get(&(user, key))
        {
            return Ok(Freeze::Answered(*order));
        }
        let frozen = shard.carts.get_mut(&user).and_then(|cart| cart.freeze(fresh));
        Ok(match frozen {
            Some((frozen, Age::New)) => Freeze::New(frozen),
            Some((frozen, Age::Unresolved)) => Freeze::Unresolved(frozen),
            None => Freeze::Empty,
        })
    }

    async fn end(
        &self,
        user: UserId,
        key: IdempotencyKey,
        ended: Ended,
        caller_keys: Vec<IdempotencyKey>,
    ) -> Result<(), CartsError> {
        let mut shard = self.shard(user);
        match ended {
            Ended::Unknown => self.change(&mut shard, user, |cart| cart.wait(&key, caller_keys)),
            Ended::Dropped => self.change(&mut shard, user, |cart| {
                cart.end(&key, None);
            }),
            Ended::Placed(order) => {
                let mut waited = None;
                self.change(&mut shard, user, |cart| waited = cart.end(&key, Some(order)));
                for caller in waited.into_iter().flatten().chain(caller_keys) {
                    shard.remember((user, caller), order, self.limits.answers_max.div_ceil(SHARDS));
                }
            }
        }
        Ok(())
    }

    async fn unresolved(&self, limit: usize) -> Result<Vec<UserId>, CartsError> {
        let mut users = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock();
            let frozen = shard
                .carts
                .iter()
                .filter(|(_, cart)| cart.is_frozen())
                .map(|(user, _)| *user);
            users.extend(frozen.take(limit - users.len()));
        }
        Ok(users)
    }
}
