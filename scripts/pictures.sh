#!/usr/bin/env bash
# Takes the pictures of docs/pictures from the running shop: Prometheus that scrapes it under load, and Swagger UI. A
# real Postgres and Kafka, a process a role; a headless Chromium looks. docs/pictures/README.md is written with them, and
# says what each was made by.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/tools.sh
. scripts/tools.sh
exec </dev/null

OUT=var/pictures
need_rust
need_openssl
need_python_tools
need_prometheus
need_chromium
mkdir -p "$OUT" docs/pictures
cargo build --locked --package app --bin app
cp "${CARGO_TARGET_DIR:-target}/debug/app" "$OUT/app"
trap end_services EXIT
need_service postgres APP_TEST_POSTGRES "$OUT/services"
need_service kafka APP_TEST_KAFKA "$OUT/services"
python3 scripts/monitoring/pictures.py --app "$OUT/app" --directory "$OUT/shop" --pictures docs/pictures
