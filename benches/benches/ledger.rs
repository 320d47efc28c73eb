//! The ledger in memory by batch size, 3 lines an order. Timed: footprint, load, decision, both events of
//! each order and commit. Not timed: making the commands, which is the caller's, and the relay, which runs
//! beside it; `with_relay` times reading and marking the events too.

mod common;

use std::hint::black_box;
use std::time::{Duration, Instant};

use adapters::memory::ledger::MemoryLedger;
use common::{Shape, command, drain, ledger, run};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use domain::order::batch::Command;

/// Orders made at a time, outside the timing.
const CHUNK: u64 = 1 << 16;
/// A fresh ledger after so many orders.
const ORDERS_MAX: u64 = 4_000_000;

#[expect(clippy::disallowed_methods, reason = "the bench's only reader of the clock")]
fn clock() -> Instant {
    Instant::now()
}

/// A ledger and the orders that are yet to come.
struct Shop {
    shape: Shape,
    ledger: MemoryLedger,
    made: u64,
}

impl Shop {
    fn new(shape: Shape) -> Self {
        Self {
            shape,
            ledger: ledger(usize::MAX),
            made: 0,
        }
    }

    fn commands(&mut self, count: u64) -> Vec<Command> {
        if self.made > ORDERS_MAX {
            *self = Self::new(self.shape);
        }
        let from = self.made;
        self.made += count;
        (from..self.made).map(|at| command(self.shape, at)).collect()
    }

    /// The time of `batches` batches of `size`.
    fn timed(&mut self, batches: u64, size: u64, with_relay: bool) -> Duration {
        let (mut left, mut total) = (batches, Duration::ZERO);
        while left > 0 {
            let now = left.min(CHUNK.div_ceil(size));
            let commands = self.commands(now * size);
            let start = clock();
            for batch in commands.chunks(usize::try_from(size).expect("small")) {
                black_box(run(&self.ledger, batch));
            }
            if with_relay {
                drain(&self.ledger);
            }
            total += clock() - start;
            drain(&self.ledger);
            left -= now;
        }
        total
    }
}

fn by_batch_size(criterion: &mut Criterion) {
    for (name, shape, with_relay) in [
        ("ledger/spread", Shape::Spread, false),
        ("ledger/hot", Shape::Hot, false),
        ("ledger/spread_keyed", Shape::Keyed, false),
        ("ledger/spread_with_relay", Shape::Spread, true),
    ] {
        let mut group = criterion.benchmark_group(name);
        for size in [1, 8, 64, 512] {
            group.throughput(Throughput::Elements(size));
            let mut shop = Shop::new(shape);
            group.bench_with_input(BenchmarkId::from_parameter(size), &size, |bencher, size| {
                bencher.iter_custom(|batches| shop.timed(batches, *size, with_relay));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, by_batch_size);
criterion_main!(benches);
