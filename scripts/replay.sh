#!/bin/sh
# Puts a real year of baskets through the shop: makes the dataset if need be, starts the shop on free
# ports with its catalogue and stock, replays household by household, audits the stock against the
# orders, and prints the figures. Arguments go to `load replay`:
#
#   scripts/replay.sh                  through carts, checkout and payment
#   scripts/replay.sh --orders-only    straight to OrderCreate and OrderPay
#   scripts/replay.sh --limit 10000    only the first baskets
#
# var/replay/ keeps replay.json and, where something is wrong, the shop's log.
set -eu

# shellcheck source=scripts/private-app.sh
. "$(dirname "$0")/private-app.sh"

scripts/dataset.sh
build
out=var/replay
mkdir -p "$out"
# Runs side by side do not mix: each has its own log and report, the report of the last one stays.
log=$out/app.$$.log
report=$out/replay.$$.json
trap kill_app EXIT
trap 'exit 1' INT TERM

data=var/dataset
start_app "$log" --catalogue "$data/catalogue.json" --stock "$data/stock.json"
rest=$(memory_mib VmRSS)
# shellcheck disable=SC2086 # one argument a word
"$load" replay --catalogue "$data/catalogue.json" --baskets "$data/baskets.jsonl" \
    $urls --json "$report" "$@"
after=$(memory_mib VmRSS)
most=$(memory_mib VmHWM)
stop_app

# `new` and `awaiting payment` for each order, and a third event where it was paid or cancelled; `new` and
# `failed` for a refused one.
seen=$(grep -c '"msg":"order event"' "$log" || true)
expected=$(sed -n 's/.*"events_expected": \([0-9]*\).*/\1/p' "$report")
echo "memory of the shop: $rest MiB at rest, $after MiB after the replay, $most MiB at most"
echo "the notifier wrote $seen events of $expected"
[ "$seen" -eq "${expected:-$seen}" ] || {
    echo "events are missing or repeated; the shop's log is $log" >&2
    exit 1
}
rm -f "$log" "$log.err"
mv "$report" "$out/replay.json"
