#!/usr/bin/env bash
# Causes every alert on the real thing: the shop, a process a role, on a Postgres with a synchronous standby and a
# Kafka of its own, scraped by a real Prometheus with the rules as they are. Says for each what was done, how long it
# took to fire, and that it had been silent. Takes about 25 minutes (most of it are the rules' own waits).
#
#   scripts/alerts.sh                  all of them
#   scripts/alerts.sh DeadLetters …    only what causes these
#
# The table comes last and stays in var/alerts/tried.txt; the shop's logs are in var/alerts/shop.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/tools.sh
. scripts/tools.sh
exec </dev/null

OUT=var/alerts
need_rust
need_openssl
need_python_tools
need_prometheus
command -v psql >/dev/null || apt_install postgresql-client "psql is missing"
mkdir -p "$OUT"
cargo build --locked --package app --bin app
cp "${CARGO_TARGET_DIR:-target}/debug/app" "$OUT/app"
# Of its own in any case: its servers are killed.
export SERVICES_DIR=$PWD/$OUT/services
trap end_services EXIT
start_service postgres "$OUT/services"
start_service kafka "$OUT/services"
python3 scripts/monitoring/alerts.py --app "$OUT/app" --directory "$OUT/shop" "$@" | tee "$OUT/tried.txt"
