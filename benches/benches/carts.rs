//! The store of carts in memory: add, remove, list, over 10,000 users with 10 lines each.
//! One call an iteration; users and skus change from call to call, as in a shop.

use std::hint::black_box;

use adapters::memory::carts::{CartLimits, MemoryCarts};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use domain::cart::ports::Carts;
use domain::types::{Quantity, Sku, UserId};
use futures::FutureExt;

const USERS: i64 = 10_000;
const LINES: i64 = 10;
const FREE: u32 = u32::MAX;

/// The futures of the memory store are ready at once.
fn ready<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("the memory store never waits")
}

fn user(at: i64) -> UserId {
    // A step that is prime to the number of users, so that neighbours are not in cache.
    UserId::try_from(1 + (at * 7919) % USERS).expect("positive")
}

fn sku(at: i64) -> Sku {
    Sku::try_from(1 + at).expect("positive")
}

fn filled() -> MemoryCarts {
    let carts = MemoryCarts::new(CartLimits {
        carts_max: 1_000_000,
        answers_max: 1_000,
    });
    for at in 0..USERS {
        for line in 0..LINES {
            ready(carts.add(user(at), sku(line * 2), Quantity::ONE, FREE)).expect("there is room");
        }
    }
    carts
}

fn carts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("carts");
    let carts = filled();
    let mut at = 0;
    group.bench_function("add_to_line", |bencher| {
        bencher.iter(|| {
            at += 1;
            black_box(ready(carts.add(user(at), sku(at % LINES * 2), Quantity::ONE, FREE)))
        });
    });
    group.bench_function("list", |bencher| {
        bencher.iter(|| {
            at += 1;
            black_box(ready(carts.lines(user(at))))
        });
    });
    // Odd skus are in no cart: each pair adds a line in the middle of the cart and takes it out.
    group.bench_function("add_line_and_remove", |bencher| {
        bencher.iter(|| {
            at += 1;
            let odd = sku(at % LINES * 2 + 1);
            let added = ready(carts.add(user(at), odd, Quantity::ONE, FREE));
            black_box((added, ready(carts.remove(user(at), odd))))
        });
    });
    group.bench_function("remove_absent", |bencher| {
        bencher.iter(|| {
            at += 1;
            black_box(ready(carts.remove(user(at), sku(at % LINES * 2 + 1))))
        });
    });
    group.bench_function("first_line_of_a_new_cart", |bencher| {
        let mut next = USERS;
        bencher.iter_batched(
            || {
                next += 1;
                UserId::try_from(next).expect("positive")
            },
            |user| {
                let added = ready(carts.add(user, sku(1), Quantity::ONE, FREE));
                black_box((added, ready(carts.clear(user))))
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, carts);
criterion_main!(benches);
