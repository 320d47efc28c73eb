//! The same calls through the network: LOMS in a process of its own, over gRPC, with its relay at work on
//! a real broker, beside a bare tonic service with the same messages; and checkouts over HTTP with the
//! whole shop in one process. The usual way runs in every round too: absolute aims are scaled by it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use adapters::kafka::testing::{Broker, Topics};
use futures::StreamExt;

use super::Plan;
use super::drive::Run;
use super::measure::{Finding, Meter, Section};
use super::orders::{Table, creating, metered, one_round};
use super::server::Stage;
use super::shop::{Running, Settings, in_database, urls};
use super::usual::Usual;
use super::way::{Act, SKUS, Shape, Step, Way, order};
use crate::client::{Answer, CartClient, Orders, Target};
use crate::dataset::Line;
use crate::error::LoadError;

const OURS: &str = "LOMS, over gRPC";
const BARE: &str = "bare tonic service";
const USUAL: &str = "usual way, in SQL";
const SHOP: &str = "the shop, over HTTP";

/// A machine on which the usual way does so many creates a second is the one that aims are for.
const USUAL_RATE: f64 = 1_200.0;
/// Connections of the usual way here; `orders` looks for its best.
const CONNECTIONS: usize = 32;
/// Carts that are filled for a run of checkouts.
const CARTS: i64 = 20_000;
const CARTS_QUICK: i64 = 100;

/// Calls over gRPC.
pub(super) struct Grpc(pub(super) Orders);

impl Way for Grpc {
    async fn place(&self, user_id: i64, lines: &[Line]) -> Answer<i64> {
        self.0.create(user_id, lines, None).await
    }

    async fn step(&self, step: Step, id: i64) -> Answer<()> {
        match step {
            Step::Pay => self.0.pay(id).await,
            Step::Cancel => self.0.cancel(id).await,
            Step::Info => self.0.info(id).await.map(drop),
            Step::Free => self.0.free(id).await.map(drop),
            Step::Checkout => step.unknown(),
        }
    }
}

/// Carts over HTTP: placing an order fills a cart with it, and a checkout is a step.
struct Carts {
    client: Arc<CartClient>,
    /// Each checkout has an idempotency key of its own.
    keys: AtomicU64,
}

impl Way for Carts {
    async fn place(&self, user_id: i64, lines: &[Line]) -> Answer<i64> {
        for line in lines {
            self.client.add(user_id, line.sku, line.count).await?;
        }
        Ok(user_id)
    }

    async fn step(&self, step: Step, id: i64) -> Answer<()> {
        match step {
            Step::Checkout => {
                let key = format!("checkout-{}", self.keys.fetch_add(1, Ordering::Relaxed));
                self.client.checkout(id, &key).await.map(drop)
            }
            Step::Pay | Step::Cancel | Step::Info | Step::Free => step.unknown(),
        }
    }
}

pub(super) async fn measure(plan: &Plan, stage: &Stage) -> Result<Section, LoadError> {
    let mut section = Section::new("network", "Through gRPC and HTTP, with the relay at work");
    let mut table = Table::default();
    over_grpc(plan, stage, &mut table).await?;
    checkouts(plan, stage, &mut table).await?;
    section.rows.extend(table.rows());
    findings(&table, &mut section);
    section
        .conditions
        .insert("calls in flight".to_owned(), plan.in_flight.to_string());
    section
        .conditions
        .insert("connections of the usual way".to_owned(), CONNECTIONS.to_string());
    Ok(section)
}

/// Settings with which events go to topics of our own.
pub(super) fn to_topics(topics: &Topics) -> Settings {
    let kafka = &topics.settings;
    [
        ("kafka.brokers", kafka.brokers.join(",")),
        ("kafka.topic", kafka.topic.clone()),
        ("kafka.dead_letter_topic", kafka.dead_letter_topic.clone()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

async fn over_grpc(plan: &Plan, stage: &Stage, table: &mut Table) -> Result<(), LoadError> {
    let (ledger, topics) = (stage.ours().await?, Topics::fresh(&Broker::shared(), &[]).await);
    let usual_database = stage.usual().await?;
    let commit = stage.standby().synchronous_commit();
    let usual = Arc::new(Usual::new(stage.target(&usual_database), commit, CONNECTIONS)?);
    let settings = [in_database(&ledger.database, plan.standby), to_topics(&topics)].concat();
    let loms = Running::app(&plan.app, "loms", &settings, &plan.logs).await?;
    let (bare, bare_url) = Running::bare_grpc(&plan.logs).await?;
    let ours = Arc::new(Grpc(Target::new(&loms.urls())?.orders));
    let tonic = Target::new(&urls(bare_url, String::new(), String::new()))?;
    let tonic = Arc::new(Grpc(tonic.orders));
    let meter = stage.watched(Meter::own("program").and("LOMS", loms.process())).await?;
    let bare_meter = Meter::own("program").and("bare", bare.process());
    for round in 0..=plan.rounds {
        for shape in [Shape::Spread, Shape::Hot] {
            let of_ours = one_round(plan, &ours, &meter, shape, round).await?;
            let of_bare = one_round(plan, &tonic, &bare_meter, shape, round).await?;
            if round > 0 {
                of_ours
                    .into_iter()
                    .for_each(|(what, sample)| table.add(what, OURS, sample));
                of_bare
                    .into_iter()
                    .for_each(|(what, sample)| table.add(what, BARE, sample));
            }
        }
        let free = Run {
            act: Act::Each(Step::Free, (1..=SKUS).collect()),
            ..creating(plan, Shape::Spread, round as u64)
        };
        let (of_ours, of_bare) = (
            metered(&ours, &meter, &free).await?.1,
            metered(&tonic, &bare_meter, &free).await?.1,
        );
        let of_usual = metered(&usual, &meter, &creating(plan, Shape::Spread, round as u64))
            .await?
            .1;
        if round > 0 {
            table.add(free.act.name(), OURS, of_ours);
            table.add(free.act.name(), BARE, of_bare);
            table.add(Act::Create(Shape::Spread).name(), USUAL, of_usual);
        }
    }
    loms.end().await?;
    bare.end().await
}

async fn checkouts(plan: &Plan, stage: &Stage, table: &mut Table) -> Result<(), LoadError> {
    let (ledger, topics) = (stage.ours().await?, Topics::fresh(&Broker::shared(), &[]).await);
    let catalogue = plan.logs.join("catalogue.json");
    std::fs::write(&catalogue, products()).map_err(|source| LoadError::File {
        path: catalogue.clone(),
        source,
    })?;
    let mut settings = [in_database(&ledger.database, plan.standby), to_topics(&topics)].concat();
    let file = catalogue.display().to_string();
    settings.push(("products.catalogue_file".to_owned(), file));
    let shop = Running::app(&plan.app, "all", &settings, &plan.logs).await?;
    let carts = Arc::new(Carts {
        client: Target::new(&shop.urls())?.cart,
        keys: AtomicU64::new(1),
    });
    let meter = stage.watched(Meter::own("program").and("shop", shop.process())).await?;
    let count = if plan.quick { CARTS_QUICK } else { CARTS };
    for round in 0..=plan.rounds {
        fill(plan, &carts, count, round as u64).await?;
        let run = Run {
            act: Act::Each(Step::Checkout, (1..=count).collect()),
            ..creating(plan, Shape::Spread, 0)
        };
        let (_, sample) = metered(&carts, &meter, &run).await?;
        if round > 0 {
            table.add(run.act.name(), SHOP, sample);
        }
    }
    shop.end().await
}

fn products() -> Vec<u8> {
    let products =
        (1..=SKUS).map(|sku| serde_json::json!({ "sku": sku, "name": format!("Product {sku}"), "price": 1 }));
    serde_json::Value::from_iter(products).to_string().into_bytes()
}

/// An order's lines in the cart of every user.
async fn fill(plan: &Plan, carts: &Arc<Carts>, count: i64, round: u64) -> Result<(), LoadError> {
    let lines = |user_id: i64| order(Shape::Spread, plan.seed + round, user_id.unsigned_abs()).1;
    let mut filled = futures::stream::iter(1..=count)
        .map(|user_id| async move { carts.place(user_id, &lines(user_id)).await })
        .buffer_unordered(plan.in_flight);
    while let Some(filled) = filled.next().await {
        filled.map_err(|fault| LoadError::Target(format!("a cart is not filled: {} {}", fault.code, fault.detail)))?;
    }
    Ok(())
}

fn findings(table: &Table, section: &mut Section) {
    let create = Act::Create(Shape::Spread).name();
    let scale = (table.rate(create, USUAL) / USUAL_RATE).min(1.0);
    section.findings.push(Finding::told(
        "share of absolute aims that this machine is asked for",
        scale,
    ));
    for (act, aim) in [
        (Act::Create(Shape::Spread), 11_000.0),
        (Act::Create(Shape::Hot), 12_000.0),
        (Act::Each(Step::Pay, [].into()), 10_000.0),
        (Act::Each(Step::Free, [].into()), 20_000.0),
    ] {
        let what = act.name();
        let (rate, p99) = (table.rate(what, OURS), table.p99_ms(what, OURS));
        section.findings.push(Finding::at_least(
            format!("{what}, a second over gRPC"),
            rate,
            aim * scale,
        ));
        section
            .findings
            .push(Finding::at_most(format!("{what}, p99 ms over gRPC"), p99, 30.0));
    }
    let cpu = table.cpu_us(create, OURS, &["LOMS", "Postgres"]) / 1e3;
    section
        .findings
        .push(Finding::at_most("CPU ms a create, LOMS and the primary", cpu, 0.25));
    let checkouts = table.rate(Act::Each(Step::Checkout, [].into()).name(), SHOP);
    section.findings.push(Finding::at_least(
        "checkouts a second over HTTP",
        checkouts,
        5_000.0 * scale,
    ));
}
