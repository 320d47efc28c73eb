//! Orders and stock as the contract tells them, for one command at a time: integers and words
//! in plain maps. Nothing of the domain is used, so that a mistake of it is not repeated here.

use std::collections::{BTreeMap, HashMap};

/// What somebody wants.
#[derive(Debug, Clone)]
pub(crate) enum Wish {
    Place {
        user: i64,
        lines: Vec<(i64, u32)>,
        key: Option<String>,
    },
    Pay(i64),
    Cancel(i64),
    Expire {
        order: i64,
        placed_before: i64,
    },
}

#[derive(Debug, Clone)]
pub(crate) struct NaiveOrder {
    pub(crate) user: i64,
    pub(crate) lines: BTreeMap<i64, u32>,
    pub(crate) placed_at: i64,
    pub(crate) history: Vec<(&'static str, i64)>,
    answer: String,
}

impl NaiveOrder {
    pub(crate) fn status(&self) -> &'static str {
        self.history[self.history.len() - 1].0
    }
}

#[derive(Debug, Default)]
pub(crate) struct NaiveLedger {
    /// Units by sku: (total, reserved).
    pub(crate) stock: HashMap<i64, (u32, u32)>,
    /// The first is order 1.
    pub(crate) orders: Vec<NaiveOrder>,
    keys: HashMap<(i64, String), i64>,
    pub(crate) events: Vec<(i64, &'static str, i64)>,
}

impl NaiveLedger {
    pub(crate) fn with(stock: impl IntoIterator<Item = (i64, (u32, u32))>) -> Self {
        Self {
            stock: stock.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Fulfils a wish, or not, and says what it answers.
    pub(crate) fn run(&mut self, wish: &Wish, now: i64) -> String {
        match wish {
            Wish::Place { user, lines, key } => self.place(*user, lines, key.as_ref(), now),
            Wish::Pay(order) => self.settle(*order, "payed", now),
            Wish::Cancel(order) => self.settle(*order, "cancelled", now),
            Wish::Expire { order, placed_before } => {
                let Some(found) = self.order(*order) else {
                    return format!("no order {order}");
                };
                if found.status() != "awaiting payment" || found.placed_at >= *placed_before {
                    return "not due".to_owned();
                }
                self.settle(*order, "cancelled", now)
            }
        }
    }

    pub(crate) fn order(&self, order: i64) -> Option<&NaiveOrder> {
        self.orders.get(usize::try_from(order).unwrap() - 1)
    }

    fn place(&mut self, user: i64, wanted: &[(i64, u32)], key: Option<&String>, now: i64) -> String {
        let mut lines = BTreeMap::new();
        for (sku, count) in wanted {
            *lines.entry(*sku).or_insert(0) += count;
        }
        let scoped = key.map(|key| (user, key.clone()));
        if let Some(earlier) = scoped.as_ref().and_then(|key| self.keys.get(key)) {
            let earlier = self.order(*earlier).unwrap();
            return if earlier.lines == lines {
                earlier.answer.clone()
            } else {
                "other body".to_owned()
            };
        }
        let order = i64::try_from(self.orders.len()).unwrap() + 1;
        let short = lines.iter().find_map(|(sku, count)| match self.stock.get(sku) {
            None => Some(format!("order {order} short of {sku}: {count} of none")),
            Some((total, reserved)) if total - reserved < *count => {
                Some(format!("order {order} short of {sku}: {count} of {}", total - reserved))
            }
            Some(_) => None,
        });
        if short.is_none() {
            for (sku, count) in &lines {
                self.stock.get_mut(sku).unwrap().1 += count;
            }
        }
        let status = if short.is_some() { "failed" } else { "awaiting payment" };
        let answer = short.unwrap_or_else(|| format!("order {order}"));
        let history = vec![("new", now), (status, now)];
        self.events
            .extend(history.iter().map(|(status, at)| (order, *status, *at)));
        self.orders.push(NaiveOrder {
            user,
            lines,
            placed_at: now,
            history,
            answer: answer.clone(),
        });
        self.keys.extend(scoped.map(|key| (key, order)));
        answer
    }

    fn settle(&mut self, order: i64, to: &'static str, now: i64) -> String {
        let Some(found) = self.order(order) else {
            return format!("no order {order}");
        };
        let from = found.status();
        if from == to {
            return "already".to_owned();
        }
        if from != "awaiting payment" {
            return format!("order {order}: {from} to {to}");
        }
        for (sku, count) in found.lines.clone() {
            let (total, reserved) = self.stock.get_mut(&sku).unwrap();
            *reserved -= count;
            if to == "payed" {
                *total -= count;
            }
        }
        self.orders[usize::try_from(order).unwrap() - 1].history.push((to, now));
        self.events.push((order, to, now));
        "now".to_owned()
    }
}
