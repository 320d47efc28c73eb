"""Hooks of schemathesis for openapi.py: about half of the sound identifiers become those of a few users,
orders and products that exist, and their carts are filled before they check out, so that calls also
succeed. What is not sound stays as it is."""

import json
import os
import urllib.request

import schemathesis

FEW = {"user_id": (1, 3), "userId": (1, 3), "orderId": (1, 50), "order_id": (1, 50), "sku": (1001, 8), "count": (1, 5)}


def known(name, value):
    """An identifier that is likely to exist, as number or text as it was."""
    number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
    if name not in FEW or isinstance(number, bool) or not isinstance(number, int) or str(number) != str(value):
        return value
    if number % 2 or not 0 < number < (2**32 if name == "count" else 2**63):
        return value
    first, count = FEW[name]
    return type(value)(first + number // 2 % count)


def known_all(value):
    """The same for every member of objects, at any depth."""
    if isinstance(value, dict):
        return {name: known(name, known_all(part)) for name, part in value.items()}
    if isinstance(value, list):
        return [known_all(part) for part in value]
    return value


@schemathesis.hook
def map_path_parameters(_context, path_parameters):
    return known_all(path_parameters)


@schemathesis.hook
def map_query(_context, query):
    return known_all(query)


@schemathesis.hook
def map_body(_context, body):
    return known_all(body)


@schemathesis.hook
def before_call(_context, case, _kwargs):
    """A checkout of one of the few users finds something in the cart."""
    user = (case.path_parameters or {}).get("user_id")
    if case.method != "POST" or not case.path.startswith("/checkout/") or user not in (1, 2, 3):
        return
    url = f"{os.environ['SHOP_CART']}/user/{user}/cart/1001"
    body = json.dumps({"count": 1}).encode()
    urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": "application/json"}), timeout=5).close()
