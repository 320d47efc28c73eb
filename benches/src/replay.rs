//! `replay`: real baskets, each household's in time order, households side by side. A household's next
//! basket starts when the one before is paid for, as people shop.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::client::Target;
use crate::dataset::Household;
use crate::error::LoadError;
use crate::runner::{self, Finished, Worker};
use crate::workloads::{Job, Wish, place};

/// Replays every basket of every household.
pub(crate) async fn replay(target: &Target, job: &Job, households: Vec<Household>) -> Result<Finished, LoadError> {
    let baskets: usize = households.iter().map(|household| household.baskets.len()).sum();
    let progress = runner::progress("replay", Some(baskets as u64));
    let households = Arc::new(by_size(households));
    let next = Arc::new(AtomicUsize::new(0));
    runner::run(target, job.in_flight, progress, |mut worker, _| {
        let (job, households, next) = (job.clone(), households.clone(), next.clone());
        async move {
            while let Some(household) = households.get(next.fetch_add(1, Ordering::Relaxed)) {
                if !shop(&mut worker, &job, household).await {
                    break;
                }
            }
            worker
        }
    })
    .await
}

/// Whether the run goes on after this household.
async fn shop(worker: &mut Worker, job: &Job, household: &Household) -> bool {
    if job.by_cart {
        // Something left in the cart by others would be ordered along.
        let cart = worker.target.cart.clone();
        let _ = worker.call("clear", cart.clear(household.user_id)).await;
    }
    for lines in &household.baskets {
        let Some(slot) = job.pace.slot().await else {
            return false;
        };
        let wish = Wish {
            user_id: household.user_id,
            lines: lines.clone(),
            index: slot.index,
            start: slot.start,
        };
        place(worker, job, wish).await;
        worker.progress.inc(1);
    }
    true
}

/// Longest first, so that the last worker does not end with the longest row of baskets.
fn by_size(mut households: Vec<Household>) -> Vec<Household> {
    households.sort_by_key(|household| std::cmp::Reverse(household.baskets.len()));
    households
}
