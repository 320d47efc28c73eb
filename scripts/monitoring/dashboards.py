"""Makes Grafana's dashboards from their short sources.

    dashboards.py            writes deploy/monitoring/grafana/dashboards/NAME.json for every sources/NAME.yml
    dashboards.py --check    writes nothing; exits with 1 if what is there is not what would be written

A source has a title, tags, and panels in the order they are read. A panel is `row: TITLE`, or has a title, its
queries (`expr`, `legend`), a unit of Grafana's and, where they are not the usual, `kind`, `width` (of 24), `stack`,
`about` (shown behind the `i`), `traces` (service and, if one is meant, operation: a link to such traces in Jaeger).
`include: NAME` takes the panels of sources/parts/NAME.yml, with `$name` replaced by what `with` says.
"""

import argparse
import json
import pathlib
import string
import sys
import urllib.parse

import yaml

GRAFANA = pathlib.Path("deploy/monitoring/grafana")
SOURCES, MADE = GRAFANA / "sources", GRAFANA / "dashboards"
PROMETHEUS = {"type": "prometheus", "uid": "prometheus"}
JAEGER = {"type": "jaeger", "uid": "jaeger"}
COLUMNS, WIDTH, HEIGHT = 24, 8, 8
SCHEMA_VERSION = 39
KINDS = {"timeseries", "stat", "gauge", "bargauge"}
KNOWN = {"title", "about", "kind", "unit", "width", "height", "stack", "queries", "traces", "max"}


def traces_url(service, operation=None):
    """Grafana's own view of traces, for the time that the dashboard shows."""
    query = {"refId": "A", "datasource": JAEGER, "queryType": "search", "service": service, "limit": 20}
    if operation:
        query["operation"] = operation
    pane = {"datasource": JAEGER["uid"], "queries": [query], "range": {"from": "${__from}", "to": "${__to}"}}
    panes = urllib.parse.quote(json.dumps({"traces": pane}, separators=(",", ":")), safe="${}_.")
    return f"/explore?schemaVersion=1&orgId=1&panes={panes}"


def expand(panels, values):
    """The panels, with those that are included."""
    for panel in panels:
        if "include" in panel:
            part = (SOURCES / "parts" / f"{panel['include']}.yml").read_text(encoding="utf-8")
            wanted = values | panel.get("with", {})
            # Grafana's own variables are written $__name and ${__name}; they stay.
            known = {"__rate_interval": "$__rate_interval"}
            text = Partial(part).substitute(known | wanted)
            yield from expand(yaml.safe_load(text), wanted)
        else:
            yield panel


class Partial(string.Template):
    """`$name` only, so that `${__field…}` and `{{label}}` stay as they are."""

    pattern = r"""
        \$(?:(?P<escaped>\$) | (?P<named>[a-z_]+) | (?P<braced>(?!)) | (?P<invalid>(?!)))
    """


def targets(panel):
    for number, query in enumerate(panel["queries"]):
        target = {
            "refId": chr(ord("A") + number),
            "datasource": PROMETHEUS,
            "editorMode": "code",
            "expr": query["expr"].strip(),
            "legendFormat": query.get("legend", panel["title"]),
            "range": True,
        }
        if panel.get("kind", "timeseries") != "timeseries":
            target |= {"range": False, "instant": True}
        yield target


def shown(source, panel, number, place):
    unknown = set(panel) - KNOWN
    if unknown:
        sys.exit(f"{source}: {panel['title']}: {', '.join(sorted(unknown))} means nothing here")
    kind = panel.get("kind", "timeseries")
    if kind not in KINDS:
        sys.exit(f"{source}: {panel['title']}: there is no kind {kind!r}, only {', '.join(sorted(KINDS))}")
    defaults = {"unit": panel.get("unit", "short"), "min": 0, "links": []}
    if "max" in panel:
        defaults["max"] = panel["max"]
    if "traces" in panel:
        url = traces_url(**panel["traces"])
        defaults["links"].append({"title": f"Traces of {panel['traces']['service']}", "url": url, "targetBlank": True})
    made = {
        "id": number,
        "type": kind,
        "title": panel["title"],
        "datasource": PROMETHEUS,
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": list(targets(panel)),
    }
    if "about" in panel:
        made["description"] = " ".join(panel["about"].split())
    if kind == "timeseries":
        defaults["custom"] = {
            "fillOpacity": 10,
            "showPoints": "never",
            "stacking": {"mode": "normal" if panel.get("stack") else "none"},
        }
        made["options"] = {
            "legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    else:
        made["options"] = {"reduceOptions": {"calcs": ["lastNotNull"]}}
    return made


def dashboard(source):
    """Grafana's model of one dashboard: panels fill rows of 24 columns from the left."""
    text = yaml.safe_load(source.read_text(encoding="utf-8"))
    made, x, y, tallest = [], 0, 0, 0
    for panel in expand(text["panels"], {}):
        width, height = panel.get("width", WIDTH), panel.get("height", HEIGHT)
        if "row" in panel or x + width > COLUMNS:
            x, y, tallest = 0, y + tallest, 0
        number = len(made) + 1
        if "row" in panel:
            place = {"h": 1, "w": COLUMNS, "x": 0, "y": y}
            made.append({"id": number, "type": "row", "title": panel["row"], "collapsed": False, "gridPos": place, "panels": []})
            y += 1
            continue
        made.append(shown(source, panel, number, {"h": height, "w": width, "x": x, "y": y}))
        x, tallest = x + width, max(tallest, height)
    others = {"title": "Others", "type": "dashboards", "tags": ["order-system"], "asDropdown": True, "keepTime": True}
    alerts = {"title": "Alerts", "type": "link", "url": "http://127.0.0.1:9090/alerts", "targetBlank": True}
    return {
        "uid": source.stem,
        "title": text["title"],
        "description": " ".join(text["about"].split()),
        "tags": ["order-system"],
        "editable": False,
        "graphTooltip": 1,
        "refresh": "15s",
        "schemaVersion": SCHEMA_VERSION,
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "links": [others, alerts],
        "templating": {"list": []},
        "annotations": {"list": []},
        "panels": made,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    sources = sorted(SOURCES.glob("*.yml"))
    wanted = {MADE / f"{source.stem}.json": json.dumps(dashboard(source), indent=2) + "\n" for source in sources}
    there = {path: path.read_text(encoding="utf-8") for path in MADE.glob("*.json")}
    if options.check:
        stale = sorted(str(path) for path in wanted.keys() | there.keys() if wanted.get(path) != there.get(path))
        for path in stale:
            print(f"{path} is not what its source makes: run `just dashboards`", file=sys.stderr)
        print(f"dashboards: {len(wanted)}, {len(stale)} of them stale")
        sys.exit(bool(stale))
    for path in there.keys() - wanted.keys():
        path.unlink()
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")
    print(f"dashboards: {len(wanted)} written")


if __name__ == "__main__":
    main()
