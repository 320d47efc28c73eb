# Every recipe calls a script of scripts/ or cargo; `just` alone lists them.

set positional-arguments

# list the recipes
[private]
default:
    @just --list --unsorted

# run the whole shop in memory; arguments go to `app` (just run --role cart)
run *args:
    cargo run --release --package app -- "$@"

# pass every test, or only the named steps (just test clippy browser)
test *steps:
    scripts/test.sh "$@"

# formats, shellcheck, generated code, clippy, docs, dependencies, each role alone
lint:
    scripts/test.sh lint

# all tests once, with line coverage and its floor
coverage:
    scripts/test.sh coverage

# criterion benchmarks of the stores in memory; arguments are filters (just bench ledger)
bench *args:
    cargo bench --package benches --bench carts --bench ledger --bench memory -- "$@"

# the ledger and its pipeline on real services, beside the usual way (just bench-stack --quick orders)
bench-stack *args:
    scripts/bench-stack.sh "$@"

# the shop beside bare servers in the same run: throughput, latency, CPU a request, start-up
compare *args:
    scripts/compare.sh "$@"

# profiles of a running process (just profile http://localhost:8080 [seconds]); needs profiling.enabled
profile url seconds="10":
    scripts/profile.sh "$@"

# make the committed generated code again (gRPC messages, JSON, OpenAPI, SQL queries)
generate:
    #!/usr/bin/env bash
    set -euo pipefail
    scripts/services.sh up postgres
    eval "$(scripts/services.sh env postgres)"
    cargo run --quiet --package codegen -- "${APP_TEST_POSTGRES%/*}/"

# start the shop and play a short story: carts, a sell-out, payment, cancellation
demo *args:
    scripts/demo.sh "$@"

# put a real year of shopping baskets through the shop, audited
replay *args:
    scripts/replay.sh "$@"

# model-check the memory stores over all interleavings
model-check:
    scripts/test.sh model

# kill, freeze, block and race LOMS, Postgres, Kafka and notifiers, with figures (just faults killed: only these)
faults *tests:
    scripts/faults.sh "$@"

# fuzz a running shop for longer (just fuzz 600 7: seconds, seed)
fuzz seconds="300" seed="random":
    FUZZ_SECONDS={{seconds}} FUZZ_SEED={{seed}} scripts/test.sh fuzz

# the whole shop, a process a role, on a real Postgres with a synchronous standby and Kafka; no containers
up-native *args:
    scripts/up-native.sh "$@"

# the whole shop in containers; ends when it answers (just down ends it)
up *args:
    docker compose --file deploy/compose.yaml up --build --detach --wait "$@"

# end the containers; with --volumes what they wrote is gone too
down *args:
    docker compose --file deploy/compose.yaml down "$@"

# the whole shop in containers with Prometheus (9090), Grafana (3000) and Jaeger (16686); `just monitoring-down` ends both
monitoring *args:
    docker compose --file deploy/compose.yaml --file deploy/monitoring/compose.yaml up --build --detach --wait "$@"

# end the containers of `just monitoring`; with --volumes what they wrote is gone too
monitoring-down *args:
    docker compose --file deploy/compose.yaml --file deploy/monitoring/compose.yaml down "$@"

# make the dashboards and the rules of the objectives again, from their sources in deploy/monitoring
dashboards:
    #!/usr/bin/env bash
    set -euo pipefail
    . scripts/tools.sh
    need_python_tools
    python3 scripts/monitoring/dashboards.py
    python3 scripts/monitoring/slo.py

# take the pictures of docs/pictures anew: Prometheus and Swagger UI of the running shop
pictures:
    scripts/pictures.sh

# cause every alert on a real Prometheus, Postgres and Kafka, and say when it fired (just alerts DeadLetters: only this)
alerts *names:
    scripts/alerts.sh "$@"
