"""What fuzz.py sends: seeds that are sound, and the ways to damage them. Every draw comes from the
generator that is handed in, so that a case can be made again."""

import collections
import json
import re
import struct

# kind: http, frames or grpc; target: the server's name, or the gRPC method.
Case = collections.namedtuple("Case", "kind target data metadata")
SERVERS = ("cart", "gateway", "products", "notifier")

INTS = [
    0, 1, -1, 2, 127, 128, 255, 256, 499, 500, 501, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53, 2**53 + 1,
    2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**30, -(2**31), -(2**63), -(2**63) - 1,
]  # fmt: skip
WORDS = [
    b"\x00", b"\r\n", b"\r\n\r\n", b"%00", b"%ff", b"%2f", b"..", b"//", b"?", b"#", b" ", b"\xff\xfe", b"\xc3\x28",
    b"Content-Length: 0\r\n", b"Content-Length: 99999999999999999999\r\n", b"Content-Length: -1\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n", b"Upgrade: h2c\r\n", b"Connection: close\r\n",
    b"ffffffffffffffff\r\n", b"0\r\n\r\n", b"HTTP/1.0", b"HTTP/2.0", b"idempotency-key: \xff\r\n", b"[" * 2000, b"{\"a\":" * 500,
    b"traceparent: 00-00000000000000000000000000000000-0000000000000000-ff\r\n", b"1e999", b"-0", b"NaN", b"\\ud800", b"A" * 9000,
]  # fmt: skip
JSON_CALLS = [
    ("cart", "POST", "/user/{id}/cart/{id}"),
    ("cart", "DELETE", "/user/{id}/cart/{id}"),
    ("cart", "DELETE", "/user/{id}/cart"),
    ("cart", "GET", "/user/{id}/cart"),
    ("cart", "POST", "/checkout/{id}"),
    ("gateway", "POST", "/order/create"),
    ("gateway", "POST", "/order/pay"),
    ("gateway", "POST", "/order/cancel"),
    ("gateway", "GET", "/order/info?orderId={id}"),
    ("gateway", "GET", "/stock/info?sku={id}"),
    ("products", "GET", "/product/{id}"),
    ("products", "GET", "/product?count={id}&start_after_sku={id}"),
]
KEYS = ["count", "userId", "user_id", "items", "sku", "orderId", "order_id", "", "x", "\u0000", "__proto__"]


def http(method, path, body, extra=()):
    """A request as bytes, with the length of its body."""
    lines = [f"{method} {path} HTTP/1.1", "Host: shop", "X-API-KEY: testToken", *extra]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode(errors="replace") + b"\r\n\r\n" + (body or b"")


HTTP_SEEDS = [
    ("cart", http("POST", "/user/1/cart/1001", b'{"count": 2}')),
    ("cart", http("GET", "/user/1/cart", None)),
    ("cart", http("POST", "/checkout/1", None, ["Idempotency-Key: abc"])),
    ("cart", http("GET", "/swagger/", None)),
    ("gateway", http("POST", "/order/create", b'{"userId":"1","items":[{"sku":"1001","count":1}]}', ["idempotency-key: k"])),
    ("gateway", http("POST", "/order/pay", b'{"orderId":"1"}')),
    ("gateway", http("GET", "/order/info?orderId=1", None)),
    ("products", http("GET", "/product?count=10&start_after_sku=0", None)),
    ("products", http("GET", "/product/1001", None)),
    ("notifier", http("GET", "/readyz", None)),
    ("notifier", http("GET", "/metrics", None)),
]


def damage(draw, data):
    """One to eight random changes of the bytes."""
    data = bytearray(data)
    for _ in range(draw.randint(1, 8)):
        at = draw.randrange(len(data) + 1)
        end = min(len(data), at + draw.randint(1, 16))
        change = draw.randrange(6)
        if change == 0 and at < len(data):
            data[at] ^= 1 << draw.randrange(8)
        elif change == 1:
            data[at:at] = draw.choice(WORDS)
        elif change == 2:
            del data[at:end]
        elif change == 3:
            data[at:at] = data[at:end] * draw.choice([1, 2, 100])
        elif change == 4:
            data[at:end] = str(draw.choice(INTS)).encode()
        elif draw.random() < 0.2:
            del data[at:]
    return bytes(data)


def sound(draw):
    """An identifier that is likely to exist: users and orders count from 1, built-in skus from 1001."""
    return draw.choice([0, 1000]) + draw.randint(1, 40)


def path(draw, pattern):
    """The pattern with an identifier, sound or not, in each of its places."""
    while "{id}" in pattern:
        wild = draw.choice([str(draw.choice(INTS)), "a", "1.0", "%20", "%ff", "", "+1", "0x1", "1;", "\u0661"])
        pattern = pattern.replace("{id}", str(sound(draw)) if draw.random() < 0.7 else wild, 1)
    return pattern.encode("ascii", "replace").decode()


def value(draw, depth):
    """Any JSON value."""
    kind = draw.randrange(9 if depth else 6)
    if kind < 3:
        return draw.choice(INTS)
    if kind == 3:
        return draw.choice([True, False, None, 1.5, 1e300, -0.0])
    if kind < 6:
        return draw.choice(["", "1", str(draw.choice(INTS)), " 1", "\u0000", "\ud83d\ude00", "x" * 100])
    if kind == 6:
        return [value(draw, depth - 1) for _ in range(draw.randint(0, 4))]
    return {draw.choice(KEYS): value(draw, depth - 1) for _ in range(draw.randint(0, 4))}


def json_body(draw):
    """A body that is nearly right, or any JSON, or JSON with damaged bytes."""
    line = {"sku": draw.choice([sound(draw), str(sound(draw))]), "count": draw.choice([1, 2, 3])}
    body = {"count": 1, "userId": "1", "orderId": str(draw.randint(1, 50)), "items": [line] * draw.choice([0, 1, 2, 501])}
    for _ in range(draw.randint(0, 2)):
        draw.choice([body, line])[draw.choice(KEYS)] = value(draw, 3)
    body = draw.choice([body, body, body, value(draw, 4)])
    data = json.dumps(body).encode()
    return damage(draw, data) if draw.random() < 0.3 else data


def varint(number):
    number &= 2**64 - 1
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def field(number, value):
    """A protobuf field: an integer as varint, bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def number(draw):
    return sound(draw) if draw.random() < 0.8 else draw.choice(INTS)


def grpc_call(draw):
    """A method of LOMS, health or reflection with a message whose values, or at times bytes, are wild."""
    items = b"".join(field(2, field(1, number(draw)) + field(2, number(draw))) for _ in range(draw.choice([0, 1, 2, 3, 501])))
    method, message = draw.choice([
        ("OrderCreate", field(1, number(draw)) + items),
        ("OrderInfo", field(1, number(draw))),
        ("OrderPay", field(1, number(draw))),
        ("OrderCancel", field(1, number(draw))),
        ("StocksInfo", field(1, number(draw))),
    ])
    if draw.random() < 0.05:
        return "/grpc.health.v1.Health/Check", field(1, draw.choice([b"", b"loms.v1.Loms"]))
    if draw.random() < 0.2:
        message = damage(draw, message)
    return f"/loms.v1.Loms/{method}", message


def metadata(draw):
    """Headers of a call: at times an idempotency key, sound or not, or a trace parent."""
    out = []
    if draw.random() < 0.3:
        out.append(("idempotency-key", draw.choice(["a", "b", "x" * 64, "x" * 65, " ", "a b", "~"])))
    if draw.random() < 0.1:
        out.append(("traceparent", draw.choice(["00", "", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "x" * 5000])))
    return out


def frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def header(name, text):
    """A literal header field without indexing, as HPACK writes it."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(text)]) + text


def frames(draw):
    """An HTTP/2 connection with one gRPC call, its bytes damaged somewhere after the preface."""
    method, message = grpc_call(draw)
    names = header(b":method", b"POST") + header(b":scheme", b"http") + header(b":path", method.encode())
    names += header(b":authority", b"shop") + header(b"content-type", b"application/grpc") + header(b"te", b"trailers")
    body = damage(draw, bytes([0]) + struct.pack(">I", len(message)) + message) if draw.random() < 0.5 else b"\x01\x00\x00\x00\x00"
    sound = frame(4, 0, 0, b"") + frame(1, 4, 1, names) + frame(0, 1, 1, body[:16384])
    return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + (damage(draw, sound) if draw.random() < 0.7 else sound)


def fresh(draw):
    """A case from the seeds and generators above."""
    kind = draw.randrange(10)
    if kind < 2:
        target, request = draw.choice(HTTP_SEEDS)
        return Case("http", target, damage(draw, request), [])
    if kind < 6:
        target, method, pattern = draw.choice(JSON_CALLS)
        return Case("http", target, http(method, path(draw, pattern), json_body(draw)), [])
    if kind < 9:
        target, message = grpc_call(draw)
        return Case("grpc", target, message, metadata(draw))
    return Case("frames", "", frames(draw), [])


def damaged(draw, case):
    """A case that was worth keeping, damaged further; mostly with a sound length again."""
    data = damage(draw, case.data)
    if case.kind == "http" and draw.random() < 0.7:
        head, split, body = data.partition(b"\r\n\r\n")
        data = re.sub(rb"(?i)content-length: *[^\r]*", b"Content-Length: %d" % len(body), head) + split + body
    return case._replace(data=data)
