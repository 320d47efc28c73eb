"""A fuzzer that speaks to a running shop in bytes: damaged HTTP requests, damaged JSON in sound
requests, damaged protobuf in gRPC calls, damaged HTTP/2 frames. Run by with_shop.py, which also
looks at the log for panics and at the way the shop ends.

It is guided by coverage: a case that reached new code in the shop is kept, and damaged further.
Nothing it sends may stop the shop, or be answered with 500 or INTERNAL. A case that does is written
beside the log; FUZZ_AGAIN=FILE sends it again, alone.
"""

import argparse
import base64
import collections
import json
import os
import random
import socket
import sys
import time

import grpc
import guide
import mutate

MUST_NOT_HTTP = {500}
MUST_NOT_GRPC = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN}
HEALTH_EVERY = 500
ANSWER_SECONDS = 2.0
# A damaged request may promise bytes that never come; then nothing is to be read.
SILENCE_SECONDS = 0.1
CORPUS_MAX = 2000


class Finding(Exception):
    """Something that must not happen; the message says what."""


def exchange(address, data, silence):
    """Sends bytes, says there are no more, and reads what comes back."""
    out = b""
    try:
        with socket.create_connection(address, timeout=ANSWER_SECONDS) as link:
            link.sendall(data)
            link.shutdown(socket.SHUT_WR)
            link.settimeout(silence)
            while len(out) < 65536:
                part = link.recv(65536)
                if not part:
                    break
                out += part
    except ConnectionRefusedError:
        raise Finding("the shop does not take connections") from None
    except OSError:
        pass  # Nothing came in time, or the shop cut the connection: its right.
    return out


def status_of(answer):
    """The HTTP status in an answer's first line, or none."""
    parts = answer[:32].split(b" ")
    return int(parts[1]) if len(parts) > 1 and parts[0].startswith(b"HTTP/") and parts[1].isdigit() else None


def address_of(url):
    host, port = url.removeprefix("http://").rsplit(":", 1)
    return host, int(port)


class Shop:
    """The running shop: sends a case and says in a word what came back."""

    def __init__(self, env):
        self.http = {name: address_of(env[f"SHOP_{name.upper()}"]) for name in mutate.SERVERS}
        self.frames = address_of(env["SHOP_GRPC"])
        self.channel = grpc.insecure_channel(env["SHOP_GRPC"])

    def send(self, case):
        if case.kind == "grpc":
            return self.call(case)
        if case.kind == "frames":
            return "an answer" if exchange(self.frames, case.data, SILENCE_SECONDS) else "silence"
        status = status_of(exchange(self.http[case.target], case.data, SILENCE_SECONDS))
        if status in MUST_NOT_HTTP:
            raise Finding(f"{case.target} answered {status}")
        return str(status or "silence")

    def call(self, case):
        method = self.channel.unary_unary(case.target)
        try:
            method(case.data, timeout=ANSWER_SECONDS, metadata=case.metadata)
        except grpc.RpcError as error:
            # (The library that answers health calls says INTERNAL of bytes it cannot decode.)
            if error.code() in MUST_NOT_GRPC and case.target.startswith("/loms."):
                raise Finding(f"{case.target} answered {error.code().name}: {error.details()}") from None
            return error.code().name
        return "OK"

    def well(self):
        """Fails unless every role still answers."""
        for name, address in self.http.items():
            status = status_of(exchange(address, mutate.http("GET", "/healthz", None), ANSWER_SECONDS))
            if status != 200:
                raise Finding(f"{name} answers /healthz with {status}")
        health = mutate.Case("grpc", "/grpc.health.v1.Health/Check", b"", [])
        answer = self.call(health)
        if answer != "OK":
            raise Finding(f"gRPC health answers {answer}")


def fuzz(shop, live, draw, seconds):
    """Sends cases until the time is over: (how many of each answer, how many were kept)."""
    counts, kept = collections.Counter(), []
    end, number = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        number += 1
        case = mutate.damaged(draw, draw.choice(kept)) if kept and draw.random() < 0.5 else mutate.fresh(draw)
        try:
            counts[f"{case.kind} {case.target}: {shop.send(case)}"] += 1
            if number % HEALTH_EVERY == 0:
                shop.well()
        except Finding as finding:
            raise Finding(finding, case) from None
        if live.news() and len(kept) < CORPUS_MAX:
            kept.append(case)
    return counts, len(kept)


def write(case, path):
    """The case as a file for FUZZ_AGAIN."""
    fields = case._asdict() | {"data": base64.b64encode(case.data).decode()}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(fields, file)


def read(path):
    with open(path, encoding="utf-8") as file:
        fields = json.load(file)
    return mutate.Case(**(fields | {"data": base64.b64decode(fields["data"])}))


def again(shop, path):
    """One case from a file, and what the shop says."""
    case = read(path)
    print(f"{case.kind} {case.target} {case.metadata}\n{case.data!r}\n-> {shop.send(case)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--seed", default="1", help="a text, or `random`")
    options = parser.parse_args()
    seed = str(random.SystemRandom().randrange(10**6)) if options.seed == "random" else options.seed
    shop, live = Shop(os.environ), guide.Guide(os.environ.get("SHOP_COUNTERS"))
    try:
        shop.well()
        if os.environ.get("FUZZ_AGAIN"):
            return again(shop, os.environ["FUZZ_AGAIN"])
        live.news()
        before = live.reached
        counts, kept = fuzz(shop, live, random.Random(seed), options.seconds)
        shop.well()
    except Finding as finding:
        what, *case = finding.args
        print(f"FOUND with seed {seed}: {what}", file=sys.stderr)
        if case:
            path = os.path.join(os.path.dirname(os.environ["SHOP_LOG"]), "fuzz-finding.json")
            write(case[0], path)
            print(f"again: FUZZ_AGAIN={path} scripts/test.sh fuzz", file=sys.stderr)
        sys.exit(1)
    for what, count in sorted(counts.items()):
        print(f"  {what:50} {count}")
    print(f"fuzz: {sum(counts.values())} cases in {options.seconds:g} s from seed {seed}; counters moved {before}")
    print(f"      at the start and {live.reached} now, {kept} cases kept for it; the shop is well")


if __name__ == "__main__":
    main()
