//! The relay, from the table to Kafka's acknowledgement, beside a raw producer with the same frames; and
//! what it costs those who place orders meanwhile, against rows that are written while it pauses.

use std::sync::Arc;

use adapters::kafka::client::KafkaClient;
use adapters::kafka::producer::KafkaPublisher;
use adapters::kafka::testing::{Broker, Topics};
use adapters::postgres::outbox::PostgresOutbox;
use adapters::postgres::testing::WholeLedger;
use adapters::postgres::turn::{Job, Turn};
use app::clock::SystemClock;
use app::config::RelaySettings;
use app::engine::relay::{Relay, RelayLimits};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::Plan;
use super::drive::{Run, drive};
use super::filling::{EVENTS_AN_ORDER, Filling, fill};
use super::measure::{Finding, Meter, Sample, Section};
use super::orders::{Table, creating, metered};
use super::ours::{Ours, limits};
use super::producer::{Producer, frames};
use super::server::{Stage, variable};
use super::way::Shape;
use crate::clock;
use crate::cpu::Process;
use crate::error::LoadError;

const RELAY: &str = "relay";
const RAW: &str = "raw producer";
const PAUSED: &str = "relay paused";
const RUNNING: &str = "relay running";
const CARRY: &str = "events from the table to Kafka";
const BESIDE: &str = "create at half the most";

/// Partitions of the topic of events, as the contract has them.
pub(super) const PARTITIONS: u32 = 2;
/// Orders whose events are carried in a run.
const ORDERS: u64 = 100_000;
const ORDERS_QUICK: u64 = 700;
/// Calls in flight at a fixed rate at most.
const DEEP: usize = 256;

/// A relay as LOMS has it.
pub(super) type Carrier = Relay<PostgresOutbox, KafkaPublisher<SystemClock>>;

pub(super) fn relay(ledger: &WholeLedger, topics: &Topics, committed: Arc<Notify>) -> Carrier {
    let settings = RelaySettings::default();
    let turn = Arc::new(Turn::new(Arc::clone(&ledger.connector), Job::Relay));
    let client = Arc::new(KafkaClient::new(topics.settings.clone()));
    Relay {
        outbox: PostgresOutbox::fenced(turn, Arc::clone(&ledger.reads)),
        publisher: KafkaPublisher::new(client, SystemClock),
        committed,
        limits: RelayLimits {
            batch_max: settings.batch_max,
            poll_interval: settings.poll_interval(),
            first_pause: settings.retry_pause(),
            longest_pause: settings.retry_pause_max(),
        },
        log: slog::Logger::root(slog::Discard, slog::o!()),
    }
}

/// Carries at most so many events, until none is left.
pub(super) async fn carry(relay: &Carrier, most: u64) -> Result<u64, LoadError> {
    let mut carried = 0;
    while carried < most {
        let round = relay.round().await;
        match round.map_err(|error| LoadError::Target(format!("the relay does not get on: {error}")))? {
            0 => break,
            count => carried += count as u64,
        }
    }
    Ok(carried)
}

/// Reads the CPU time of the broker too.
pub(super) fn with_broker(meter: Meter) -> Result<Meter, LoadError> {
    let pid = variable("APP_TEST_KAFKA_PID");
    let pid = pid
        .parse()
        .map_err(|_| LoadError::Usage(format!("APP_TEST_KAFKA_PID is {pid:?}, not a process")))?;
    Ok(meter.and("Kafka", Process::Alone(pid)))
}

pub(super) async fn measure(plan: &Plan, stage: &Stage) -> Result<Section, LoadError> {
    let mut section = Section::new("relay", "From the outbox to Kafka");
    let ledger = stage.ours().await?;
    let topics = Topics::fresh(&Broker::shared(), &[]).await;
    let meter = with_broker(stage.watched(Meter::own("program")).await?)?;
    let mut table = Table::default();
    throughput(plan, &ledger, &topics, &meter, &mut table).await?;
    beside(plan, &ledger, &topics, &meter, &mut table).await?;
    section.rows.extend(table.rows());
    let aim = 50_000.0_f64.min(table.rate(CARRY, RAW) / 2.0);
    section.findings.push(Finding::at_least(
        "events a second from the table to Kafka",
        table.rate(CARRY, RELAY),
        aim,
    ));
    let cpu = table.cpu_us(CARRY, RELAY, &["program", "Postgres", "Kafka"]);
    section
        .findings
        .push(Finding::told("CPU µs an event: relay, primary and broker", cpu));
    let ratio = table.p99_ms(BESIDE, RUNNING) / table.p99_ms(BESIDE, PAUSED);
    section
        .findings
        .push(Finding::at_most("p99 of creates, relay running / paused", ratio, 1.3));
    Ok(section)
}

async fn throughput(
    plan: &Plan,
    ledger: &WholeLedger,
    topics: &Topics,
    meter: &Meter,
    table: &mut Table,
) -> Result<(), LoadError> {
    let relay = relay(ledger, topics, Arc::new(Notify::new()));
    let producer = Producer::connect(&topics.settings, PARTITIONS).await?;
    let admin = ledger.database.admin().await;
    let orders = if plan.quick { ORDERS_QUICK } else { ORDERS };
    for round in 0..=plan.rounds {
        fill(&admin, Filling { orders, unsent: true }).await?;
        let (before, start) = (meter.read().await?, clock::now());
        let carried = carry(&relay, u64::MAX).await?;
        let elapsed = (clock::now() - start).as_secs_f64();
        let of_relay = Sample::of(carried, elapsed, &before, meter).await?;
        if carried < orders * EVENTS_AN_ORDER {
            return Err(LoadError::Target(format!(
                "the relay carried {carried} events of {orders} orders"
            )));
        }
        let frames = frames(&topics.settings, PARTITIONS, 0, carried)?;
        let before = meter.read().await?;
        let (sent, elapsed) = producer.send(frames).await?;
        let of_raw = Sample::of(sent, elapsed.as_secs_f64(), &before, meter).await?;
        if round > 0 {
            table.add(CARRY, RELAY, of_relay);
            table.add(CARRY, RAW, of_raw);
        }
    }
    Ok(())
}

async fn beside(
    plan: &Plan,
    ledger: &Arc<WholeLedger>,
    topics: &Topics,
    meter: &Meter,
    table: &mut Table,
) -> Result<(), LoadError> {
    let ours = Arc::new(Ours::new(ledger, limits()));
    let most = drive(&ours, &creating(plan, Shape::Spread, 1)).await?;
    let rate = most.stats.count() as f64 / most.elapsed.as_secs_f64() / 2.0;
    for round in 0..=plan.rounds {
        // What was written while it paused would be work of the next run.
        carry(&relay(ledger, topics, Arc::new(Notify::new())), u64::MAX).await?;
        let run = Run {
            rate: Some(rate),
            in_flight: DEEP,
            ..creating(plan, Shape::Spread, 10 + round as u64)
        };
        let stop = CancellationToken::new();
        let running = tokio::spawn(relay(ledger, topics, Arc::clone(&ours.committed)).run(stop.clone()));
        let of_running = metered(&ours, meter, &run).await;
        stop.cancel();
        running.await.map_err(LoadError::Worker)?;
        let of_paused = metered(&ours, meter, &run).await?.1;
        let of_running = of_running?.1;
        if round > 0 {
            table.add(BESIDE, RUNNING, of_running);
            table.add(BESIDE, PAUSED, of_paused);
        }
    }
    ours.end().await
}
