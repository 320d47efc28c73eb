//! Fills the memory ledger with 10 million orders of 3 lines and prints the resident memory of each.
//! `cargo bench -p benches --bench memory`, with `-- --keyed` for orders with idempotency keys, as
//! checkouts have them. Without `--bench` (as tests run it) it fills only 10,000.

mod common;

use std::io::Write;

use common::{Shape, command, drain, ledger, run};

const BATCH: u64 = 64;

/// Resident memory of this process in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

fn main() -> std::io::Result<()> {
    let asked = |flag: &str| std::env::args().any(|arg| arg == flag);
    let orders: u64 = if asked("--bench") { 10_000_000 } else { 10_000 };
    let shape = if asked("--keyed") { Shape::Keyed } else { Shape::Spread };
    let ledger = ledger(usize::MAX);
    let before = resident();
    let mut at = 0;
    while at < orders {
        let to = (at + BATCH).min(orders);
        let batch: Vec<_> = (at..to).map(|at| command(shape, at)).collect();
        run(&ledger, &batch);
        drain(&ledger);
        at = to;
    }
    let used = resident().saturating_sub(before);
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{orders} orders of 3 lines ({shape:?}), events sent: {} MiB resident, {:.0} bytes an order",
        used >> 20,
        used as f64 / orders as f64
    )
}
