//! The cart of one user and its rules. A checkout freezes what is in the cart under an
//! idempotency key; only when it is known to have made an order do exactly the frozen counts
//! leave, so that what was added meanwhile stays. Source: the contract, "Cart" and "Checkout".

use crate::order::model::{Line, Lines, MAX_LINES};
use crate::types::{IdempotencyKey, OrderId, Quantity, Sku};

/// What adding to a cart did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// The sku was not in the cart.
    New,
    /// It was, and the counts were added.
    Increased,
}

/// Why something cannot be added to a cart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CartFull {
    /// The sum of the counts of a sku is over 32 bits.
    #[error("count of sku {0} would be over 4294967295: add less")]
    CountOverflow(Sku),
    /// The cart would have too many lines.
    #[error("a cart holds at most 500 different skus: remove one first")]
    TooManyLines,
    /// There is not so much that can be bought.
    #[error("not enough stock of sku {sku}: {wanted} wanted with what is in the cart, {free} free")]
    NotEnoughStock {
        /// The sku.
        sku: Sku,
        /// Units in the cart, the new ones included.
        wanted: u32,
        /// Units that can be bought now.
        free: u32,
    },
}

/// What was sent, or is to be sent, to LOMS: lines and key never change until it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrozenCheckout {
    /// Our idempotency key for it.
    pub key: IdempotencyKey,
    /// What is ordered.
    pub lines: Lines,
}

/// Most callers' keys that wait for the answer of a frozen checkout; more are not remembered.
const WAITING_CALLERS_MAX: usize = 64;

/// A frozen checkout and who is to get its answer.
#[derive(Debug, Clone)]
struct Frozen {
    checkout: FrozenCheckout,
    callers: Vec<IdempotencyKey>,
}

/// The cart of one user.
#[derive(Debug, Clone, Default)]
pub struct Cart {
    /// By ascending sku, each once.
    lines: Vec<Line>,
    frozen: Option<Frozen>,
}

impl Cart {
    /// What is in it, by ascending sku.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Whether nothing would be lost by forgetting it.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.lines.is_empty() && self.frozen.is_none()
    }

    /// Whether a checkout is frozen.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// Adds units of a sku of which `free` can be bought now.
    ///
    /// # Errors
    /// [`CartFull`]; the cart is unchanged.
    pub fn add(&mut self, sku: Sku, quantity: Quantity, free: u32) -> Result<Added, CartFull> {
        match self.lines.binary_search_by_key(&sku, |line| line.sku) {
            Ok(at) => {
                let sum = self.lines[at]
                    .quantity
                    .checked_add(quantity)
                    .ok_or(CartFull::CountOverflow(sku))?;
                enough(sku, sum, free)?;
                self.lines[at].quantity = sum;
                Ok(Added::Increased)
            }
            Err(_) if self.lines.len() >= MAX_LINES => Err(CartFull::TooManyLines),
            Err(at) => {
                enough(sku, quantity, free)?;
                self.lines.insert(at, Line { sku, quantity });
                Ok(Added::New)
            }
        }
    }

    /// Takes a sku out, whether it is in or not.
    pub fn remove(&mut self, sku: Sku) {
        self.lines.retain(|line| line.sku != sku);
    }

    /// Takes everything out. A frozen checkout stays: it may have become an order.
    pub fn clear(&mut self) {
        self.lines = Vec::new();
    }

    /// The frozen checkout, and whether it is older than this call; without a fresh key only
    /// an older one. `None` where there is nothing to check out.
    pub fn freeze(&mut self, fresh: Option<IdempotencyKey>) -> Option<(FrozenCheckout, Age)> {
        if let Some(frozen) = &self.frozen {
            return Some((frozen.checkout.clone(), Age::Unresolved));
        }
        let lines = Lines::merge(self.lines.iter().copied()).ok()?;
        let checkout = FrozenCheckout { key: fresh?, lines };
        self.frozen = Some(Frozen {
            checkout: checkout.clone(),
            callers: Vec::new(),
        });
        Some((checkout, Age::New))
    }

    /// Notes under which keys of their own callers wait for the frozen checkout of this key.
    pub fn wait(&mut self, key: &IdempotencyKey, callers: impl IntoIterator<Item = IdempotencyKey>) {
        let Some(frozen) = self.frozen.as_mut().filter(|frozen| frozen.checkout.key == *key) else {
            return;
        };
        for caller in callers {
            if frozen.callers.len() < WAITING_CALLERS_MAX && !frozen.callers.contains(&caller) {
                frozen.callers.push(caller);
            }
        }
    }

    /// Ends the frozen checkout of this key; `order` is what it made, if anything.
    /// The keys of those who wait for it, `None` where another one is frozen.
    pub fn end(&mut self, key: &IdempotencyKey, order: Option<OrderId>) -> Option<Vec<IdempotencyKey>> {
        let frozen = self.frozen.take_if(|frozen| frozen.checkout.key == *key)?;
        if order.is_some() {
            for ordered in frozen.checkout.lines.iter() {
                self.take(ordered);
            }
        }
        Some(frozen.callers)
    }

    fn take(&mut self, ordered: &Line) {
        let Ok(at) = self.lines.binary_search_by_key(&ordered.sku, |line| line.sku) else {
            return; // removed meanwhile: never below zero
        };
        match self.lines[at].quantity.minus(ordered.quantity) {
            Some(left) => self.lines[at].quantity = left,
            None => {
                self.lines.remove(at);
            }
        }
    }
}

/// Whether a frozen checkout was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// Frozen by this call.
    New,
    /// Frozen by an earlier one whose outcome is not known.
    Unresolved,
}

fn enough(sku: Sku, wanted: Quantity, free: u32) -> Result<(), CartFull> {
    let wanted = wanted.get();
    if wanted <= free {
        Ok(())
    } else {
        Err(CartFull::NotEnoughStock { sku, wanted, free })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sku(n: i64) -> Sku {
        Sku::try_from(n).unwrap()
    }
    fn units(n: u32) -> Quantity {
        Quantity::try_from(n).unwrap()
    }
    fn key(text: &str) -> IdempotencyKey {
        IdempotencyKey::new(text).unwrap()
    }
    fn order() -> Option<OrderId> {
        OrderId::try_from(1).ok()
    }
    fn content(cart: &Cart) -> Vec<(i64, u32)> {
        cart.lines().iter().map(|l| (l.sku.get(), l.quantity.get())).collect()
    }

    #[test]
    fn adds_in_order_of_sku_and_adds_counts_up() {
        let mut cart = Cart::default();
        assert_eq!(cart.add(sku(2), units(1), 10), Ok(Added::New));
        assert_eq!(cart.add(sku(1), units(3), 10), Ok(Added::New));
        assert_eq!(cart.add(sku(2), units(9), 10), Ok(Added::Increased));
        assert_eq!(content(&cart), [(1, 3), (2, 10)]);
        let refused = cart.add(sku(2), units(1), 10);
        assert_eq!(
            refused,
            Err(CartFull::NotEnoughStock {
                sku: sku(2),
                wanted: 11,
                free: 10
            })
        );
        assert_eq!(content(&cart), [(1, 3), (2, 10)]);
    }

    #[test]
    fn bounds_counts_and_lines() {
        let mut cart = Cart::default();
        for n in 1..=500 {
            cart.add(sku(n), units(u32::MAX), u32::MAX).unwrap();
        }
        assert_eq!(cart.add(sku(501), units(1), u32::MAX), Err(CartFull::TooManyLines));
        assert_eq!(
            cart.add(sku(500), units(1), u32::MAX),
            Err(CartFull::CountOverflow(sku(500)))
        );
    }

    #[test]
    fn exactly_the_frozen_counts_leave() {
        let mut cart = Cart::default();
        cart.add(sku(1), units(5), 99).unwrap();
        cart.add(sku(2), units(5), 99).unwrap();
        cart.add(sku(3), units(5), 99).unwrap();
        let (frozen, age) = cart.freeze(Some(key("k"))).unwrap();
        assert_eq!((frozen.lines.len(), age), (3, Age::New));
        cart.add(sku(1), units(2), 99).unwrap(); // stays
        cart.remove(sku(2)); // never below zero
        cart.add(sku(4), units(1), 99).unwrap(); // stays
        assert_eq!(cart.end(&key("other"), order()), None);
        assert_eq!(cart.end(&key("k"), order()), Some(vec![]));
        assert_eq!(content(&cart), [(1, 2), (4, 1)]);
    }

    #[test]
    fn an_unresolved_checkout_survives_changes_and_comes_first() {
        let mut cart = Cart::default();
        cart.add(sku(1), units(5), 99).unwrap();
        let (first, _) = cart.freeze(Some(key("first"))).unwrap();
        cart.clear();
        assert!(!cart.is_idle());
        let (again, age) = cart.freeze(Some(key("second"))).unwrap();
        assert_eq!((again, age), (first, Age::Unresolved));
        cart.wait(&key("other"), [key("not-mine")]);
        cart.wait(&key("first"), [key("mine"), key("mine")]);
        assert_eq!(cart.end(&key("first"), None), Some(vec![key("mine")]));
        assert!(cart.is_idle());
        assert_eq!(cart.freeze(Some(key("third"))), None);
    }
}
