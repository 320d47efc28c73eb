#!/bin/sh
# Starts the shop on free ports, in memory, and plays a short story on it: carts, checkout, payment,
# cancellation, a sell-out by 500 buyers. Prints what happened and what the notifier saw; fails where
# anything went another way than it should.
set -eu

# shellcheck source=scripts/private-app.sh
. "$(dirname "$0")/private-app.sh"

build
dir=$(mktemp -d)
trap 'kill_app; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM

start_app "$dir/app.log"
# shellcheck disable=SC2086 # one argument a word
"$load" story $urls --app-log "$dir/app.log"
stop_app
echo "The shop was stopped and ended in order."
