"""The shop, a process a role, on real services, and a real Prometheus that scrapes it: for the live test of queries,
for trying alerts, and for pictures. Everything is on free ports and in one directory, and ends with the program.

Who uses it has Postgres and Kafka up (`eval "$(scripts/services.sh env postgres)"`, the same for `kafka`).
"""

import contextlib
import copy
import json
import os
import pathlib
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import yaml

from queries import MONITORING

READY_SECONDS = 60
STOP_SECONDS = 20
# Enough for every run.
STOCK = [{"sku": sku, "total_count": 1_000_000_000, "reserved": 0} for sku in (1001, 1002, 1003)]
NEEDED = ("SHOP_POSTGRES_URL", "APP_TEST_POSTGRES_PASSWORD", "APP_TEST_KAFKA")
# Target of prometheus.yml -> name of our process.
NOTIFIERS = ("notifier-1", "notifier-2", "notifier-3")


def free_ports(count):
    """Ports that nobody has now; all are held at once so that none comes twice."""
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def ask(url, method="GET", body=None, headers=None, timeout=10):
    """Status and text of an answer; 0 and the reason where there is none."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, method=method)
    if data is not None:
        request.add_header("content-type", "application/json")
    for name, value in (headers or {}).items():
        request.add_header(name, value)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except OSError as error:
        return 0, str(error)


class Stack:
    """The running processes. `with Stack(app, directory) as stack:` ends them all."""

    def __init__(self, app, directory, settings=None):
        missing = [name for name in NEEDED if not os.environ.get(name)]
        if missing:
            sys.exit(f"{', '.join(missing)} not set: start the services (scripts/services.sh up postgres, … up kafka)")
        self.app = str(pathlib.Path(app).absolute())
        self.directory = pathlib.Path(directory)
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        self.running = {}
        ports = iter(free_ports(10))
        self.ports = {name: next(ports) for name in ("cart", "products", "loms", "grpc", *NOTIFIERS, "prometheus")}
        run = secrets.token_hex(4)
        self.env = os.environ | {
            "APP__POSTGRES__URL": os.environ["SHOP_POSTGRES_URL"],
            "APP__POSTGRES__PASSWORD": os.environ["APP_TEST_POSTGRES_PASSWORD"],
            "APP__POSTGRES__TLS_CA_FILE": os.environ.get("APP_TEST_POSTGRES_CA", ""),
            # A busy machine takes its time to connect.
            "APP__POSTGRES__CONNECT_TIMEOUT_MS": "3000",
            "APP__KAFKA__BROKERS": os.environ["APP_TEST_KAFKA"],
            "APP__KAFKA__TOPIC": f"monitoring-{run}.order-events",
            "APP__KAFKA__DEAD_LETTER_TOPIC": f"monitoring-{run}.order-events.dlq",
            "APP__NOTIFIER__GROUP": f"monitoring-{run}",
            "APP__CART__HTTP__PORT": str(self.ports["cart"]),
            "APP__CART__PRODUCTS__URL": f"http://127.0.0.1:{self.ports['products']}",
            "APP__CART__LOMS__URL": f"http://127.0.0.1:{self.ports['grpc']}",
            "APP__PRODUCTS__HTTP__PORT": str(self.ports["products"]),
            "APP__LOMS__HTTP__PORT": str(self.ports["loms"]),
            "APP__LOMS__GRPC__PORT": str(self.ports["grpc"]),
            "LLVM_PROFILE_FILE": "/dev/null",
        } | (settings or {})

    def __enter__(self):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        return self

    def __exit__(self, *_):
        for name in list(self.running):
            self.stop(name)

    def url(self, name, path=""):
        return f"http://127.0.0.1:{self.ports[name]}{path}"

    def command(self, *arguments, settings=None):
        """An operator's command; its standard output. Ends the program where it fails."""
        done = subprocess.run(
            [self.app, *arguments], env=self.env | (settings or {}), stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        if done.returncode:
            sys.exit(f"app {' '.join(arguments)} ended with {done.returncode}: {done.stderr[-2000:]}")
        return done.stdout

    def prepare(self):
        """Schema, stock and topics."""
        self.command("migrate")
        stock = self.directory / "stock.json"
        stock.write_text(json.dumps(STOCK), encoding="utf-8")
        self.command("stock", "import", str(stock))
        self.command("topics")

    def start(self, name, settings=None, output=None):
        """A role by the name of its service; not awaited. Its lines go to `output`, or to its log."""
        role = name.partition("-")[0]
        env = dict(self.env)
        if role == "notifier":
            env["APP__NOTIFIER__HTTP__PORT"] = str(self.ports[name])
        self.run(name, [self.app, "--role", role], env | (settings or {}), output)

    def run(self, name, command, env=None, output=None):
        with open(self.directory / f"{name}.log", "ab") as log:
            self.running[name] = subprocess.Popen(
                command, env=env, stdin=subprocess.DEVNULL, stdout=output or log, stderr=log
            )

    def ready(self, *names, path="/readyz"):
        end = time.monotonic() + READY_SECONDS
        waiting = list(names)
        while waiting:
            for name in waiting:
                if self.running[name].poll() is not None:
                    sys.exit(f"{name} ended with {self.running[name].returncode}; its log is in {self.directory}")
            if time.monotonic() > end:
                sys.exit(f"not ready after {READY_SECONDS} s: {', '.join(waiting)}; logs are in {self.directory}")
            time.sleep(0.1)
            waiting = [name for name in waiting if ask(self.url(name, path), timeout=2)[0] != 200]

    def stop(self, name, how=signal.SIGTERM):
        process = self.running.pop(name)
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(how)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def prometheus(self, scrape="1s", evaluate="1s", rules=None):
        """The committed configuration and rules, with our addresses for those of the services. `rules` changes the
        text of a file of rules."""
        config = yaml.safe_load((MONITORING / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
        config = copy.deepcopy(config)
        config["global"] |= {"scrape_interval": scrape, "scrape_timeout": scrape, "evaluation_interval": evaluate}
        home = self.directory / "prometheus"
        (home / "rules").mkdir(parents=True)
        for path in sorted((MONITORING / "prometheus" / "rules").glob("*.yml")):
            text = path.read_text(encoding="utf-8")
            (home / "rules" / path.name).write_text(rules(text) if rules else text, encoding="utf-8")
        for job in config["scrape_configs"]:
            for group in job["static_configs"]:
                services = [re.sub(r":\d+$", "", target) for target in group["targets"]]
                services = ["prometheus" if service == "localhost" else service for service in services]
                group["targets"] = [f"127.0.0.1:{self.ports[service]}" for service in services if service in self.ports]
        (home / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
        listen = f"--web.listen-address=127.0.0.1:{self.ports['prometheus']}"
        self.run(
            "prometheus",
            ["prometheus", f"--config.file={home}/prometheus.yml", f"--storage.tsdb.path={home}/data", listen, "--log.level=warn"],
        )
        self.ready("prometheus", path="/-/ready")

    def query(self, text):
        """The series that a query gives now: `[{metric, value}]`. A ValueError is Prometheus' refusal."""
        url = self.url("prometheus", "/api/v1/query?" + urllib.parse.urlencode({"query": text}))
        status, answer = ask(url)
        if status != 200:
            raise ValueError(f"{status} {answer}")
        data = json.loads(answer)["data"]
        if data["resultType"] == "scalar":
            return [{"metric": {}, "value": data["result"]}]
        return data["result"]
