"""Asks every query of the dashboards and rules of a real Prometheus that scrapes the running roles under load.

    live.py --app target/debug/app --directory var/test/monitoring [--seconds 12] [--unanswered FILE]

Exits with 1 and a line for each query that gives no series, or a series without the labels that it asks for. How a
query is asked: queries.py.
"""

import argparse
import concurrent.futures
import math
import sys
import time

import load
import queries
from stack import NOTIFIERS, Stack, ask

PATIENCE_SECONDS = 45


def value(series):
    return float(series["value"][1])


def named(series, labels):
    return all(series["metric"].get(label) for label in labels)


class Asked:
    """Asks, and remembers what was answered well: that stays true."""

    def __init__(self, stack):
        self.stack, self.good = stack, set()

    def one(self, text, labels=frozenset(), number=False):
        """What is wrong with the answer, or nothing."""
        if (text, labels, number) in self.good:
            return None
        try:
            answer = self.stack.query(text)
        except ValueError as error:
            return f"is refused: {error}"
        if not answer:
            return "gives no series"
        if not any(named(series, labels) for series in answer):
            return f"gives no series with {', '.join(sorted(labels))}, only {answer[0]['metric']}"
        if number and not any(math.isfinite(value(series)) for series in answer):
            return "gives no number"
        self.good.add((text, labels, number))
        return None

    def faults(self, query):
        for selector in queries.selectors(query.text):
            wrong = self.one(selector)
            if wrong:
                yield f"the selector {selector} {wrong}"
        for part, labels in queries.grouped(query.text):
            wrong = self.one(part, labels)
            if wrong:
                yield f"the part {' '.join(part.split())} {wrong}"
        wrong = self.one(query.as_asked(), query.shown, number=True)
        if wrong:
            yield f"{query.as_asked()} {wrong}"


def trouble(stack, receivers):
    """What only trouble makes: a product service that fails, LOMS away for a moment, letters that are sent back."""
    stack.stop("products")
    for user in range(20):
        ask(stack.url("cart", f"/user/{user}/cart/1002"), "POST", {"count": 1})
        ask(stack.url("cart", f"/user/{user}/cart/1010"), "POST", {"count": 1})
    for user in range(200):
        ask(stack.url("cart", f"/user/{user}/cart/1001"), "POST", {"count": 1})
    shares = {"420": "0.2", "429": "0.3", "500": "0.3"}
    stack.start("products", {f"APP__PRODUCTS__MISBEHAVE__SHARE_{status}": share for status, share in shares.items()})
    stack.ready("products")
    for sku in range(1004, 1044):
        ask(stack.url("cart", f"/user/1/cart/{sku}"), "POST", {"count": 1})
    receivers.refusing = False
    stack.command("dlq", "replay")
    stack.stop("loms")
    ask(stack.url("cart", "/checkout/1"), "POST")
    ask(stack.url("cart", "/user/2/cart/1001"), "POST", {"count": 1})
    # One call a transaction, next to no patience with rows that another one holds, and room for one that waits: many are
    # refused. It stays so: a process that starts again begins without the series of its failures.
    narrow = {"LOMS__QUEUE_MAX": "1", "LOMS__BATCH_MAX": "1", "LOMS__LANES": "4", "POSTGRES__LOCK_TIMEOUT_MS": "1"}
    stack.start("loms", {f"APP__{name}": value for name, value in narrow.items()})
    stack.ready("loms")
    with concurrent.futures.ThreadPoolExecutor(32) as many:
        for user in range(200):
            many.submit(load.order, stack, 400_000 + user, [{"sku": 1001, "count": 1}])
            many.submit(ask, stack.url("cart", f"/checkout/{user}"), "POST")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--app", required=True)
    parser.add_argument("--directory", required=True)
    parser.add_argument("--seconds", type=float, default=12)
    options = parser.parse_args()
    began = time.monotonic()
    receivers = load.Receivers()
    settings = {
        "APP__AUDIT__INTERVAL_SECONDS": "5",
        # A busy machine may take its time to look at its servers.
        "APP__POSTGRES__HEALTH_INTERVAL_MS": "2000",
        "APP__ORDER__PAYMENT_WINDOW_SECONDS": "4",
        "APP__LOG__REQUESTS_PER_SECOND_MAX": "10",
    }
    with Stack(options.app, options.directory, settings | load.webhook(receivers)) as stack:
        stack.prepare()
        names = ("products", "loms", "cart", *NOTIFIERS)
        for name in names:
            stack.start(name)
        stack.prometheus()
        stack.ready(*names)
        carts = load.run(stack, options.seconds)
        trouble(stack, receivers)
        load.run(stack, 2, users=500_000)
        asked, every = Asked(stack), queries.every()
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            faults = {query.where: list(asked.faults(query)) for query in every}
            wrong = {where: what for where, what in faults.items() if what}
            if not wrong or time.monotonic() > end:
                break
            load.run(stack, 1, users=700_000)
    for where, what in wrong.items():
        for one in what:
            print(f"{where}: {one}", file=sys.stderr)
    took = time.monotonic() - began
    print(f"monitoring: {len(every)} queries asked of a real Prometheus, {carts} carts, {len(wrong)} without an answer, {took:.0f} s")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
