//! Many adds to one cart at once: all arrive, one of them is the first.

use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::audit::agree;
use crate::harness::App;

const STOCK: &[(i64, u32)] = &[(1, 1_000_000), (2, 1_000_000), (3, 1_000_000)];
const TASKS: u64 = 64;
const ADDS: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn adds_to_one_cart_from_many_tasks_all_arrive() {
    let app = std::sync::Arc::new(App::all(STOCK, &[]).await);
    let tasks = (0..TASKS).map(|task| {
        let app = std::sync::Arc::clone(&app);
        tokio::spawn(async move {
            let mut random = StdRng::seed_from_u64(task);
            let (mut units, mut first) = ([0_i64; 3], 0);
            for _ in 0..ADDS {
                let (sku, count) = (random.random_range(1..=3_i64), random.random_range(1..=9_u32));
                match app.add(1, sku, count).await {
                    201 => first += 1,
                    200 => {}
                    other => panic!("{other}"),
                }
                units[usize::try_from(sku - 1).unwrap()] += i64::from(count);
            }
            (units, first)
        })
    });
    let mut units = [0; 3];
    let mut firsts = 0;
    for task in join_all(tasks).await {
        let (added, first) = task.unwrap();
        for (sum, count) in units.iter_mut().zip(added) {
            *sum += count;
        }
        firsts += first;
    }
    assert_eq!(firsts, 3, "a sku is new once");
    assert_eq!(app.content(1).await, [(1, units[0]), (2, units[1]), (3, units[2])]);
    assert_eq!(app.checkout(1).await.0, 200);
    let order = &agree(&app, STOCK).await[&1];
    let ordered: Vec<i64> = order.items.iter().map(|item| i64::from(item.count)).collect();
    assert_eq!(ordered, units);
    std::sync::Arc::into_inner(app).unwrap().stop().await;
}
