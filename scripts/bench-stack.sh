#!/usr/bin/env bash
# Measures the ledger and its pipeline on real services: Postgres with its synchronous standby and Kafka, started
# in a private directory (scripts/services.sh) and wiped at the end. What is measured, and what it comes to, is
# written to benches/results/ as JSON, tables and pictures; benches/README.md tells what it means.
#
#   scripts/bench-stack.sh                       everything but `growth` and `variants`
#   scripts/bench-stack.sh orders curves         only these: orders curves network relay notifier replay growth
#                                                variants (ours with one thing changed: lanes, tables, indexes)
#   scripts/bench-stack.sh growth                10 million unsent rows, 20 million orders: long, and 30 GB of disk
#   scripts/bench-stack.sh --standby remote-apply --out benches/results/remote-apply orders replay
#   scripts/bench-stack.sh --statements orders   what each statement costs the server, too
#   scripts/bench-stack.sh --quick               only whether everything works; results in var/bench-stack/results/
#
# Flags go to `load stack` (load stack --help). Environment: BENCH_PROFILE=debug takes a debug build, for smoke
# tests; SKIP_BUILD=1 takes what is built.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/tools.sh
. scripts/tools.sh

scratch=var/bench-stack
mkdir -p "$scratch"
flags=()
[[ " $* " != *' --quick '* ]] || flags+=(--out "$scratch/results")
[[ " $* " != *' --statements '* ]] || export POSTGRES_PRELOAD=pg_stat_statements
# Everything includes the replay.
case " $* " in
*' replay '*) scripts/dataset.sh ;;
*' orders '* | *' curves '* | *' network '* | *' relay '* | *' notifier '* | *' growth '* | *' variants '* | *' --help '*) ;;
*) scripts/dataset.sh ;;
esac

profile=${BENCH_PROFILE:-release}
build=(--locked --quiet)
[ "$profile" = debug ] || build+=(--release)
programs=${CARGO_TARGET_DIR:-target}/$profile
# One build each, so that `app` is the same program as that of `cargo run --release`.
if [ -z "${SKIP_BUILD:-}" ]; then
    cargo build "${build[@]}" --package app --bin app
    cargo build "${build[@]}" --package benches --bin load
fi

trap end_services EXIT
trap 'exit 1' INT TERM
start_service postgres "$scratch/services"
start_service kafka "$scratch/services"
"$programs/load" stack --app "$programs/app" --logs "$scratch" "${flags[@]}" "$@"
