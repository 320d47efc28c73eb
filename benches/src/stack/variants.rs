//! Ours as it is beside ours with one thing changed: bounds of the order book, or the tables. Each variant
//! has a database of its own, and all take turns. What pays is kept by a migration or a default; what does
//! not is written down in `docs/performance.md`.

use std::sync::Arc;

use adapters::postgres::testing::WholeLedger;
use app::engine::batcher::BatchLimits;

use super::Plan;
use super::measure::{Finding, Meter, Section};
use super::orders::{Table, one_round};
use super::ours::{Ours, limits};
use super::server::{Stage, run};
use super::way::{Act, Shape, Step};
use crate::error::LoadError;

const AS_IT_IS: &str = "as it is";

/// One thing that is different.
struct Variant {
    name: &'static str,
    /// Run on its database before anything else; `{database}` is its name.
    statements: &'static str,
    bounds: fn(BatchLimits) -> BatchLimits,
}

const fn tables(name: &'static str, statements: &'static str) -> Variant {
    Variant {
        name,
        statements,
        bounds: |limits| limits,
    }
}

const fn bounds(name: &'static str, bounds: fn(BatchLimits) -> BatchLimits) -> Variant {
    Variant {
        name,
        statements: "",
        bounds,
    }
}

const VARIANTS: [Variant; 14] = [
    tables(AS_IT_IS, ""),
    bounds("1 lane", |limits| BatchLimits { lanes: 1, ..limits }),
    bounds("3 lanes", |limits| BatchLimits { lanes: 3, ..limits }),
    bounds("4 lanes", |limits| BatchLimits { lanes: 4, ..limits }),
    bounds("32 calls a batch", |limits| BatchLimits {
        batch_max: 32,
        ..limits
    }),
    bounds("256 calls a batch", |limits| BatchLimits {
        batch_max: 256,
        ..limits
    }),
    tables(
        "stock with full pages",
        "alter table stock set (fillfactor = 100); vacuum full stock",
    ),
    tables(
        "stock with pages a fifth full",
        "alter table stock set (fillfactor = 20); vacuum full stock",
    ),
    tables(
        "orders with room in their pages",
        "alter table orders set (fillfactor = 85)",
    ),
    tables("no index of unpaid orders", "drop index orders_unpaid"),
    tables(
        "no reference from the outbox",
        "alter table outbox drop constraint outbox_order_id_step_fkey",
    ),
    tables(
        "no reference from items",
        "alter table order_items drop constraint order_items_order_id_fkey",
    ),
    tables(
        "no reference from events",
        "alter table order_events drop constraint order_events_order_id_fkey",
    ),
    tables(
        "page images compressed",
        "alter database {database} set wal_compression = on",
    ),
];

/// Those of a short look.
const QUICK: usize = 3;

struct Side {
    name: &'static str,
    ours: Arc<Ours>,
    /// Keeps the database.
    _ledger: Arc<WholeLedger>,
}

async fn open(stage: &Stage, variant: &Variant) -> Result<Side, LoadError> {
    let ledger = stage.ours().await?;
    let admin = ledger.database.admin().await;
    let statements = variant.statements.replace("{database}", ledger.database.name());
    // One by one: some of them do not run together with others.
    for statement in statements.split(';').filter(|statement| !statement.trim().is_empty()) {
        run(&admin, statement).await?;
    }
    Ok(Side {
        name: variant.name,
        ours: Arc::new(Ours::new(&ledger, (variant.bounds)(limits()))),
        _ledger: ledger,
    })
}

pub(super) async fn measure(plan: &Plan, stage: &Stage) -> Result<Section, LoadError> {
    let mut section = Section::new("variants", "Ours in SQL, with one thing changed");
    let variants = if plan.quick { &VARIANTS[..QUICK] } else { &VARIANTS[..] };
    let mut sides = Vec::new();
    for variant in variants {
        sides.push(open(stage, variant).await?);
    }
    let meter = stage.watched(Meter::own("program")).await?;
    let mut table = Table::default();
    for round in 0..=plan.rounds {
        for shape in [Shape::Spread, Shape::Hot] {
            for side in &sides {
                let samples = one_round(plan, &side.ours, &meter, shape, round).await?;
                let counted = samples.into_iter().filter(|_| round > 0);
                counted.for_each(|(what, sample)| table.add(what, side.name, sample));
            }
        }
    }
    for what in [
        Act::Create(Shape::Spread).name(),
        Act::Create(Shape::Hot).name(),
        Act::Each(Step::Pay, [].into()).name(),
    ] {
        for side in sides.iter().filter(|side| side.name != AS_IT_IS) {
            let ratio = table.rate(what, side.name) / table.rate(what, AS_IT_IS);
            section
                .findings
                .push(Finding::told(format!("{what}: {} / as it is", side.name), ratio));
        }
    }
    section.rows.extend(table.rows());
    section
        .conditions
        .insert("calls in flight".to_owned(), plan.in_flight.to_string());
    for side in sides {
        side.ours.end().await?;
    }
    Ok(section)
}
