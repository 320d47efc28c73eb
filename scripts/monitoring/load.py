"""A short run of shoppers over the public API, and of all the trouble that can be had by asking: refusals of every
kind, repeats, requests that make no sense, a product service that fails, events that a receiver refuses."""

import http.server
import json
import threading
import time

from stack import ask

WORKERS = 4
SKUS = (1001, 1002, 1003)
TOO_MANY = 4_000_000_000


class Receiver(http.server.BaseHTTPRequestHandler):
    """Where notifiers post events. Says "never" to some of them, and "not now" to some others once."""

    def do_POST(self):
        event = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(self.server.answer(event))
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Receivers(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Receiver)
        self.refusing, self.away, self.put_off = True, False, set()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/events"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def answer(self, event):
        number = int(event["id"])
        if self.away:
            return 503
        if number % 11 == 0 and number not in self.put_off:
            self.put_off.add(number)
            return 503
        if self.refusing and event["data"]["status"] == "cancelled" and number % 3 == 0:
            return 400
        return 204


def webhook(receivers):
    """Settings of a notifier that posts to it."""
    return {
        "APP__NOTIFIER__SINK": "webhook",
        "APP__NOTIFIER__WEBHOOK__URL": receivers.url,
        "APP__NOTIFIER__WEBHOOK__SECRET": "a secret of the monitoring test",
    }


def order(stack, user, lines, key=None):
    """Places an order over the gateway; its id, or None where it was refused."""
    headers = {"idempotency-key": key} if key else {}
    body = {"userId": user, "items": lines}
    status, text = ask(stack.url("loms", "/order/create"), "POST", body, headers)
    return json.loads(text)["orderId"] if status == 200 else None


def shopper(stack, user, number):
    """One cart from the first line to the payment, and what goes wrong beside it."""
    cart, loms = stack.ports["cart"], stack.ports["loms"]
    front, back = f"http://127.0.0.1:{cart}", f"http://127.0.0.1:{loms}"
    for sku in SKUS:
        ask(f"{front}/user/{user}/cart/{sku}", "POST", {"count": 1})
    ask(f"{front}/user/{user}/cart/{SKUS[-1]}", "DELETE")
    ask(f"{front}/user/{user}/cart")
    _, placed = ask(f"{front}/checkout/{user}", "POST", headers={"idempotency-key": f"{user}-{number}-{time.time_ns()}"})
    ask(f"{back}/stock/info?sku={SKUS[0]}")
    lines = [{"sku": SKUS[number % len(SKUS)], "count": 1}]
    key = f"key-{user}-{number}-{time.time_ns()}"
    mine = order(stack, user, lines, key)
    order(stack, user, lines, key)
    for change in ("pay", "cancel")[number % 2 :][:1]:
        ask(f"{back}/order/{change}", "POST", {"orderId": mine})
        ask(f"{back}/order/{change}", "POST", {"orderId": mine})
    ask(f"{back}/order/{('cancel', 'pay')[number % 2]}", "POST", {"orderId": mine})
    ask(f"{back}/order/info?orderId={mine}")
    return placed


def trouble(stack, user):
    """What is refused, each for another reason."""
    front, back = stack.url("cart"), stack.url("loms")
    ask(f"{front}/user/{user}/cart/{SKUS[0]}", "POST", {"count": 0})
    ask(f"{front}/user/{user}/cart/999999", "POST", {"count": 1})
    ask(f"{front}/user/{user}/cart/{SKUS[0]}", "POST", {"count": TOO_MANY})
    ask(f"{front}/user/{user}/cart")
    ask(f"{front}/checkout/{user}", "POST")
    ask(f"{front}/checkout/{user}", "POST")
    ask(f"{front}/user/{user}/cart", "DELETE")
    ask(f"{front}/no/such/place")
    order(stack, user, [{"sku": SKUS[0], "count": TOO_MANY}])
    order(stack, user, [{"sku": 999999, "count": 1}])
    order(stack, user, [])
    reused = f"reused-{user}-{time.time_ns()}"
    order(stack, user, [{"sku": SKUS[0], "count": 1}], reused)
    order(stack, user, [{"sku": SKUS[1], "count": 2}], reused)
    ask(f"{back}/order/info?orderId=987654321")
    ask(f"{back}/order/pay", "POST", {"orderId": 987654321})
    ask(f"{back}/order/cancel", "POST", {"orderId": 0})
    ask(f"{back}/stock/info?sku=999999")


def run(stack, seconds, users=1000):
    """Shoppers side by side for so long; how many carts were taken to the end."""
    end = time.monotonic() + seconds
    done = [0] * WORKERS

    def work(worker):
        while time.monotonic() < end:
            shopper(stack, users + worker * 1000 + done[worker], done[worker])
            if done[worker] % 5 == 0:
                trouble(stack, users + worker * 1000 + done[worker])
            done[worker] += 1

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done)
