//! LOMS on a real Postgres, in trouble: processes of `app --role loms` are killed, frozen, blocked
//! and raced. `just faults` runs as many rounds as the design asks for; the test command runs few.

mod blocked;
mod cluster;
mod figures;
mod frozen;
mod full;
#[path = "../shop/harness.rs"]
#[allow(dead_code, reason = "shared with the tests of the shop, which use all of it")]
mod harness;
mod killed;
mod load;
mod loms;
mod middle;
mod migration;
mod primary;
#[path = "../e2e/contract/process.rs"]
#[allow(dead_code, reason = "shared with the tests of the contract, which use all of it")]
mod process;
mod races;
mod report;
mod stage;
mod standby;
mod verify;
