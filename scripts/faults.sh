#!/usr/bin/env bash
# LOMS on a real Postgres, in trouble, and the way of its events over a real Kafka: processes are killed,
# frozen, blocked and raced, as often as the design asks for (the test command runs the same tests with
# few rounds). Takes an hour; starts a private Postgres and a private Kafka where there is none. The
# figures come last, and stay in var/faults/figures.txt.
#
#   scripts/faults.sh             all of it
#   scripts/faults.sh killed      only tests whose name contains one of these words
#
# APP_FAULT_ROUNDS: `issue` (the default here), or how often a test does what it repeats.
# APP_FAULT_PROFILE: the build profile of cargo's, `dev` (the default) or `release`.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/tools.sh
. scripts/tools.sh
exec </dev/null

OUT=var/faults
TARGETS=(--test faults --test notifier)
export APP_FAULT_ROUNDS=${APP_FAULT_ROUNDS:-issue}

need_rust
need_python_tools
mkdir -p "$OUT"
trap end_services EXIT
need_service postgres APP_TEST_POSTGRES "$OUT/services"
need_service kafka APP_TEST_KAFKA "$OUT/services"
code=0
cargo nextest run --config-file scripts/nextest.toml --profile faults --no-capture \
    --cargo-profile "${APP_FAULT_PROFILE:-dev}" --locked --package app "${TARGETS[@]}" "$@" 2>&1 |
    tee "$OUT/faults.log" || code=$?
printf '\n== figures\n'
sed -n 's/^figure: //p' "$OUT/faults.log" | tee "$OUT/figures.txt"
exit "$code"
