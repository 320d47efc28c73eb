//! Single calls for comparisons: nothing is bookkept or audited, so that bare servers can answer them.

use std::sync::Arc;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::client::{Answer, Target};
use crate::dataset::Line;
use crate::error::LoadError;
use crate::pace::Pace;
use crate::runner::{self, Finished};

/// Users that carts and orders are spread over.
const USERS: i64 = 10_000;

/// One kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Call {
    /// `POST /user/{user_id}/cart/{sku}`, one unit.
    CartAdd,
    /// `OrderCreate` with 3 lines of one unit, without an idempotency key.
    GrpcCreate,
    /// `StocksInfo`.
    GrpcStock,
}

impl Call {
    /// As on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CartAdd => "cart-add",
            Self::GrpcCreate => "grpc-create",
            Self::GrpcStock => "grpc-stock",
        }
    }
}

/// Makes the call over and over, with random users and skus.
pub(crate) async fn run(
    target: &Target,
    call: Call,
    skus: Arc<[i64]>,
    pace: Arc<Pace>,
    in_flight: usize,
    seed: u64,
    total: Option<u64>,
) -> Result<Finished, LoadError> {
    let progress = runner::progress(call.name(), total);
    runner::run(target, in_flight, progress, |mut worker, number| {
        let (skus, pace) = (skus.clone(), pace.clone());
        async move {
            let mut random = SmallRng::seed_from_u64(seed.wrapping_add(number as u64));
            while let Some(slot) = pace.slot().await {
                let user_id = random.random_range(1..=USERS);
                let chosen = [(); 3].map(|()| skus[random.random_range(0..skus.len())]);
                let target = worker.target.clone();
                let made = one(&target, call, user_id, chosen);
                let _ = worker.call_since(call.name(), slot.start, made).await;
                worker.progress.inc(1);
            }
            worker
        }
    })
    .await
}

async fn one(target: &Target, call: Call, user_id: i64, skus: [i64; 3]) -> Answer<()> {
    match call {
        Call::CartAdd => target.cart.add(user_id, skus[0], 1).await,
        Call::GrpcCreate => {
            let lines = skus.map(|sku| Line { sku, count: 1 });
            target.orders.create(user_id, &lines, None).await.map(drop)
        }
        Call::GrpcStock => target.orders.free(skus[0]).await.map(drop),
    }
}
