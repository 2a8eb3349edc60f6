"""A shop's back end that takes payments with Pawl: the Python standard library and nothing else.

PAWL_API_KEY is the shop's key. STRIPE_PUBLISHABLE_KEY (pk_test_...) shows Stripe's card form; without it the page offers
the simulator's test cards. PAWL_WEBHOOK_SECRET (whsec_...) verifies what Pawl sends to /webhooks.
"""
import base64, hashlib, hmac, json, os, time, urllib.error, urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PAWL = os.environ.get("PAWL_URL", "http://127.0.0.1:8080") + "/api/v1"
PORT = int(os.environ.get("PORT", "4242"))
PAGE = Path(__file__).with_name("checkout.html").read_text()


def pawl(method, path, body=None, key=None):
    """Calls Pawl. The same idempotency key never pays twice, so a call without an answer may be repeated."""
    headers = {"X-API-Key": os.environ["PAWL_API_KEY"], "Content-Type": "application/json", "Prefer": "wait=10"}
    if key:
        headers["Idempotency-Key"] = key
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(PAWL + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=40) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as problem:
        return problem.code, json.load(problem)


def verified(headers, body):
    """Whether Pawl sent this, within five minutes (https://www.standardwebhooks.com)."""
    secret = base64.b64decode(os.environ["PAWL_WEBHOOK_SECRET"].removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
    fresh = abs(time.time() - int(headers["webhook-timestamp"])) < 300
    return fresh and any(hmac.compare_digest(expected, it) for it in headers["webhook-signature"].split())


class Shop(BaseHTTPRequestHandler):
    def do_GET(self):
        path, _, query = self.path.partition("?payment=")
        if path == "/":
            page = PAGE.replace("{{publishable_key}}", os.environ.get("STRIPE_PUBLISHABLE_KEY", ""))
            self.answer(200, page, "text/html; charset=utf-8")
        elif path == "/thanks":
            # The customer's browser proves nothing: ask Pawl what became of the payment.
            status, payment = pawl("GET", f"/payments/{query}")
            self.answer(status, {"status": payment.get("status"), "detail": payment.get("detail")})
        else:
            self.answer(404, {"detail": "There is nothing here. Open /."})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/webhooks":
            good = verified(self.headers, body)
            # Fulfil the order here, once for each webhook-id: a delivery may come twice.
            print("webhook", json.loads(body)["type"] if good else "refused: wrong signature", flush=True)
            return self.answer(200 if good else 401, {})
        asked = json.loads(body)
        if self.path == "/orders":
            order = str(asked["order"])
            payment = {"amount": 1800, "currency": "usd", "description": "One mug", "reference": order}
            payment["return_url"] = f"http://{self.headers['Host']}/thanks"
            status, made = pawl("POST", "/payments", payment, key=f"order-{order}")
            self.answer(status, {key: made.get(key) for key in ("id", "client_secret", "detail")})
        elif self.path == "/confirm":
            method = {"payment_method": str(asked["payment_method"])}
            self.answer(*pawl("POST", f"/payments/{asked['payment']}/confirm", method, key=f"click-{asked['click']}"))
        else:
            self.answer(404, {"detail": "There is nothing here."})

    def answer(self, status, body, kind="application/json"):
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


print(f"open http://127.0.0.1:{PORT}", flush=True)
ThreadingHTTPServer(("127.0.0.1", PORT), Shop).serve_forever()
