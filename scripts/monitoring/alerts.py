"""Causes every alert on the running shop and waits until the real Prometheus says that it fires; see scripts/alerts.sh.

    alerts.py --app target/debug/app --directory var/alerts/shop [ALERT …]

A line for each alert: what was done, and how long it took from there. Exits with 1 if one did not fire, fired
before it was caused, or is caused by nothing here.
"""

import argparse
import os
import signal
import subprocess
import sys
import threading
import time

import load
import queries
from stack import NOTIFIERS, Stack, ask

PACE_SECONDS = 0.2
# "loms", and the job of housekeeping: the lock of whoever audits.
HOUSEKEEPING = "pg_advisory_lock(1819241843, 2)"
# The one rule that cannot be waited for: three hours become half a minute.
SHORTER = ("3 * 3600", "30")


def sql(statement, wait=True):
    """A statement by the superuser in the shop's database."""
    url = os.environ["APP_TEST_POSTGRES"].removesuffix("/postgres") + "/shop"
    options = "-c synchronous_commit=local"
    command = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", url, "-c", statement]
    env = os.environ | {"PGOPTIONS": options}
    if wait:
        subprocess.run(command, check=True, env=env, timeout=60, capture_output=True)
        return None
    return subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def node(service, *arguments):
    subprocess.run(["scripts/services.sh", "node", service, *arguments], check=True, capture_output=True)


class Background:
    """Shoppers who come all the while, so that there is something to measure."""

    def __init__(self, stack):
        self.stack, self.over = stack, threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        number = 0
        while not self.over.wait(PACE_SECONDS):
            load.shopper(self.stack, 5_000_000 + number, number)
            number += 1

    def stop(self):
        self.over.set()
        self.thread.join(60)


def kind(labels):
    """What tells the rules of one alert apart."""
    return " ".join(labels[name] for name in ("severity", "kind") if name in labels)


class Trial:
    def __init__(self, stack, receivers):
        self.stack, self.receivers, self.lines, self.wrong = stack, receivers, [], []

    def firing(self):
        """Name and class of the rules that fire now."""
        answer = self.stack.query('ALERTS{alertstate="firing"}')
        return {(series["metric"]["alertname"], kind(series["metric"])) for series in answer}

    def expect(self, names, what, patience, cause):
        """Runs the cause and waits for every rule of these alerts."""
        rules = [rule for rule in queries.alerts() if rule["alert"] in names]
        wanted = {(rule["alert"], kind(rule["labels"])) for rule in rules}
        # A budget that was burnt stays so for hours, and a machine that is too busy burns one by itself.
        objectives = {rule["alert"] for rule in rules if "slo:" in rule["expr"]}
        early = {one for one in wanted & self.firing() if one[0] not in objectives}
        self.wrong += [f"{name} ({severity}) fired before: {what}" for name, severity in sorted(early)]
        began = time.monotonic()
        print(f"-- {what}", flush=True)
        cause()
        while wanted and time.monotonic() - began < patience:
            for name, severity in sorted(wanted & self.firing()):
                took = time.monotonic() - began
                self.lines.append(f"{name:20} {severity:12} fired after {took:5.0f} s: {what}")
                print(self.lines[-1], flush=True)
                wanted -= {(name, severity)}
            time.sleep(0.5)
        self.wrong += [f"{name} ({severity}) did not fire within {patience} s: {what}" for name, severity in sorted(wanted)]

    def quiet(self, names, patience):
        """After the cause is gone these end by themselves."""
        began = time.monotonic()
        while time.monotonic() - began < patience:
            if not {name for name, _ in self.firing()} & set(names):
                took = time.monotonic() - began
                self.lines.append(f"{'':20} {'':12} ended after {took:5.0f} s: {', '.join(names)}")
                print(self.lines[-1], flush=True)
                return
            time.sleep(0.5)
        self.wrong.append(f"{', '.join(names)} still fire {patience} s after their cause is gone")


def dead_letters(trial):
    trial.receivers.refusing = True
    trial.expect(["DeadLetters"], "the receiver of the webhook refuses some events with 400", 120, lambda: None)
    trial.receivers.refusing = False


def role_down(trial):
    trial.expect(["RoleDown"], "kill -9 of a notifier", 150, lambda: trial.stack.stop("notifier-3", signal.SIGKILL))
    trial.stack.start("notifier-3")
    trial.quiet(["RoleDown"], 60)


def telemetry_drops(trial):
    stack = trial.stack
    settings = {"APP__LOG__QUEUE_MAX": "16", "APP__LOG__LEVEL": "debug", "APP__LOG__REQUESTS_PER_SECOND_MAX": "1000"}
    # Nobody listens there.
    settings |= {"APP__TRACE__OTLP_ENDPOINT": "http://127.0.0.1:9", "APP__TRACE__SAMPLE_RATIO": "1.0"}

    def cause():
        stack.stop("products")
        # Nobody reads this pipe.
        stack.start("products", settings, output=subprocess.PIPE)
        stack.ready("products")
        for _ in range(2000):
            ask(stack.url("products", "/no/such/place"))

    trial.expect(["TelemetryDrops"], "products writes its log into a pipe that nobody reads, and its spans go to a collector that is not there", 120, cause)
    stack.stop("products", signal.SIGKILL)
    stack.start("products")
    stack.ready("products")


def cart_latency(trial):
    stack = trial.stack

    def cause():
        def one(worker):
            for sku in range(20):
                ask(stack.url("cart", f"/user/{worker}/cart/{2_000_000 + worker * 100 + sku}"), "POST", {"count": 1})

        threads = [threading.Thread(target=one, args=(worker,)) for worker in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    trial.expect(["CartLatency"], "30 shoppers ask for products that are not cached, at ten a second", 120, cause)


def delay(time):
    """How late the standby applies what the primary has committed."""
    url = os.environ["APP_TEST_POSTGRES_STANDBY"]
    for statement in (f"alter system set recovery_min_apply_delay = '{time}'", "select pg_reload_conf()"):
        subprocess.run(["psql", "-XAtq", url, "-c", statement], check=True, timeout=60, capture_output=True)


def loms_latency(trial):
    def cause():
        delay("400ms")
        load.run(trial.stack, 20, users=7_000_000)

    trial.expect(["LomsLatency"], "the synchronous standby applies everything 400 ms late", 180, cause)
    delay("0")


def audit_violation(trial):
    change = "update stock set reserved = reserved {} 1 where sku = 1001"
    trial.expect(["AuditViolation"], "UPDATE stock SET reserved = reserved + 1, by psql", 150, lambda: sql(change.format("+")))
    sql(change.format("-"))
    trial.quiet(["AuditViolation"], 60)


def outbox(trial):
    trial.expect(["OutboxBacklog"], "kill -9 of the Kafka broker", 240, lambda: node("kafka", "kill"))
    node("kafka", "start")
    trial.quiet(["OutboxBacklog"], 90)


def consumer_lag(trial):
    def cause():
        trial.receivers.away = True
        load.run(trial.stack, 30, users=6_000_000)

    trial.expect(["ConsumerLag"], "the receiver of the webhook answers 503, while 30 s of full load come in", 480, cause)
    trial.receivers.away = False
    trial.quiet(["ConsumerLag"], 240)


def standby_dies(trial):
    names = ["LomsAvailability", "CartAvailability", "ReplicaGone", "CheckoutsUnresolved"]
    trial.expect(names, "kill -9 of the synchronous standby", 780, lambda: node("postgres", "kill", "2"))
    node("postgres", "start", "2")
    trial.quiet(["ReplicaGone", "CheckoutsUnresolved"], 120)


def audit_not_running(trial):
    stack, holder = trial.stack, []

    def cause():
        stack.stop("loms")
        holder.append(sql(f"select {HOUSEKEEPING}; select pg_sleep(600)", wait=False))
        time.sleep(1)
        stack.start("loms")
        stack.ready("loms")

    what = "another session holds the lock of housekeeping (rule with 30 s for three hours)"
    trial.expect(["AuditNotRunning"], what, 600, cause)
    holder[0].terminate()
    holder[0].wait()
    sql("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and classid = 1819241843 and objid = 2")
    trial.quiet(["AuditNotRunning"], 120)


# In this order: what shoppers notice of the later ones burns the budgets that the earlier ones are about.
CAUSES = [
    (dead_letters, ["DeadLetters"]),
    (telemetry_drops, ["TelemetryDrops"]),
    (loms_latency, ["LomsLatency"]),
    (cart_latency, ["CartLatency"]),
    (role_down, ["RoleDown"]),
    (audit_violation, ["AuditViolation"]),
    (outbox, ["OutboxBacklog"]),
    (consumer_lag, ["ConsumerLag"]),
    (standby_dies, ["LomsAvailability", "CartAvailability", "ReplicaGone", "CheckoutsUnresolved"]),
    (audit_not_running, ["AuditNotRunning"]),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--app", required=True)
    parser.add_argument("--directory", required=True)
    parser.add_argument("alerts", nargs="*")
    options = parser.parse_args()
    known = {name for _, names in CAUSES for name in names}
    wrong = [f"nothing here causes {name}" for name in sorted({rule["alert"] for rule in queries.alerts()} - known)]
    unknown = set(options.alerts) - known
    if unknown:
        sys.exit(f"there is no {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}")
    chosen = [cause for cause, names in CAUSES if not options.alerts or set(names) & set(options.alerts)]
    receivers = load.Receivers()
    receivers.refusing = False
    settings = {"APP__AUDIT__INTERVAL_SECONDS": "10"} | load.webhook(receivers)
    with Stack(options.app, options.directory, settings) as stack:
        stack.prepare()
        names = ("products", "loms", "cart", *NOTIFIERS)
        for name in names:
            stack.start(name)
        stack.prometheus(rules=lambda text: text.replace(*SHORTER))
        stack.ready(*names)
        background = Background(stack)
        time.sleep(10)
        trial = Trial(stack, receivers)
        for cause in chosen:
            cause(trial)
        background.stop()
    print("\n== alerts, each caused on the running shop")
    for line in trial.lines:
        print(line)
    for one in wrong + trial.wrong:
        print(f"FAILED: {one}", file=sys.stderr)
    sys.exit(bool(wrong + trial.wrong))


if __name__ == "__main__":
    main()
