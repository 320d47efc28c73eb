//! The two sides of [`super::orders`] as criterion wants them: so many operations, and how long they
//! took, 64 in flight.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use super::drive::{Driven, Run, Until, drive};
use super::orders::Sides;
use super::server::{Stage, Standby};
use super::way::{Act, Shape, Step, Way};
use crate::error::LoadError;

/// Calls in flight.
const IN_FLIGHT: usize = 64;
/// Connections of the usual way; `load stack orders` looks for its best.
const CONNECTIONS: usize = 32;

/// Who does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// A transaction a step.
    Usual,
    /// The order book and its batches.
    Ours,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Orders of three lines over 10,000 skus are placed.
    CreateSpread,
    /// Orders of one sku are placed.
    CreateHot,
    /// Orders are paid; placing them is not timed.
    Pay,
    /// Orders are cancelled; placing them is not timed.
    Cancel,
}

/// Both sides on the servers of the environment, with an asynchronous standby.
pub struct Sql {
    stage: Stage,
    sides: Sides,
}

impl Sql {
    /// Makes a database for each side.
    ///
    /// # Errors
    /// Where the servers refuse.
    ///
    /// # Panics
    /// Where the environment names no servers.
    pub async fn open() -> Result<Self, Box<dyn Error>> {
        let stage = Stage::begin(Standby::Asynchronous).await?;
        let sides = Sides::open(&stage).await?;
        sides.usual.resize(CONNECTIONS);
        Ok(Self { stage, sides })
    }

    /// The time of so many operations.
    ///
    /// # Errors
    /// Where one of them is refused.
    pub async fn time(&self, side: Side, work: Work, count: u64) -> Result<Duration, Box<dyn Error>> {
        Ok(match side {
            Side::Usual => time(&self.sides.usual, work, count).await?,
            Side::Ours => time(&self.sides.ours, work, count).await?,
        })
    }

    /// Leaves the servers as they were.
    ///
    /// # Errors
    /// Where they refuse.
    pub async fn close(self) -> Result<(), Box<dyn Error>> {
        self.sides.close().await?;
        Ok(self.stage.end().await?)
    }
}

async fn time<W: Way>(way: &Arc<W>, work: Work, count: u64) -> Result<Duration, LoadError> {
    let create = |shape| act(way, Act::Create(shape), count);
    let done = match work {
        Work::CreateSpread => create(Shape::Spread).await?,
        Work::CreateHot => create(Shape::Hot).await?,
        Work::Pay => {
            let placed = create(Shape::Spread).await?.placed;
            act(way, Act::Each(Step::Pay, placed.into()), count).await?
        }
        Work::Cancel => {
            let placed = create(Shape::Spread).await?.placed;
            act(way, Act::Each(Step::Cancel, placed.into()), count).await?
        }
    };
    Ok(done.elapsed)
}

async fn act<W: Way>(way: &Arc<W>, act: Act, count: u64) -> Result<Driven, LoadError> {
    let run = Run {
        act,
        in_flight: IN_FLIGHT,
        rate: None,
        until: Until::Done(count),
        seed: count,
    };
    drive(way, &run).await
}
