"""Holds deploy/monitoring to itself, to docs/runbooks/, to docs/metrics.md and to deploy/compose.yaml.

Every alert has a page that says what it means, what to look at, what to do and how it was tried, and unit tests in
which it fires and in which it does not; every metric and label of a query is in the table of metrics; every role that
Compose starts is scraped at its port. Exits with 1 and a line for each thing that does not agree.
"""

import json
import pathlib
import re
import sys

import yaml

import queries
from queries import MONITORING

RUNBOOKS = pathlib.Path("docs/runbooks")
METRICS = pathlib.Path("docs/metrics.md")
SECTIONS = ["What it means", "What to look at", "What to do", "Tried"]
SEVERITIES = {"page", "ticket"}
ROLES = ("cart", "loms", "notifier", "products")
# What Prometheus adds to every target, and what it says of itself.
OF_PROMETHEUS = re.compile(r"^(up|scrape_.+|prometheus_.+)$")
ADDED_LABELS = {"job", "instance", "le", "__name__"}

found = []


def hold(good, what):
    if not good:
        found.append(what)


def load(path):
    with open(path, encoding="utf-8") as file:
        return yaml.safe_load(file)


def check_alerts():
    alerts = queries.alerts()
    for alert in alerts:
        name, notes = alert["alert"], alert.get("annotations", {})
        severity = alert.get("labels", {}).get("severity")
        hold(severity in SEVERITIES, f"{name} has the severity {severity}")
        hold(notes.get("summary") and notes.get("description"), f"{name} has no summary or no description")
        page = RUNBOOKS / f"{name}.md"
        hold(notes.get("runbook_url") == str(page), f"the runbook of {name} is not {page}")
        hold(page.exists(), f"there is no {page}")
    names = {alert["alert"] for alert in alerts}
    for page in RUNBOOKS.glob("*.md"):
        if page.name != "README.md":
            hold(page.stem in names, f"{page} is for no alert")
            check_page(page)
    index = (RUNBOOKS / "README.md").read_text(encoding="utf-8")
    for name in names:
        hold(f"({name}.md)" in index, f"{RUNBOOKS}/README.md does not list {name}")
    check_tests({(alert["alert"], alert.get("labels", {}).get("severity")) for alert in alerts})
    return len(alerts)


def check_page(page):
    text = page.read_text(encoding="utf-8")
    hold(text.startswith(f"# {page.stem}\n"), f"{page} does not begin with its name")
    hold(re.findall(r"^## (.*)$", text, re.M) == SECTIONS, f"{page} has other parts than {', '.join(SECTIONS)}")
    for body in re.split(r"^## .*$", text, flags=re.M)[1:]:
        hold(len(body.split()) > 3, f"{page} has an empty part")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        hold((page.parent / target).exists(), f"{page} links to {target}, which there is not")


def check_tests(wanted):
    """A case in which each fires, and one in which it does not."""
    fires, silent = set(), set()
    for path in sorted(queries.TESTS.glob("*.yml")):
        for test in load(path)["tests"]:
            for case in test.get("alert_rule_test", []):
                severities = {alert["exp_labels"]["severity"] for alert in case.get("exp_alerts", [])}
                fires |= {(case["alertname"], severity) for severity in severities}
                silent |= {case["alertname"]} if not severities else set()
    for name, severity in sorted(wanted):
        hold((name, severity) in fires, f"no unit test lets {name} ({severity}) fire")
        hold(name in silent, f"no unit test shows that {name} keeps silent")
    for name, severity in fires - wanted:
        hold(False, f"a unit test is of {name} ({severity}), which there is not")


def table_of_metrics():
    """Name -> labels, from the rows of docs/metrics.md: the name in the first column, labels in the fourth."""
    rows, labels = {}, set()
    for line in METRICS.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 6 and re.fullmatch(r"`[a-z_0-9]+`", cells[0]):
            if cells[3] != "the same":
                labels = set(re.findall(r"`([a-z_][a-z0-9_]*)`", cells[3]))
            rows[cells[0].strip("`")] = labels
    return rows


def check_metrics(every):
    known, recorded = table_of_metrics(), {rule["record"] for _, rule in queries.rules() if "record" in rule}
    hold(len(known) > 20, f"the table of {METRICS} cannot be read")
    read = set()
    for query in every:
        for selector in queries.selectors(query.text):
            name = queries.name_of(selector)
            read.add(name)
            if name in recorded or OF_PROMETHEUS.match(name):
                continue
            family = name if name in known else re.sub(r"_(bucket|sum|count)$", "", name)
            hold(family in known, f"{query.where}: {family} is not in {METRICS}")
            for label in re.findall(r"[{,](\w+)(?==|!)", selector):
                good = label in known.get(family, {label}) | ADDED_LABELS
                hold(good, f"{query.where}: {family} has no label {label} in {METRICS}")


def services():
    """The services of both files of Compose, as Compose merges them for what is asked here."""
    merged = {}
    for path in ("deploy/compose.yaml", MONITORING / "compose.yaml"):
        for name, service in load(path)["services"].items():
            merged.setdefault(name, {}).update(service)
    return merged


def check_targets():
    there = services()
    ports = dict(re.findall(r"^\| `(\w+)\.http\.port` \| `(\d+)`", pathlib.Path("docs/configuration.md").read_text(encoding="utf-8"), re.M))
    scraped = {}
    for job in load(MONITORING / "prometheus" / "prometheus.yml")["scrape_configs"]:
        for group in job["static_configs"]:
            for target in group["targets"]:
                service, _, port = target.partition(":")
                scraped[service] = (job["job_name"], port)
    for service in there:
        role = re.sub(r"-\d+$", "", service)
        if role in ROLES:
            hold(scraped.get(service) == (role, ports[role]), f"{service} is not scraped as {role} on {ports[role]}")
    for service in scraped.keys() - {"localhost"}:
        hold(service in there, f"{service} is scraped and no service of Compose")


def check_compose():
    settings = set(re.findall(r"^\| `([a-z0-9_.]+)` \|", pathlib.Path("docs/configuration.md").read_text(encoding="utf-8"), re.M))
    for name, service in load(MONITORING / "compose.yaml")["services"].items():
        for variable in service.get("environment", {}):
            setting = variable.removeprefix("APP__").replace("__", ".").lower()
            hold(not variable.startswith("APP__") or setting in settings, f"{name}: {variable} is no setting")
        if "image" not in service:
            continue
        hold(re.search(r":v?\d+\.\d+\.\d+$", service["image"]), f"{name}: the image {service['image']} is not pinned")
        hold("healthcheck" in service, f"{name} has no health check")
        for port in service.get("ports", []):
            hold(port.startswith("127.0.0.1:"), f"{name} publishes beyond the loopback address: {port}")
        for volume in service.get("volumes", []):
            place = volume.partition(":")[0]
            hold(not place.startswith(".") or (pathlib.Path("deploy") / place).exists(), f"{name} mounts {place}, which there is not")


def check_dashboards():
    uids = {source["uid"] for source in load(MONITORING / "grafana/provisioning/datasources/datasources.yml")["datasources"]}
    names = {path.stem for path in queries.DASHBOARDS.glob("*.json")}
    for role in (*ROLES, "shop", "pipeline"):
        hold(role in names, f"there is no dashboard {role}")
    linked = set()
    for name in names:
        text = (queries.DASHBOARDS / f"{name}.json").read_text(encoding="utf-8")
        used = set(re.findall(r'"uid": "([a-z]+)"', text)) - {name}
        hold(used <= uids, f"{name} asks {used - uids}, which is not provisioned")
        for panel in json.loads(text)["panels"]:
            for link in panel.get("fieldConfig", {}).get("defaults", {}).get("links", []):
                service = re.search(r"service%22%3A%22(\w+)", link["url"])
                hold(service and service.group(1) in ROLES, f"{name}: {panel['title']} links to traces of no role")
                linked.add(name)
    for name in names - linked:
        hold(False, f"{name} has no link to traces")
    return len(names)


alerts = check_alerts()
check_metrics(queries.every())
check_targets()
check_compose()
dashboards = check_dashboards()
for problem in found:
    print(f"monitoring: {problem}", file=sys.stderr)
print(f"monitoring: {alerts} alerting rules, {dashboards} dashboards, {len(found)} problems")
sys.exit(bool(found))
