#!/usr/bin/env bash
# Measures the ledger and its pipeline on real services: Postgres with its synchronous standby and Kafka, started
# in a private directory (scripts/services.sh) and wiped at the end. What is measured, and what it comes to, is
# written to benches/results/ as JSON, tables and pictures; benches/README.md tells what it means.
#
#   scripts/bench-stack.sh                       everything, with an asynchronous standby
#   scripts/bench-stack.sh orders curves         only these
#   scripts/bench-stack.sh --standby remote-apply orders
#   scripts/bench-stack.sh --quick               only whether everything works, results in var/bench-stack/
#
# Arguments go to `load stack`. BENCH_PROFILE=debug takes a debug build, for smoke tests.
set -euo pipefail
cd "$(dirname "$0")/.."

profile=${BENCH_PROFILE:-release}
flags=()
[ "$profile" = debug ] || flags=(--release)
# One build each, so that `app` is the same program as that of `cargo run --release`.
if [ -z "${SKIP_BUILD:-}" ]; then
    cargo build --locked --quiet "${flags[@]}" --package app --bin app
    cargo build --locked --quiet "${flags[@]}" --package benches --bin load
fi
programs=${CARGO_TARGET_DIR:-target}/$profile
out=()
[[ " $* " != *' --quick '* ]] || out=(--out var/bench-stack)

SERVICES_DIR=${SERVICES_DIR:-$PWD/var/bench-stack/services}
export SERVICES_DIR
mkdir -p var/bench-stack
# shellcheck disable=SC2329 # called by the trap
end() {
    for service in kafka postgres; do scripts/services.sh down --wipe "$service" || true; done
}
trap end EXIT
trap 'exit 1' INT TERM
for service in postgres kafka; do
    scripts/services.sh up "$service"
    eval "$(scripts/services.sh env "$service")"
done
"$programs/load" stack --app "$programs/app" "${out[@]}" "$@"
