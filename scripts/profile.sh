#!/usr/bin/env bash
# Takes the profiles of a running process, into var/profiles, and prints the top of each:
#
#   scripts/profile.sh http://localhost:8080       ten seconds of its processors, and its heap
#   scripts/profile.sh http://localhost:8080 30    thirty seconds
#
# The process must run with `profiling.enabled`. Without Go the files are all: `go tool pprof` elsewhere
# opens them, and others do.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/tools.sh
. scripts/tools.sh

[ $# -ge 1 ] && [ $# -le 2 ] || { sed -n '2,/^set -euo/p' "$0" | sed '$d; s/^# \{0,1\}//' >&2; exit 2; }
BASE=${1%/}
SECONDS_LONG=${2:-10}
INTO=var/profiles
mkdir -p "$INTO"

# take PATH FILE: what is refused is told as the process tells it.
take() {
    curl --silent --show-error --fail-with-body --output "$2" "$BASE$1" || {
        [ ! -s "$2" ] || cat "$2" >&2
        rm -f "$2"
        fail "no profile from $BASE$1: does it run with profiling.enabled?"
    }
}

take "/debug/pprof/profile?seconds=$SECONDS_LONG" "$INTO/processor.pb.gz"
take /debug/pprof/heap "$INTO/heap.pb.gz"
GO=$(command -v go || { [ ! -x /usr/local/go/bin/go ] || echo /usr/local/go/bin/go; })
for kind in processor heap; do
    printf '\n%s: %s\n' "$kind" "$INTO/$kind.pb.gz"
    [ -z "$GO" ] || "$GO" tool pprof -top -nodecount 25 "$INTO/$kind.pb.gz"
done
