//! `story`: what a shop does in a minute, told and checked step by step. Two shoppers, one order paid
//! and one cancelled, and a sell-out: 500 buyers for the last hundred units. Then the books: stock
//! against orders, and what the notifier wrote.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use futures::StreamExt;
use futures::stream;

use crate::audit::{self, AuditOptions, Free};
use crate::book::{Book, Fate, Placed};
use crate::client::{Answer, Fault, FaultKind, Product, Target};
use crate::dataset::Line;
use crate::error::LoadError;
use crate::story_log;

const ANNA: i64 = 1;
const BORIS: i64 = 2;
const WHOLESALER: i64 = 3;
const FIRST_BUYER: i64 = 1001;
const BUYERS: i64 = 500;
/// Units left for the buyers.
const LAST_UNITS: u32 = 100;
const IN_FLIGHT: usize = 64;
/// How long the notifier may take.
const NOTIFIER_PATIENCE: Duration = Duration::from_secs(10);

/// What the story goes through.
struct Story<'a> {
    target: &'a Target,
    /// Idempotency key of the story: keys are a user's own, and everybody orders once.
    key: &'a str,
    products: Vec<Product>,
    book: Book,
    /// Orders that LOMS refused: each leaves a failed order and its events.
    failed: u64,
}

/// Tells it; an error where it goes another way than it should.
pub(crate) async fn tell(target: &Target, key: &str, app_log: Option<&Path>) -> Result<(), LoadError> {
    let products = expect("the catalogue", target.products.list(50).await)?;
    let skus: Vec<i64> = products.iter().map(|product| product.sku).collect();
    let before = audit::free_units(target, &skus, IN_FLIGHT).await?;
    let mut story = Story {
        target,
        key,
        products,
        book: Book::default(),
        failed: 0,
    };
    story.anna().await?;
    story.boris().await?;
    story.sell_out(&before).await?;
    story.books(&before).await?;
    if let Some(log) = app_log {
        story.notifier(log).await?;
    }
    say("\nEverything went as it should.")
}

impl Story<'_> {
    async fn anna(&mut self) -> Result<(), LoadError> {
        say("1. Anna fills her cart")?;
        let [first, second] = self.two_products()?;
        let cart = &self.target.cart;
        for (product, count) in [(&first, 2), (&second, 1), (&first, 1)] {
            expect("an add", cart.add(ANNA, product.sku, count).await)?;
            say(&format!("   + {count} x {}", product.name))?;
        }
        let view = expect("her cart", cart.view(ANNA).await)?;
        for item in &view.items {
            say(&format!(
                "   {:>4} x {:<50} {:>9}",
                item.count,
                item.name,
                money(item.price.into())
            ))?;
        }
        say(&format!("   in all {}", money(view.total_price)))?;
        let total = 3 * u64::from(first.price) + u64::from(second.price);
        check("her cart's total", view.total_price, total)?;

        say("2. She checks out and pays")?;
        let lines = [
            Line {
                sku: first.sku,
                count: 3,
            },
            Line {
                sku: second.sku,
                count: 1,
            },
        ];
        let free = expect("the stock", self.target.orders.free(first.sku).await)?;
        let order_id = expect("the checkout", cart.checkout(ANNA, self.key).await)?;
        let again = expect("the repeat", cart.checkout(ANNA, self.key).await)?;
        check("the order of a repeat with the same key", again, order_id)?;
        self.show(order_id).await?;
        let left = expect("the stock", self.target.orders.free(first.sku).await)?;
        check("free units", left, free.map(|free| free - 3))?;
        check(
            "items left in her cart",
            expect("her cart", cart.view(ANNA).await)?.items.len(),
            0,
        )?;
        expect("the payment", self.target.orders.pay(order_id).await)?;
        self.show(order_id).await?;
        refused("cancelling a payed order", self.target.orders.cancel(order_id).await)?;
        self.note(order_id, ANNA, &lines, Fate::Payed);
        Ok(())
    }

    async fn boris(&mut self) -> Result<(), LoadError> {
        say("3. Boris orders and changes his mind")?;
        let [_, product] = self.two_products()?;
        let free = expect("the stock", self.target.orders.free(product.sku).await)?;
        expect("an add", self.target.cart.add(BORIS, product.sku, 2).await)?;
        let order_id = expect("the checkout", self.target.cart.checkout(BORIS, self.key).await)?;
        self.show(order_id).await?;
        expect("the cancellation", self.target.orders.cancel(order_id).await)?;
        self.show(order_id).await?;
        let back = expect("the stock", self.target.orders.free(product.sku).await)?;
        check("free units", back, free)?;
        refused("paying a cancelled order", self.target.orders.pay(order_id).await)?;
        self.note(
            order_id,
            BORIS,
            &[Line {
                sku: product.sku,
                count: 2,
            }],
            Fate::Cancelled,
        );
        Ok(())
    }

    async fn sell_out(&mut self, before: &Free) -> Result<(), LoadError> {
        let enough = |product: &&Product| before.get(&product.sku).is_some_and(|free| *free >= LAST_UNITS);
        let hot = self.products.iter().skip(2).find(enough).cloned();
        let hot = hot.ok_or_else(|| wrong("no product has 100 free units"))?;
        let free = before[&hot.sku];
        say(&format!("4. Sell-out: «{}»", hot.name))?;
        if free > LAST_UNITS {
            let lines = [Line {
                sku: hot.sku,
                count: free - LAST_UNITS,
            }];
            let bought = self.target.orders.create(WHOLESALER, &lines, Some(self.key)).await;
            self.note(expect("the wholesale order", bought)?, WHOLESALER, &lines, Fate::Left);
            say(&format!("   a wholesaler takes {} of {free}", free - LAST_UNITS))?;
        }
        let (cart, key) = (&self.target.cart, self.key);
        let users = || stream::iter(FIRST_BUYER..FIRST_BUYER + BUYERS);
        let filled = users().map(|user| cart.add(user, hot.sku, 1));
        let filled: Vec<Answer<()>> = filled.buffer_unordered(IN_FLIGHT).collect().await;
        filled.into_iter().try_for_each(|answer| expect("an add", answer))?;
        say(&format!(
            "   {BUYERS} buyers have the last {LAST_UNITS} units in their carts and check out at once"
        ))?;
        let bought: Vec<(i64, Answer<i64>)> = users()
            .map(|user| async move { (user, cart.checkout(user, key).await) })
            .buffer_unordered(IN_FLIGHT)
            .collect()
            .await;
        let mut winners = Vec::new();
        for (user, answer) in bought {
            match answer {
                Ok(order_id) => winners.push((user, order_id)),
                Err(fault) if fault.kind == FaultKind::Refused => self.failed += 1,
                Err(fault) => return Err(failed("a checkout", &fault)),
            }
        }
        say(&format!(
            "   {} have an order, {} were told it is sold out",
            winners.len(),
            self.failed
        ))?;
        check("winners", winners.len(), LAST_UNITS as usize)?;
        check(
            "free units",
            expect("the stock", self.target.orders.free(hot.sku).await)?,
            Some(0),
        )?;
        self.settle_winners(&hot, &winners).await
    }

    /// Every tenth winner cancels, the others pay.
    async fn settle_winners(&mut self, hot: &Product, winners: &[(i64, i64)]) -> Result<(), LoadError> {
        let lines = [Line { sku: hot.sku, count: 1 }];
        let mut cancelled = 0;
        for (at, (user, order_id)) in winners.iter().enumerate() {
            let fate = if at % 10 == 9 { Fate::Cancelled } else { Fate::Payed };
            if fate == Fate::Cancelled {
                cancelled += 1;
            }
            expect("a payment", crate::book::settle(self.target, *order_id, fate).await)?;
            self.note(*order_id, *user, &lines, fate);
        }
        say(&format!("   {} pay, {cancelled} cancel", winners.len() - cancelled))?;
        let free = expect("the stock", self.target.orders.free(hot.sku).await)?;
        check("free units", free.map(|free| free as usize), Some(cancelled))?;
        say(&format!("   {cancelled} units are free again"))
    }

    async fn books(&mut self, before: &Free) -> Result<(), LoadError> {
        say("5. The books")?;
        let options = AuditOptions {
            in_flight: IN_FLIGHT,
            patience: Duration::from_secs(10),
            plant: None,
        };
        let verdict = audit::audit(self.target, before, &mut self.book, options).await?;
        for (status, orders) in &verdict.orders {
            say(&format!("   {orders:>4} orders {status}"))?;
        }
        say(&format!(
            "   {} units sold, oversold {}",
            verdict.units_sold, verdict.oversold
        ))?;
        check("the books agree", verdict.clean(), true)
    }

    async fn notifier(&self, log: &Path) -> Result<(), LoadError> {
        say("6. What the notifier saw")?;
        let expected = self.expected_events();
        let seen = story_log::wait_for(log, expected.iter().map(|(_, n)| n).sum(), NOTIFIER_PATIENCE).await?;
        let first = self.book.placed.first().map(|order| order.order_id);
        for event in seen.iter().filter(|event| Some(event.order_id) == first) {
            let (order, moment) = (event.order_id, &event.moment);
            say(&format!("   {moment} order {order} {}", event.status))?;
        }
        say("   …")?;
        for (status, count) in expected {
            let got = seen.iter().filter(|event| event.status == status).count() as u64;
            say(&format!("   {got:>5} x {status}"))?;
            check(status, got, count)?;
        }
        Ok(())
    }

    /// Events by status: each order is `new` first, and then what became of it.
    fn expected_events(&self) -> [(&'static str, u64); 5] {
        let placed = self.book.placed.len() as u64;
        let of = |fate| self.book.placed.iter().filter(|order| order.fate == fate).count() as u64;
        [
            ("new", placed + self.failed),
            ("awaiting payment", placed),
            ("failed", self.failed),
            ("payed", of(Fate::Payed)),
            ("cancelled", of(Fate::Cancelled)),
        ]
    }

    fn two_products(&self) -> Result<[Product; 2], LoadError> {
        match self.products.as_slice() {
            [first, second, ..] => Ok([first.clone(), second.clone()]),
            _ => Err(wrong("the catalogue holds fewer than two products")),
        }
    }

    async fn show(&self, order_id: i64) -> Result<(), LoadError> {
        let told = expect("the order", self.target.orders.info(order_id).await)?;
        let units: u64 = told.lines.iter().map(|line| u64::from(line.count)).sum();
        say(&format!("   order {order_id}: {units} units, {}", told.status))
    }

    fn note(&mut self, order_id: i64, user_id: i64, lines: &[Line], fate: Fate) {
        self.book.placed.push(Placed {
            order_id,
            user_id,
            lines: lines.into(),
            fate,
        });
    }
}

fn expect<T>(what: &str, answer: Answer<T>) -> Result<T, LoadError> {
    answer.map_err(|fault| failed(what, &fault))
}

fn refused<T>(what: &str, answer: Answer<T>) -> Result<(), LoadError> {
    match answer {
        Err(fault) if fault.kind == FaultKind::Refused => say(&format!("   {what} is refused: {}", fault.detail)),
        Err(fault) => Err(failed(what, &fault)),
        Ok(_) => Err(wrong(&format!("{what} was not refused"))),
    }
}

fn check<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: T) -> Result<(), LoadError> {
    if found == expected {
        return Ok(());
    }
    Err(wrong(&format!("{what}: {found:?}, expected {expected:?}")))
}

fn failed(what: &str, fault: &Fault) -> LoadError {
    wrong(&format!("{what}: {} {}", fault.code, fault.detail))
}

fn wrong(what: &str) -> LoadError {
    LoadError::Story(what.to_owned())
}

fn say(text: &str) -> Result<(), LoadError> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(())
}

fn money(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}
