//! A real year of baskets, straight to OrderCreate and OrderPay, household by household, with the relay
//! at work. Audited from outside by what was answered, and from inside by `app audit`. Once: it is long.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use adapters::kafka::testing::{Broker, Topics};
use domain::order::ports::Outbox;

use super::Plan;
use super::measure::{Finding, Meter, Rounds, Sample, Section};
use super::network::to_topics;
use super::relay::with_broker;
use super::server::{Stage, Standby};
use super::shop::{Running, Settings, in_database, variable};
use crate::audit::{self, AuditOptions};
use crate::client::Target;
use crate::clock;
use crate::error::LoadError;
use crate::pace::Pace;
use crate::report::millis;
use crate::runner::Finished;
use crate::workloads::{Job, Then};
use crate::{dataset, replay};

/// Repeats of a call of which nothing was done, as `load replay` has them.
const RETRIES: u32 = 10;
/// For unknown outcomes, and for the last events.
const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(20);
/// Baskets where only a short look is wanted.
const BASKETS_QUICK: usize = 200;

pub(super) async fn measure(plan: &Plan, stage: &Stage) -> Result<Section, LoadError> {
    let mut section = Section::new("replay", "A real year of baskets: create and pay, relay at work");
    let limit = if plan.quick { Some(BASKETS_QUICK) } else { plan.baskets };
    let households = dataset::read_baskets(&plan.dataset.join("baskets.jsonl"), limit)?;
    let skus = dataset::skus_of(&households);
    let ledger = stage.bare().await;
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    let settings = [in_database(&ledger.database, plan.standby), to_topics(&topics)].concat();
    let stock = plan.dataset.join("stock.json");
    app(&plan.app, &["stock", "import", &stock.display().to_string()], &settings)?;
    stage.settle_down(&ledger.database).await?;
    let loms = Running::app(&plan.app, "loms", &settings, &plan.logs).await?;
    let target = Target::new(&loms.urls())?;
    let meter = with_broker(stage.watched(Meter::own("program")).await?)?.and("LOMS", loms.process());

    let free = audit::free_units(&target, &skus, plan.in_flight).await?;
    let (before, start) = (meter.read().await?, clock::now());
    let mut finished = replay::replay(&target, &job(plan, ledger.database.name()), households).await?;
    let sample = replayed(
        &finished,
        Sample::of(count(&finished, "pay"), finished.elapsed.as_secs_f64(), &before, &meter).await?,
    );
    drained(&*ledger).await?;
    let published = (clock::now() - start).as_secs_f64();

    let options = AuditOptions {
        in_flight: plan.in_flight,
        patience: PATIENCE,
        plant: None,
    };
    let verdict = audit::audit(&target, &free, &mut finished.book, options).await?;
    let wrong =
        !verdict.clean() || verdict.unresolved > 0 || finished.stats.unexpected() > 0 || finished.book.given_up > 0;
    if wrong {
        return Err(LoadError::Target(format!(
            "the audit of the replay is not clean: {verdict:?}"
        )));
    }
    loms.end().await?;
    app(&plan.app, &["audit"], &settings)?;

    let mut rounds = Rounds::default();
    rounds.add(sample);
    section
        .rows
        .push(rounds.row("orders created and paid", "LOMS, over gRPC"));
    findings(plan, finished.elapsed.as_secs_f64(), published, &mut section);
    section
        .conditions
        .insert("orders".to_owned(), count(&finished, "create").to_string());
    section
        .conditions
        .insert("calls in flight".to_owned(), plan.in_flight.to_string());
    Ok(section)
}

fn findings(plan: &Plan, seconds: f64, published: f64, section: &mut Section) {
    let (aim, stretch) = match plan.standby {
        Standby::Asynchronous => (60.0, 45.0),
        Standby::RemoteApply => (140.0, 90.0),
    };
    // Aims are for the whole year.
    if plan.quick || plan.baskets.is_some() {
        section
            .findings
            .push(Finding::told("seconds, of a part of the year", seconds));
        return;
    }
    section.findings.push(Finding::at_most("seconds", seconds, aim));
    section
        .findings
        .push(Finding::at_most("seconds, stretched aim", seconds, stretch));
    section.findings.push(Finding::told(
        "seconds until the last event was acknowledged",
        published,
    ));
}

fn job(plan: &Plan, run_id: &str) -> Job {
    Job {
        in_flight: plan.in_flight,
        pace: Arc::new(Pace::new(None, None, None)),
        total: None,
        seed: plan.seed,
        run_id: run_id.into(),
        by_cart: false,
        retries: RETRIES,
        then: Then::Pay,
        patience: PATIENCE,
    }
}

fn count(finished: &Finished, op: &str) -> u64 {
    finished.stats.ops.get(op).map_or(0, |stats| stats.ok)
}

/// With the latency of creates.
fn replayed(finished: &Finished, sample: Sample) -> Sample {
    let quantile = |quantile| {
        let create = finished.stats.ops.get("create");
        create.map_or(0.0, |stats| millis(stats.latency.value_at_quantile(quantile)))
    };
    Sample {
        latency_ms: Some((quantile(0.5), quantile(0.99))),
        ..sample
    }
}

/// Waits until no event is left to be sent.
async fn drained(outbox: &impl Outbox) -> Result<(), LoadError> {
    let until = clock::now() + PATIENCE;
    loop {
        let backlog = outbox.backlog().await;
        match backlog
            .map_err(|error| LoadError::Target(format!("the outbox cannot be read: {error}")))?
            .events
        {
            0 => return Ok(()),
            left if clock::now() >= until => {
                return Err(LoadError::Target(format!("{left} events are still unsent")));
            }
            _ => tokio::time::sleep(POLL).await,
        }
    }
}

/// Runs a command of `app`; it must succeed.
fn app(program: &Path, arguments: &[&str], settings: &Settings) -> Result<(), LoadError> {
    let mut command = Command::new(program);
    command.args(arguments);
    command.envs(settings.iter().map(|(name, value)| (variable(name), value)));
    let done = command.output().map_err(|source| LoadError::File {
        path: program.to_owned(),
        source,
    })?;
    if done.status.success() {
        return Ok(());
    }
    let said = [done.stdout, done.stderr]
        .map(|text| String::from_utf8_lossy(&text).into_owned())
        .concat();
    Err(LoadError::Target(format!(
        "app {}: {}: {said}",
        arguments.join(" "),
        done.status
    )))
}
