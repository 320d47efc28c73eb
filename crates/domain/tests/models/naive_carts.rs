//! Carts as the contract tells them: integers and words in plain maps.

use std::collections::{BTreeMap, BTreeSet, HashMap};

#[derive(Debug, Default)]
struct NaiveCart {
    lines: BTreeMap<i64, u32>,
    frozen: Option<(String, BTreeMap<i64, u32>)>,
    waiting: BTreeSet<String>,
}

#[derive(Debug, Default)]
pub(crate) struct NaiveCarts {
    carts_max: usize,
    carts: HashMap<i64, NaiveCart>,
    answered: HashMap<(i64, String), i64>,
}

impl NaiveCarts {
    pub(crate) fn bounded(carts_max: usize) -> Self {
        Self {
            carts_max,
            ..Self::default()
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.carts
            .values()
            .filter(|cart| !cart.lines.is_empty() || cart.frozen.is_some())
            .count()
    }

    pub(crate) fn lines(&self, user: i64) -> Vec<(i64, u32)> {
        self.carts
            .get(&user)
            .map(|cart| cart.lines.clone().into_iter().collect())
            .unwrap_or_default()
    }

    pub(crate) fn unresolved(&self) -> BTreeSet<i64> {
        self.carts
            .iter()
            .filter(|(_, cart)| cart.frozen.is_some())
            .map(|(user, _)| *user)
            .collect()
    }

    fn exists(&self, user: i64) -> bool {
        self.carts
            .get(&user)
            .is_some_and(|cart| !cart.lines.is_empty() || cart.frozen.is_some())
    }

    pub(crate) fn add(&mut self, user: i64, sku: i64, count: u32, free: u32) -> String {
        let before = self.carts.get(&user).and_then(|cart| cart.lines.get(&sku)).copied();
        let sum = u64::from(before.unwrap_or(0)) + u64::from(count);
        let Ok(sum) = u32::try_from(sum) else {
            return format!("too many of {sku}");
        };
        if sum > free {
            return format!("{sum} of {sku}, {free} free");
        }
        if !self.exists(user) && self.count() >= self.carts_max {
            return "too many carts".to_owned();
        }
        self.carts.entry(user).or_default().lines.insert(sku, sum);
        if before.is_some() { "increased" } else { "new" }.to_owned()
    }

    pub(crate) fn remove(&mut self, user: i64, sku: i64) {
        self.carts.entry(user).or_default().lines.remove(&sku);
    }

    pub(crate) fn clear(&mut self, user: i64) {
        self.carts.entry(user).or_default().lines.clear();
    }

    pub(crate) fn freeze(&mut self, user: i64, caller: Option<&str>, fresh: Option<&str>) -> String {
        let answered = caller.and_then(|caller| self.answered.get(&(user, caller.to_owned())));
        if let Some(order) = answered {
            return format!("order {order}");
        }
        let cart = self.carts.entry(user).or_default();
        if let Some((key, lines)) = &cart.frozen {
            return format!("unresolved {key} {lines:?}");
        }
        match fresh {
            Some(key) if !cart.lines.is_empty() => {
                cart.frozen = Some((key.to_owned(), cart.lines.clone()));
                format!("new {key} {:?}", cart.lines)
            }
            _ => "empty".to_owned(),
        }
    }

    /// `order`: `Some(Some(_))` was made, `Some(None)` was certainly not, `None`: nobody knows.
    pub(crate) fn end(&mut self, user: i64, key: &str, order: Option<Option<i64>>, callers: &[String]) {
        let cart = self.carts.entry(user).or_default();
        let ours = cart.frozen.as_ref().is_some_and(|(frozen, _)| frozen == key);
        let Some(outcome) = order else {
            if ours {
                cart.waiting.extend(callers.iter().cloned());
            }
            return;
        };
        let mut told: BTreeSet<String> = callers.iter().cloned().collect();
        if ours {
            let (_, ordered) = cart.frozen.take().unwrap();
            told.append(&mut cart.waiting);
            for (sku, count) in ordered.into_iter().filter(|_| outcome.is_some()) {
                let left = cart.lines.get(&sku).map_or(0, |there| there.saturating_sub(count));
                cart.lines.insert(sku, left);
            }
            cart.lines.retain(|_, count| *count > 0);
        }
        if let Some(order) = outcome {
            for caller in told {
                self.answered.entry((user, caller)).or_insert(order);
            }
        }
    }
}
