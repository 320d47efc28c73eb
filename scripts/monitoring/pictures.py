"""Takes pictures of the real thing; see scripts/pictures.sh.

    pictures.py --app target/debug/app --directory var/pictures/shop --pictures docs/pictures
"""

import argparse
import datetime
import json
import os
import pathlib
import subprocess
import time
import urllib.parse

import load
from stack import NOTIFIERS, Stack, ask

LOAD_SECONDS = 40
GRAPHS = {
    "prometheus-orders": (
        "Orders by change of status, under load",
        "sum by (status) (rate(loms_order_status_changes_total[30s]))",
    ),
    "prometheus-latency": (
        "99th percentile of the cart's answers by route, under load",
        'histogram_quantile(0.99, sum by (le, http_request_method, http_route) (rate(http_server_request_duration_seconds_bucket{job="cart",http_route!~"/metrics|/healthz|/readyz"}[30s])))',
    ),
}


def version(command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0].split(" (")[0].strip()


def page(stack, path):
    """A page of Prometheus; Debian's has only the older ones."""
    there = ask(stack.url("prometheus", path))[0] == 200
    return stack.url("prometheus", path if there else f"/classic{path}")


def graph(stack, query):
    """Prometheus' own page of a graph of the last minutes."""
    asked = {"g0.expr": query, "g0.tab": "0", "g0.range_input": "1m", "g0.step_input": "1"}
    return stack.url("prometheus", "/graph?" + urllib.parse.urlencode(asked))


def shots(stack):
    found = [
        {"name": name, "about": f"{about}: `{query}`", "url": graph(stack, query), "by": "Prometheus"}
        for name, (about, query) in GRAPHS.items()
    ]
    others = [
        ("prometheus-alerts", "Every alert of the rules", page(stack, "/alerts"), "Prometheus"),
        ("prometheus-targets", "The roles that are scraped", page(stack, "/targets"), "Prometheus"),
        ("swagger-cart", "The API of the cart", stack.url("cart", "/swagger/"), "Swagger UI of `app`"),
        ("swagger-loms", "The gateway of LOMS", stack.url("loms", "/swagger/"), "Swagger UI of `app`"),
    ]
    return found + [dict(zip(("name", "about", "url", "by"), other)) for other in others]


def label(home, taken, versions):
    """What made them, beside them."""
    lines = [
        "# Pictures",
        "",
        f"Made by `scripts/pictures.sh` on {datetime.date.today().isoformat()}: the shop, a process a role, on a real Postgres and Kafka,",
        f"driven by `scripts/monitoring/load.py` for {LOAD_SECONDS} s; {versions}.",
        "A debug build on a machine that does other things as well: what it looks like, not how fast it is.",
        "",
    ]
    for shot in taken:
        lines += [f"## {shot['name']}", "", f"{shot['about']} ({shot['by']}).", "", f"![{shot['name']}]({shot['name']}.png)", ""]
    (home / "README.md").write_text("\n".join(lines), encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--app", required=True)
    parser.add_argument("--directory", required=True)
    parser.add_argument("--pictures", type=pathlib.Path, required=True)
    options = parser.parse_args()
    receivers = load.Receivers()
    with Stack(options.app, options.directory, load.webhook(receivers)) as stack:
        stack.prepare()
        names = ("products", "loms", "cart", *NOTIFIERS)
        for name in names:
            stack.start(name)
        stack.prometheus()
        stack.ready(*names)
        load.run(stack, LOAD_SECONDS)
        time.sleep(2)
        taken = shots(stack)
        asked = json.dumps([shot | {"file": str(options.pictures / f"{shot['name']}.png")} for shot in taken])
        subprocess.run(["node", "scripts/monitoring/pictures.mjs"], input=asked, text=True, check=True, timeout=300)
        built = json.loads(ask(stack.url("prometheus", "/api/v1/status/buildinfo"))[1])["data"]["version"]
    versions = f"Prometheus {built}, {version([os.environ['CHROMIUM'], '--version'])}"
    label(options.pictures, taken, versions)
    print(f"pictures: {len(taken)} in {options.pictures}")


if __name__ == "__main__":
    main()
