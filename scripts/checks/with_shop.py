"""Runs a command against a shop that it starts itself: `app --role all`, in memory, on free ports.

    with_shop.py --app target/debug/app --log FILE -- COMMAND ...

The command finds the addresses in SHOP_CART, SHOP_GATEWAY, SHOP_PRODUCTS, SHOP_NOTIFIER (URLs) and
SHOP_GRPC (host:port), the log's path in SHOP_LOG, and where the live coverage counters are, if the
shop is instrumented, in SHOP_COUNTERS. It fails with the command, and also where the
shop died, no longer answers, panicked, wrote anything that is not a JSON object, or does not end
with code 0 after SIGTERM.
"""

import argparse
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.request

READY_SECONDS = 30
STOP_SECONDS = 20
PORTS = {
    "SHOP_CART": "APP__CART__HTTP__PORT",
    "SHOP_PRODUCTS": "APP__PRODUCTS__HTTP__PORT",
    "SHOP_GRPC": "APP__LOMS__GRPC__PORT",
    "SHOP_GATEWAY": "APP__LOMS__HTTP__PORT",
    "SHOP_NOTIFIER": "APP__NOTIFIER__HTTP__PORT",
}


def free_ports(count):
    """Ports that nobody has now; all are held at once so that none comes twice."""
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def answers(url):
    """Whether the URL answers 200 within two seconds."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def wait_ready(shop, urls):
    """Waits until every address is ready, at most READY_SECONDS; what kept it from that."""
    end = time.monotonic() + READY_SECONDS
    waiting = [f"{url}/readyz" for url in urls]
    while waiting:
        if shop.poll() is not None:
            return ["the shop ended before it was ready"]
        if time.monotonic() > end:
            return [f"not ready after {READY_SECONDS} s: {waiting}"]
        waiting = [url for url in waiting if not answers(url)]
        time.sleep(0.05)
    return []


def stop(shop):
    """SIGTERM, and what was wrong with the end."""
    if shop.poll() is not None:
        return [f"the shop ended by itself with {shop.returncode}"]
    shop.send_signal(signal.SIGTERM)
    try:
        code = shop.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        shop.kill()
        shop.wait()
        return [f"the shop was still there {STOP_SECONDS} s after SIGTERM"]
    return [f"the shop ended with {code} after SIGTERM"] if code else []


def log_faults(log):
    """Lines that should not be in the log: panics, and what is no JSON object."""
    faults = []
    for number, line in enumerate(log.read_text(errors="replace").splitlines(), 1):
        if "panicked at" in line:
            faults.append(f"log line {number}: {line[:400]}")
            continue
        try:
            good = isinstance(json.loads(line), dict)
        except ValueError:
            good = False
        if not good:
            faults.append(f"log line {number} is not a JSON object: {line[:200]}")
    return faults[:10]


def use(shop, urls, command, env):
    """Runs the command against the ready shop; what went wrong."""
    faults = wait_ready(shop, urls)
    if faults:
        return faults
    code = subprocess.run(command, env=env, check=False).returncode
    if code:
        faults.append(f"{' '.join(command)} ended with {code}")
    return faults + [f"{url}/healthz does not answer afterwards" for url in urls if not answers(f"{url}/healthz")]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--app", required=True)
    parser.add_argument("--log", type=pathlib.Path, required=True)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    ports = dict(zip(PORTS, free_ports(len(PORTS))))
    counters = options.log.with_suffix(".profraw")
    counters.unlink(missing_ok=True)
    env = os.environ | {PORTS[name]: str(port) for name, port in ports.items()}
    env["LLVM_PROFILE_FILE"] = f"%c{counters.absolute()}"
    shown = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    shown |= {"SHOP_LOG": str(options.log), "SHOP_COUNTERS": str(counters)}
    shown["SHOP_GRPC"] = f"127.0.0.1:{ports['SHOP_GRPC']}"
    urls = [url for url in shown.values() if url.startswith("http:")]
    options.log.parent.mkdir(parents=True, exist_ok=True)
    with options.log.open("wb") as log:
        shop = subprocess.Popen(
            [options.app, "--role", "all"], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=env
        )
    try:
        faults = use(shop, urls, options.command, os.environ | shown)
    finally:
        ended = stop(shop)
    faults += ended + log_faults(options.log)
    if faults:
        tail = options.log.read_text(errors="replace").splitlines()[-20:]
        print("the last lines of the log:", *(line[:500] for line in tail), sep="\n  ", file=sys.stderr)
    for fault in faults:
        print(f"FAILED: {fault}", file=sys.stderr)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
