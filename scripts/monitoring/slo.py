"""Makes the rules of the objectives, rules/slo.yml, from deploy/monitoring/prometheus/slo.yml.

    slo.py            writes it
    slo.py --check    writes nothing; exits with 1 if what is there is not what would be written

For each objective the share of bad events is recorded over seven windows as `slo:bad:ratio_rateWINDOW{slo="…"}`, and
two rules of one alert say how fast the error budget burns: each needs a long window (it matters) and a short one (it
still goes on). The pairs are those of Google's SRE workbook, chapter "Alerting on SLOs".
"""

import argparse
import json
import pathlib
import sys

import yaml

HOME = pathlib.Path("deploy/monitoring/prometheus")
SOURCE, MADE = HOME / "slo.yml", HOME / "rules" / "slo.yml"
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
# Severity: (times the budget's own pace, long window, short window). 14.4 for an hour is 2 % of four weeks' budget.
BURNS = {
    "page": ((14.4, "1h", "5m"), (6, "6h", "30m")),
    "ticket": ((3, "1d", "2h"), (1, "3d", "6h")),
}
RUNBOOKS = "docs/runbooks"
HEAD = """\
# Made by scripts/monitoring/slo.py from ../slo.yml: change that, then `just dashboards`.
groups:
"""


def ratio(slo, window):
    total = f"sum(rate({slo['total']}[{window}]))"
    if "good" in slo:
        return f"1 - sum(rate({slo['good']}[{window}])) / {total}"
    # A status that was never answered has no series.
    return f"(sum(rate({slo['bad']}[{window}])) or vector(0)) / {total}"


def burns(slo, severity):
    name, budget = slo["slo"], round(1 - slo["objective"], 6)
    parts = []
    for factor, long, short in BURNS[severity]:
        limit = f"{factor * budget:.6g}"
        parts.append(
            f'(slo:bad:ratio_rate{long}{{slo="{name}"}} > {limit} and slo:bad:ratio_rate{short}{{slo="{name}"}} > {limit})'
        )
    return " or ".join(parts)


def record(slo, window):
    return [
        f"      - record: slo:bad:ratio_rate{window}",
        f"        expr: {json.dumps(ratio(slo, window))}",
        f"        labels: {{slo: {slo['slo']}}}",
    ]


def alert(slo, severity):
    pairs = " or ".join(f"{factor} times for {long}" for factor, long, _ in BURNS[severity])
    summary = f"Not enough of this holds: {slo['what']} ({slo['objective']:.1%} wanted)"
    described = f"{{{{ $value | humanizePercentage }}}} failed lately. The error budget burns at least {pairs}."
    return [
        f"      - alert: {slo['alert']}",
        f"        expr: {json.dumps(burns(slo, severity))}",
        f"        labels: {{severity: {severity}}}",
        "        annotations:",
        f"          summary: {json.dumps(summary)}",
        f"          description: {json.dumps(described)}",
        f"          runbook_url: {RUNBOOKS}/{slo['alert']}.md",
    ]


def made():
    lines = []
    for slo in yaml.safe_load(SOURCE.read_text(encoding="utf-8"))["objectives"]:
        lines += [f"  - name: {slo['slo']}", "    rules:"]
        for window in WINDOWS:
            lines += record(slo, window)
        for severity in BURNS:
            lines += alert(slo, severity)
    return HEAD + "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    wanted = made()
    if options.check:
        stale = not MADE.exists() or MADE.read_text(encoding="utf-8") != wanted
        if stale:
            print(f"{MADE} is not what {SOURCE} makes: run `just dashboards`", file=sys.stderr)
        sys.exit(stale)
    MADE.write_text(wanted, encoding="utf-8")


if __name__ == "__main__":
    main()
