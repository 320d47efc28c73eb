//! LOMS on a real Postgres, in trouble, and the way of its events over a real Kafka to the notifiers:
//! processes are killed, frozen, blocked and raced. `just faults` runs as many rounds as the design asks
//! for; the test command runs few.

mod account;
mod blocked;
mod broker;
#[path = "../support/cluster.rs"]
mod cluster;
#[path = "../support/figures.rs"]
#[allow(dead_code, reason = "shared: each test target uses a part of it")]
mod figures;
mod frozen;
mod full;
mod handled;
#[path = "../support/harness.rs"]
#[allow(dead_code, reason = "shared: each test target uses a part of it")]
mod harness;
mod heard;
mod killed;
mod load;
mod loms;
mod middle;
mod migration;
mod outage;
mod pipeline;
mod primary;
#[path = "../support/process.rs"]
#[allow(dead_code, reason = "shared: each test target uses a part of it")]
mod process;
mod published;
mod races;
mod report;
mod stage;
mod standby;
mod steady;
mod takeover;
mod uncommitted;
mod verify;
mod wire;
