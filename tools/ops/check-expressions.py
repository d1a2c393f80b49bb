#!/usr/bin/env python3
"""Asks a Prometheus whether every expression of the dashboard and of its loaded rules has data, and names those that have none.

    check-expressions.py [--prometheus URL] [--dashboard FILE] [--rate-interval 1m] [--verbose]

An alert that does not fire is an empty answer, and so is a metric that was renamed. So comparisons are taken away before an expression is asked for:
`a / b > 0.8 and c > 1` is asked as `a / b` and as `c`. What remains must have at least one value that is a number; and each series that is named
must exist, also one of which an `or` makes up for the absence. Only ALERTS may be empty, which it is while nothing fires. Some expressions need load:
a quantile of no commits is no number.

Ends with 0 when all have data, 1 when some have none, 2 when the Prometheus cannot be asked or loads no rules for gateways.
"""
import argparse
import json
import math
import pathlib
import re
import sys
import urllib.error
import urllib.parse
import urllib.request

DASHBOARD = pathlib.Path(__file__).parent / "grafana" / "gateway.json"
COMPARISONS = ("==", "!=", ">=", "<=", ">", "<")
SET_OPERATORS = ("and", "or", "unless")
WORDS = {*SET_OPERATORS, "on", "ignoring", "group_left", "group_right", "by", "without", "bool", "offset", "inf", "nan"}
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?([eE][+-]?\d+)?|[iI]nf)$")
TOKEN = re.compile(r"""\s+ | "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | \{ (?: "(?:[^"\\]|\\.)*" | [^{}"] )* \} | \[ [^\]]* \]
    | ==|!=|>=|<=|[<>] | [a-zA-Z_:][a-zA-Z0-9_:]* | \d+(?:\.\d*)?(?:[eE][+-]?\d+)?[smhdwy]? | .""", re.X | re.S)


class Unreachable(Exception):
    """The Prometheus does not answer, or not as one."""


class Prometheus:
    def __init__(self, url):
        self.url = url.rstrip("/")

    def get(self, path, **query):
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            if error.code in (400, 422):
                raise ValueError(json.load(error).get("error", "refused")) from error
            raise Unreachable(f"{url}: {error}") from error
        except (OSError, ValueError, KeyError) as error:
            raise Unreachable(f"{self.url}: {error}") from error

    def has_data(self, expression):
        """None, or what is wrong with the answer."""
        try:
            data = self.get("query", query=expression)
        except ValueError as error:
            return str(error)
        values = [data["result"][1]] if data["resultType"] in ("scalar", "string") else [sample["value"][1] for sample in data["result"]]
        if not values:
            return "no data"
        return "not a number" if all(math.isnan(float(value)) for value in values) else None


def tokens(expression):
    return [t for t in TOKEN.findall(expression) if not t.isspace()]


def skip_modifiers(parts, i):
    """Past `bool`, `on (...)`, `group_left (...)` and the like behind a binary operator."""
    while i < len(parts) and parts[i] in ("bool", "on", "ignoring", "group_left", "group_right"):
        i += 1
        if i < len(parts) and parts[i] == "(" and parts[i - 1] != "bool":
            i = closing(parts, i) + 1
    return i


def closing(parts, i):
    depth = 0
    for j in range(i, len(parts)):
        depth += {"(": 1, ")": -1}.get(parts[j], 0)
        if depth == 0:
            return j
    raise ValueError("a parenthesis is not closed")


def operands(parts):
    """The expressions that are left when comparisons and set operators are taken away at every depth where they can be."""
    while parts and parts[0] == "(" and closing(parts, 0) == len(parts) - 1:
        parts = parts[1:-1]
    # Set operators bind least, comparisons next: https://prometheus.io/docs/prometheus/latest/querying/operators/#binary-operator-precedence
    for kind in (SET_OPERATORS, COMPARISONS):
        depth, start, found = 0, 0, []
        i = 0
        while i < len(parts):
            depth += {"(": 1, ")": -1}.get(parts[i], 0)
            if depth == 0 and parts[i] in kind:
                found.append(parts[start:i])
                i = start = skip_modifiers(parts, i + 1)
                continue
            i += 1
        if found:
            return [o for side in (*found, parts[start:]) for o in operands(side)]
    text = " ".join(without_inner_comparisons(parts))
    return [] if NUMBER.match(text.replace(" ", "")) else [text]


def without_inner_comparisons(parts):
    """`(x > 0)` within arithmetic or an aggregation becomes `(x)`: compared with a number only."""
    kept, i = [], 0
    while i < len(parts):
        if parts[i] in COMPARISONS:
            j = skip_modifiers(parts, i + 1)
            if j < len(parts) and parts[j] in "+-":
                j += 1
            if j < len(parts) and NUMBER.match(parts[j]):
                i = j + 1
                continue
        kept.append(parts[i])
        i += 1
    return kept


def selectors(parts):
    """Every series that is named, with its matchers."""
    named, i = [], 0
    while i < len(parts):
        part = parts[i]
        following = parts[i + 1] if i + 1 < len(parts) else ""
        if part in ("by", "without", "on", "ignoring", "group_left", "group_right") and following == "(":
            i = closing(parts, i + 1) + 1
            continue
        # `sum by (...)` and `rate(...)` are functions.
        if re.fullmatch(r"[a-zA-Z_:][a-zA-Z0-9_:]*", part) and part not in WORDS and following not in ("(", "by", "without"):
            named.append(part + (following if following.startswith("{") else ""))
        i += 1
    return named


def of_dashboard(file, rate_interval):
    dashboard = json.loads(file.read_text())
    panels = [p for panel in dashboard["panels"] for p in (panel, *panel.get("panels", []))]
    found = [(f"{file.name}: {p['title']}", t["expr"]) for p in panels for t in p.get("targets", [])]
    found += [(f"{file.name}: annotation {a['name']}", a["expr"]) for a in dashboard["annotations"]["list"] if "expr" in a]
    for where, expression in found:
        expression = expression.replace("$__rate_interval", rate_interval).replace("$instance", ".+").replace("$queue", ".+")
        if "$" in expression:
            raise ValueError(f"{where}: a variable that is not known here: {expression}")
        yield where, expression


def of_rules(prometheus):
    for group in prometheus.get("rules")["groups"]:
        if group["name"].startswith("gateway_"):
            for rule in group["rules"]:
                yield f"{pathlib.PurePath(group['file']).name}: {rule['name']}", rule["query"]


def main():
    asked = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    asked.add_argument("--prometheus", default="http://127.0.0.1:9090", help="its address (%(default)s)")
    asked.add_argument("--dashboard", type=pathlib.Path, default=DASHBOARD, help="a dashboard's JSON")
    asked.add_argument("--rate-interval", default="1m", help="in the place of Grafana's $__rate_interval (%(default)s)")
    asked.add_argument("--verbose", action="store_true", help="names every expression, not only those without data")
    options = asked.parse_args()
    prometheus = Prometheus(options.prometheus)
    try:
        rules = list(of_rules(prometheus))
        panels = list(of_dashboard(options.dashboard, options.rate_interval))
        if not rules or not panels:
            print(f"{options.prometheus} has {len(rules)} rules for gateways, {options.dashboard} has {len(panels)} expressions", file=sys.stderr)
            return 2
        answers, wrong = {}, 0
        for where, expression in rules + panels:
            parts = tokens(expression)
            named = selectors(parts)
            asks = [] if any(n.startswith("ALERTS") for n in named) else [*operands(parts), *named]
            for ask in asks:
                if ask not in answers:
                    answers[ask] = prometheus.has_data(ask)
            failures = [ask for ask in asks if answers[ask]]
            wrong += bool(failures)
            for ask in failures:
                print(f"{where}: {answers[ask]}: {ask}")
            if options.verbose and not failures:
                print(f"{where}: {'asked: ' + '; '.join(asks) if asks else 'empty while nothing fires'}")
    except (Unreachable, ValueError, OSError) as error:
        print(f"check-expressions.py: {error}", file=sys.stderr)
        return 2
    print(f"{len(rules)} rules and {len(panels)} expressions of the dashboard, {len(answers)} questions: {f'{wrong} without data' if wrong else 'all have data'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
