//! Holds what the shop says after a run against what it said before.
//!
//! For each sku: free before − free after = units of its orders that are awaiting payment or payed, as
//! `OrderInfo` tells. Beside that: no sku sold more than was free (oversold), every order as it was
//! ordered and in the status it was answered to be in, none counted twice. All by the public API, so
//! it holds for any deployment, as long as nobody else buys meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use serde::Serialize;

use crate::book::{Book, Fate, Pending, Placed};
use crate::client::{Answer, Fault, FaultKind, Target, Told};
use crate::dataset::Line;
use crate::error::LoadError;

/// Tries of one question of the audit.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);
/// Order problems that are spelled out.
const PROBLEMS_SHOWN: usize = 20;

/// Free units by sku; skus without a stock record are not in it.
pub(crate) type Free = BTreeMap<i64, u32>;

/// A fault put into the audit on purpose, to test that it finds one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Plant {
    /// One line of one order is left out of the bookkeeping.
    DropLine,
}

/// How to audit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AuditOptions {
    /// Questions in flight.
    pub(crate) in_flight: usize,
    /// How long each unknown outcome is asked after.
    pub(crate) patience: Duration,
    /// Test only.
    pub(crate) plant: Option<Plant>,
}

/// What the audit found.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Verdict {
    /// Skus looked at.
    pub(crate) skus: usize,
    /// Orders by status.
    pub(crate) orders: BTreeMap<String, u64>,
    /// Units of orders that are awaiting payment or payed.
    pub(crate) units_sold: u64,
    /// Unknown outcomes that a repeat with their key settled.
    pub(crate) resolved: usize,
    /// Unknown outcomes that stayed unknown.
    pub(crate) unresolved: usize,
    /// Units sold beyond what was free.
    pub(crate) oversold: u64,
    /// Skus whose stock and orders do not agree.
    pub(crate) differences: Vec<Difference>,
    /// How many orders are not as they were answered.
    pub(crate) wrong_orders: usize,
    /// The first of them, in words.
    pub(crate) problems: Vec<String>,
}

/// A sku whose stock and orders do not agree.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Difference {
    /// Which.
    pub(crate) sku: i64,
    /// Free before the run.
    pub(crate) before: u32,
    /// Free after it.
    pub(crate) after: u32,
    /// Units of its orders.
    pub(crate) ordered: u64,
}

impl Verdict {
    /// Everything agrees.
    pub(crate) fn clean(&self) -> bool {
        self.oversold == 0 && self.differences.is_empty() && self.wrong_orders == 0
    }
}

/// Asks for the free units of every sku.
pub(crate) async fn free_units(target: &Target, skus: &[i64], in_flight: usize) -> Result<Free, LoadError> {
    let asked = stream::iter(skus.iter().copied()).map(|sku| async move {
        let free = patiently(|| target.orders.free(sku)).await?;
        Ok::<_, Fault>(free.map(|free| (sku, free)))
    });
    let mut all = Free::new();
    let mut answers = asked.buffer_unordered(in_flight.max(1));
    while let Some(answer) = answers.next().await {
        all.extend(answer.map_err(|fault| unanswered("the stock", &fault))?);
    }
    Ok(all)
}

/// Resolves what is unknown, asks for every order and every stock, and compares.
pub(crate) async fn audit(
    target: &Target,
    before: &Free,
    book: &mut Book,
    options: AuditOptions,
) -> Result<Verdict, LoadError> {
    let pending = book.pending.len();
    let unresolved = book.resolve(target, options.patience).await;
    let mut orders = told_orders(target, &book.placed, options.in_flight).await?;
    if options.plant == Some(Plant::DropLine) {
        drop_one_line(&mut orders);
    }
    let mut skus: BTreeSet<i64> = before.keys().copied().collect();
    skus.extend(orders.iter().flat_map(|(_, told)| &told.lines).map(|line| line.sku));
    let skus: Vec<i64> = skus.into_iter().collect();
    let after = free_units(target, &skus, options.in_flight).await?;
    let mut verdict = compare(before, &after, &orders);
    verdict.unresolved = unresolved.len();
    verdict.resolved = pending - unresolved.len();
    for pending in unresolved.iter().take(PROBLEMS_SHOWN) {
        verdict
            .problems
            .push(format!("outcome still unknown: {}", name_of(pending)));
    }
    Ok(verdict)
}

/// The pure half: stock before and after against the orders, each as placed and as told.
pub(crate) fn compare(before: &Free, after: &Free, orders: &[(Placed, Told)]) -> Verdict {
    let mut verdict = Verdict::default();
    let mut ordered: BTreeMap<i64, u64> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for (placed, told) in orders {
        if let Some(problem) = wrong(placed, told, !seen.insert(placed.order_id)) {
            verdict.wrong_orders += 1;
            if verdict.problems.len() < PROBLEMS_SHOWN {
                verdict.problems.push(problem);
            }
        }
        *verdict.orders.entry(told.status.clone()).or_default() += 1;
        if matches!(told.status.as_str(), "awaiting payment" | "payed") {
            for line in &told.lines {
                *ordered.entry(line.sku).or_default() += u64::from(line.count);
            }
        }
    }
    verdict.units_sold = ordered.values().sum();
    let skus: BTreeSet<i64> = before
        .keys()
        .chain(after.keys())
        .chain(ordered.keys())
        .copied()
        .collect();
    verdict.skus = skus.len();
    for sku in skus {
        let units = |free: &Free| free.get(&sku).copied().unwrap_or(0);
        let (before, after) = (units(before), units(after));
        let ordered = ordered.get(&sku).copied().unwrap_or(0);
        verdict.oversold += ordered.saturating_sub(u64::from(before));
        if i128::from(before) - i128::from(after) != i128::from(ordered) {
            verdict.differences.push(Difference {
                sku,
                before,
                after,
                ordered,
            });
        }
    }
    verdict
}

/// What is wrong with one order, if anything.
fn wrong(placed: &Placed, told: &Told, again: bool) -> Option<String> {
    let id = placed.order_id;
    if again {
        return Some(format!("order {id} was given to two callers"));
    }
    if told.user_id != placed.user_id {
        return Some(format!(
            "order {id} of user {} is told of user {}",
            placed.user_id, told.user_id
        ));
    }
    if added_up(&placed.lines) != added_up(&told.lines) {
        return Some(format!("order {id} holds other lines than were ordered"));
    }
    let status = told.status.as_str();
    let expected = match placed.fate {
        // Cancelled by the shop itself where a payment window is set.
        Fate::Left => matches!(status, "awaiting payment" | "cancelled"),
        Fate::Payed => status == "payed",
        Fate::Cancelled => status == "cancelled",
    };
    (!expected).then(|| format!("order {id} is «{status}», answered was {:?}", placed.fate))
}

fn added_up(lines: &[Line]) -> BTreeMap<i64, u64> {
    let mut units = BTreeMap::new();
    for line in lines {
        *units.entry(line.sku).or_default() += u64::from(line.count);
    }
    units
}

fn drop_one_line(orders: &mut [(Placed, Told)]) {
    let counted = |told: &Told| matches!(told.status.as_str(), "awaiting payment" | "payed");
    let last = orders
        .iter_mut()
        .rev()
        .find(|(_, told)| counted(told) && !told.lines.is_empty());
    if let Some((_, told)) = last {
        told.lines.pop();
    }
}

async fn told_orders(target: &Target, placed: &[Placed], in_flight: usize) -> Result<Vec<(Placed, Told)>, LoadError> {
    let asked = stream::iter(placed.iter().cloned()).map(|order| async move {
        let told = patiently(|| target.orders.info(order.order_id)).await;
        told.map(|told| (order, told))
    });
    let mut all = Vec::with_capacity(placed.len());
    let mut answers = asked.buffer_unordered(in_flight.max(1));
    while let Some(answer) = answers.next().await {
        all.push(answer.map_err(|fault| unanswered("an order", &fault))?);
    }
    Ok(all)
}

/// Asks again, a bounded number of times, where the service is short of something.
async fn patiently<T, F: Future<Output = Answer<T>>>(ask: impl Fn() -> F) -> Answer<T> {
    let mut tries = 1;
    loop {
        match ask().await {
            Err(fault) if tries < TRIES && fault.kind != FaultKind::Unexpected => {
                tries += 1;
                tokio::time::sleep(PAUSE).await;
            }
            answer => return answer,
        }
    }
}

fn unanswered(what: &str, fault: &Fault) -> LoadError {
    LoadError::Target(format!("cannot ask for {what}: {} {}", fault.code, fault.detail))
}

fn name_of(pending: &Pending) -> String {
    match pending {
        Pending::Create { user_id, key, .. } => format!("order of user {user_id} under key {key}"),
        Pending::Checkout { user_id, key, .. } => {
            format!("checkout of user {user_id} under key {key}")
        }
        Pending::Settle(order) => format!("order {} to become {:?}", order.order_id, order.fate),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(sku: i64, count: u32) -> Line {
        Line { sku, count }
    }

    fn order(order_id: i64, fate: Fate, status: &str, lines: &[Line]) -> (Placed, Told) {
        let placed = Placed {
            order_id,
            user_id: 7,
            lines: lines.into(),
            fate,
        };
        let told = Told {
            status: status.into(),
            user_id: 7,
            lines: lines.to_vec(),
        };
        (placed, told)
    }

    #[test]
    fn stock_that_agrees_with_the_orders_is_clean() {
        let before = Free::from([(1, 10), (2, 5)]);
        let after = Free::from([(1, 6), (2, 4)]);
        let orders = [
            order(1, Fate::Left, "awaiting payment", &[line(1, 3)]),
            order(2, Fate::Payed, "payed", &[line(1, 1), line(2, 1)]),
            order(3, Fate::Cancelled, "cancelled", &[line(1, 2)]),
        ];
        let verdict = compare(&before, &after, &orders);
        assert!(verdict.clean(), "{verdict:?}");
        assert_eq!(verdict.units_sold, 5);
    }

    #[test]
    fn a_dropped_line_is_found() {
        let before = Free::from([(1, 10), (2, 5)]);
        let after = Free::from([(1, 9), (2, 4)]);
        let mut orders = [order(2, Fate::Payed, "payed", &[line(1, 1), line(2, 1)])];
        drop_one_line(&mut orders);
        let verdict = compare(&before, &after, &orders);
        assert!(!verdict.clean());
        assert_eq!(
            verdict.differences,
            [Difference {
                sku: 2,
                before: 5,
                after: 4,
                ordered: 0
            }]
        );
        assert_eq!(verdict.wrong_orders, 1);
    }

    #[test]
    fn an_oversold_sku_is_found_even_if_the_stock_hides_it() {
        let before = Free::from([(1, 1)]);
        let after = Free::from([(1, 0)]);
        let orders = [
            order(1, Fate::Payed, "payed", &[line(1, 1)]),
            order(2, Fate::Payed, "payed", &[line(1, 1)]),
        ];
        let verdict = compare(&before, &after, &orders);
        assert_eq!(verdict.oversold, 1);
        assert!(!verdict.clean());
    }

    #[test]
    fn an_order_given_twice_or_in_another_status_is_found() {
        let stock = Free::from([(1, 9)]);
        let one = order(1, Fate::Payed, "payed", &[line(1, 1)]);
        let twice = compare(&Free::from([(1, 11)]), &stock, &[one.clone(), one]);
        assert_eq!(twice.wrong_orders, 1, "{twice:?}");
        let unpaid = order(1, Fate::Payed, "awaiting payment", &[line(1, 1)]);
        assert_eq!(compare(&Free::from([(1, 10)]), &stock, &[unpaid]).wrong_orders, 1);
        let new = order(1, Fate::Left, "new", &[line(1, 1)]);
        assert_eq!(compare(&stock, &stock, &[new]).wrong_orders, 1);
    }
}
