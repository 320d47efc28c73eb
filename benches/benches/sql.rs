//! Orders on a real Postgres, an operation an iteration and 64 in flight: ours through the order book
//! beside the usual way. Servers are those of the environment: `scripts/services.sh up postgres`, then
//! `eval "$(scripts/services.sh env postgres)"`. `just bench-stack` measures more, and in turns.

use std::time::Duration;

use benches::{Side, Sql, Work};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::Runtime;

fn sql(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let sql = runtime
        .block_on(Sql::open())
        .expect("the servers of the environment answer");
    for (name, work) in [
        ("sql/create_spread", Work::CreateSpread),
        ("sql/create_hot", Work::CreateHot),
        ("sql/pay", Work::Pay),
        ("sql/cancel", Work::Cancel),
    ] {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(1)).sample_size(20);
        group.measurement_time(Duration::from_secs(10));
        for side in [Side::Usual, Side::Ours] {
            group.bench_function(BenchmarkId::from_parameter(format!("{side:?}")), |bencher| {
                bencher.iter_custom(|count| {
                    let timed = runtime.block_on(sql.time(side, work, count));
                    timed.expect("every operation is done")
                });
            });
        }
        group.finish();
    }
    let closed = runtime.block_on(sql.close());
    closed.expect("the servers are as they were");
}

criterion_group!(benches, sql);
criterion_main!(benches);
