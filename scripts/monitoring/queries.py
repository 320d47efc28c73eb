"""Every query of the dashboards and rules, and what each of them needs in order to answer.

A query is taken apart by a parser of PromQL, so that nothing here guesses at the language:

- each selector alone must find a series: a name that nobody exposes hides behind `or vector(0)` otherwise;
- each aggregation `by (…)` must have all its labels;
- the whole must answer, with the labels that its legend, links and annotations show. A comparison keeps silent
  while all is well, so it is asked as `bool`: 0 or 1, and the same matching of labels.
"""

import dataclasses
import json
import pathlib
import re

import promql_parser
import yaml

MONITORING = pathlib.Path("deploy/monitoring")
RULES = MONITORING / "prometheus" / "rules"
TESTS = MONITORING / "prometheus" / "tests"
DASHBOARDS = MONITORING / "grafana" / "dashboards"
# What Grafana puts there when it looks at the last hour.
RATE_INTERVAL = "1m"
COMPARISON = re.compile(r"(?<=[\s)])(==|!=|>=|<=|>|<)(?=\s)(?!\s+bool\b)")
COMPARISONS = {"==", "!=", ">=", "<=", ">", "<"}


@dataclasses.dataclass(frozen=True)
class Query:
    """One query: where it stands, its text, the labels that are shown of its series."""

    where: str
    text: str
    shown: frozenset

    def as_asked(self):
        """The text with comparisons that answer 0 or 1."""
        asked = COMPARISON.sub(r"\1 bool", self.text)
        for node in nodes(tree(asked)):
            if isinstance(node, promql_parser.BinaryExpr) and str(node.op) in COMPARISONS:
                if node.modifier is None or not node.modifier.return_bool:
                    raise ValueError(f"{self.where}: write a space on each side of {node.op}")
        return asked


def nodes(node):
    """The node and all below it."""
    yield node
    for name in ("lhs", "rhs", "expr", "param", "vector_selector", "args"):
        below = getattr(node, name, None)
        for one in below if isinstance(below, list) else [below]:
            if isinstance(one, promql_parser.Expr):
                yield from nodes(one)


def tree(text):
    return promql_parser.parse(text)


def selectors(text):
    """The selectors of a query, without their ranges."""
    found = [node for node in nodes(tree(text)) if isinstance(node, promql_parser.VectorSelector)]
    return sorted({bare(str(node)) for node in found})


def bare(selector):
    return re.sub(r"\s+(offset|@).*$", "", selector)


def name_of(selector):
    return selector.partition("{")[0].strip()


def grouped(text):
    """Each aggregation of a query with the labels that it groups by."""
    for node in nodes(tree(text)):
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            if node.modifier.type == promql_parser.AggModifierType.By and node.modifier.labels:
                yield node.prettify(), frozenset(node.modifier.labels)


def rule_files():
    return sorted(RULES.glob("*.yml"))


def rules():
    """Every rule, with its file."""
    for path in rule_files():
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            for rule in group["rules"]:
                yield path, rule


def alerts():
    return [rule for _, rule in rules() if "alert" in rule]


def of_rules():
    for path, rule in rules():
        name = rule.get("alert") or rule["record"]
        shown = set()
        for text in rule.get("annotations", {}).values():
            shown |= set(re.findall(r"\$labels\.(\w+)", text))
        shown -= set(rule.get("labels", {}))
        yield Query(f"{path.name}: {name}", rule["expr"].strip(), frozenset(shown))
        if "record" in rule:
            yield Query(f"{path.name}: {name}, as recorded", name, frozenset(rule.get("labels", {})))


def of_dashboards():
    for path in sorted(DASHBOARDS.glob("*.json")):
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            links = json.dumps(panel.get("fieldConfig", {}).get("defaults", {}).get("links", []))
            linked = set(re.findall(r"__field\.labels\.(\w+)", links))
            for target in panel.get("targets", []):
                shown = linked | set(re.findall(r"\{\{\s*(\w+)\s*\}\}", target["legendFormat"]))
                text = target["expr"].replace("$__rate_interval", RATE_INTERVAL)
                yield Query(f"{path.stem}: {panel['title']} {target['refId']}", text, frozenset(shown))


def every():
    return [*of_rules(), *of_dashboards()]
