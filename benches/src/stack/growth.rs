//! Whether size matters: creates and the drain over millions of unsent rows, and creates, pays and order
//! infos over millions of orders, each beside the same on an empty database. Measured only when it is
//! asked for: the filling takes long and needs much disk.

use std::sync::Arc;

use adapters::kafka::testing::{Broker, Topics};
use adapters::postgres::testing::WholeLedger;
use tokio::sync::Notify;

use super::Plan;
use super::drive::Run;
use super::filling::{EVENTS_AN_ORDER, Filling, fill};
use super::measure::{Finding, Meter, Sample, Section};
use super::orders::{Table, creating, metered};
use super::ours::{Ours, limits};
use super::relay::{carry, relay, with_broker};
use super::server::Stage;
use super::way::{Act, Shape, Step};
use crate::clock;
use crate::error::LoadError;

const EMPTY: &str = "empty";
const UNSENT: &str = "unsent rows";
const ORDERS: &str = "orders";
const DRAIN: &str = "events drained";

/// Events that are carried where the speed of the drain is measured.
const DRAINED: u64 = 200_000;
/// Old orders that are asked for.
const ASKED: i64 = 10_000;

pub(super) async fn measure(plan: &Plan, stage: &Stage) -> Result<Section, LoadError> {
    let mut section = Section::new("growth", "Full tables beside empty ones");
    let mut table = Table::default();
    unsent(plan, stage, &mut table).await?;
    orders(plan, stage, &mut table).await?;
    section.rows.extend(table.rows());
    findings(&table, &mut section);
    section
        .conditions
        .insert("unsent rows".to_owned(), plan.unsent.to_string());
    section.conditions.insert("orders".to_owned(), plan.orders.to_string());
    Ok(section)
}

async fn filled(stage: &Stage, filling: Filling) -> Result<(Arc<WholeLedger>, (i64, i64)), LoadError> {
    let ledger = stage.ours().await?;
    let range = fill(&ledger.database.admin().await, filling).await?;
    stage.settle_down(&ledger.database).await?;
    Ok((ledger, range))
}

/// Creates beside a backlog, then the backlog's drain.
async fn unsent(plan: &Plan, stage: &Stage, table: &mut Table) -> Result<(), LoadError> {
    let empty = stage.ours().await?;
    let backlog = Filling {
        orders: plan.unsent.div_ceil(EVENTS_AN_ORDER),
        unsent: true,
    };
    let (full, _) = filled(stage, backlog).await?;
    let meter = with_broker(stage.watched(Meter::own("program")).await?)?;
    let sides = [(EMPTY, &empty), (UNSENT, &full)].map(|(side, ledger)| (side, Arc::new(Ours::new(ledger, limits()))));
    for round in 0..=plan.rounds {
        for (side, ours) in &sides {
            let run = creating(plan, Shape::Spread, round as u64);
            let sample = metered(ours, &meter, &run).await?.1;
            if round > 0 {
                table.add(run.act.name(), side, sample);
            }
        }
    }
    for (_, ours) in sides {
        ours.end().await?;
    }
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    let drained = if plan.quick { plan.unsent / 4 } else { DRAINED };
    let carriers = [&empty, &full].map(|ledger| relay(ledger, &topics, Arc::new(Notify::new())));
    carry(&carriers[0], u64::MAX).await?;
    let admin = empty.database.admin().await;
    for round in 0..=plan.rounds {
        let little = Filling {
            orders: drained.div_ceil(EVENTS_AN_ORDER),
            unsent: true,
        };
        fill(&admin, little).await?;
        for (side, carrier) in [EMPTY, UNSENT].into_iter().zip(&carriers) {
            let (before, start) = (meter.read().await?, clock::now());
            let carried = carry(carrier, drained).await?;
            let elapsed = (clock::now() - start).as_secs_f64();
            if round > 0 {
                table.add(DRAIN, side, Sample::of(carried, elapsed, &before, &meter).await?);
            }
        }
        // What a full round carried too much is of the next one; an empty table is empty again.
        carry(&carriers[0], u64::MAX).await?;
    }
    Ok(())
}

/// Creates, pays and infos beside many orders of old.
async fn orders(plan: &Plan, stage: &Stage, table: &mut Table) -> Result<(), LoadError> {
    let empty = stage.ours().await?;
    let many = Filling {
        orders: plan.orders,
        unsent: false,
    };
    let (full, (first, last)) = filled(stage, many).await?;
    let meter = stage.watched(Meter::own("program")).await?;
    let old: Vec<i64> = (0..ASKED).map(|at| first + (last - first) * at / ASKED).collect();
    let sides = [(EMPTY, &empty, None), (ORDERS, &full, Some(old))]
        .map(|(side, ledger, asked)| (side, Arc::new(Ours::new(ledger, limits())), asked));
    for round in 0..=plan.rounds {
        for (side, ours, asked) in &sides {
            let create = creating(plan, Shape::Spread, 50 + round as u64);
            let (run, of_create) = metered(ours, &meter, &create).await?;
            let asked = asked.as_ref().unwrap_or(&run.placed).as_slice().into();
            let info = Run {
                act: Act::Each(Step::Info, asked),
                ..create.clone()
            };
            let pay = Run {
                act: Act::Each(Step::Pay, run.placed.into()),
                ..create
            };
            let (of_info, of_pay) = (
                metered(ours, &meter, &info).await?.1,
                metered(ours, &meter, &pay).await?.1,
            );
            if round > 0 {
                table.add(CREATE_BESIDE, side, of_create);
                table.add(info.act.name(), side, of_info);
                table.add(pay.act.name(), side, of_pay);
            }
        }
    }
    for (_, ours, _) in sides {
        ours.end().await?;
    }
    Ok(())
}

const CREATE_BESIDE: &str = "create beside old orders";

fn findings(table: &Table, section: &mut Section) {
    let slower = |what, side| table.rate(what, EMPTY) / table.rate(what, side);
    let of = |step| Act::Each(step, [].into()).name();
    let create = Act::Create(Shape::Spread).name();
    for (what, side, aim) in [
        (create, UNSENT, 1.1),
        (DRAIN, UNSENT, 1.1),
        (CREATE_BESIDE, ORDERS, 1.2),
        (of(Step::Pay), ORDERS, 1.2),
        (of(Step::Info), ORDERS, 1.2),
    ] {
        let name = format!("{what}: rate on an empty database / beside {side}");
        section.findings.push(Finding::at_most(name, slower(what, side), aim));
    }
}
