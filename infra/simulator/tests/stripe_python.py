"""Talks to the simulator with Stripe's own client; exits 0 when every call did what Stripe does."""

import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

try:
    import stripe
except ImportError:
    sys.exit("the package stripe cannot be imported by this python: pip install stripe")

stripe.api_base = sys.argv[1]
stripe.api_key = "sk_test_python"
stripe.max_network_retries = 0

arrived = []


class Endpoint(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        arrived.append((body, self.headers["Stripe-Signature"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def expect(found, wanted):
    assert found == wanted, f"found {found!r}, wanted {wanted!r}"


def webhooks():
    server = HTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = stripe.WebhookEndpoint.create(
        url=f"http://127.0.0.1:{server.server_port}/hook", enabled_events=["*"]
    )
    assert endpoint.secret.startswith("whsec_")
    expect(stripe.WebhookEndpoint.retrieve(endpoint.id).url, endpoint.url)
    return endpoint.secret


def pays():
    intent = stripe.PaymentIntent.create(
        amount=2000,
        currency="usd",
        payment_method="pm_card_visa",
        payment_method_types=["card"],
        metadata={"payment_id": "pay_python"},
        expand=["latest_charge"],
    )
    expect(intent.status, "requires_confirmation")
    expect(intent.metadata["payment_id"], "pay_python")
    intent = stripe.PaymentIntent.confirm(intent.id, expand=["latest_charge"])
    expect(intent.status, "succeeded")
    expect(intent.latest_charge.paid, True)
    expect(stripe.PaymentIntent.retrieve(intent.id).amount_received, 2000)
    expect(stripe.Charge.retrieve(intent.latest_charge.id).payment_intent, intent.id)
    return intent


def refunds(intent):
    refund = stripe.Refund.create(payment_intent=intent.id, amount=500, reason="duplicate")
    expect(refund.status, "succeeded")
    expect(stripe.Refund.retrieve(refund.id).amount, 500)
    expect([it.id for it in stripe.Refund.list(payment_intent=intent.id)], [refund.id])
    stripe.Refund.create(charge=intent.latest_charge.id)
    try:
        stripe.Refund.create(payment_intent=intent.id)
        raise AssertionError("refunded too much")
    except stripe.InvalidRequestError as error:
        expect((error.http_status, error.code), (400, "charge_already_refunded"))


def captures_and_cancels():
    def held():
        return stripe.PaymentIntent.create(
            amount=3000,
            currency="eur",
            payment_method="pm_card_mastercard",
            payment_method_types=["card"],
            capture_method="manual",
            confirm=True,
            expand=["latest_charge"],
        )

    intent = held()
    expect(intent.status, "requires_capture")
    assert intent.latest_charge.payment_method_details.card.capture_before > time.time()
    expect(stripe.PaymentIntent.capture(intent.id, amount_to_capture=1000).amount_received, 1000)
    intent = stripe.PaymentIntent.cancel(held().id, cancellation_reason="abandoned")
    expect((intent.status, intent.cancellation_reason), ("canceled", "abandoned"))


def fails():
    try:
        stripe.PaymentIntent.create(
            amount=2000,
            currency="usd",
            payment_method="pm_card_chargeDeclinedInsufficientFunds",
            payment_method_types=["card"],
            confirm=True,
        )
        raise AssertionError("the card was not declined")
    except stripe.CardError as error:
        expect((error.http_status, error.code), (402, "card_declined"))
        expect(error.error.decline_code, "insufficient_funds")
        expect(error.error.payment_intent.status, "requires_payment_method")
    try:
        stripe.PaymentIntent.retrieve("pi_none")
        raise AssertionError("an unknown intent was found")
    except stripe.InvalidRequestError as error:
        expect((error.http_status, error.code), (404, "resource_missing"))
    try:
        stripe.PaymentIntent.list(api_key="sk_live_no")
        raise AssertionError("a live key was accepted")
    except stripe.AuthenticationError as error:
        expect(error.http_status, 401)
    key = {"idempotency_key": "python-once"}
    first = stripe.PaymentIntent.create(amount=900, currency="usd", **key)
    expect(stripe.PaymentIntent.create(amount=900, currency="usd", **key).id, first.id)
    try:
        stripe.PaymentIntent.create(amount=901, currency="usd", **key)
        raise AssertionError("one key took two amounts")
    except stripe.IdempotencyError as error:
        expect(error.http_status, 400)


def eventually(found):
    deadline = time.monotonic() + 10
    while not (it := found()):
        assert time.monotonic() < deadline, "it did not happen within ten seconds"
        time.sleep(0.01)
    return it


def paid_with(method):
    return stripe.PaymentIntent.create(
        amount=2000,
        currency="usd",
        payment_method=method,
        payment_method_types=["card"],
        confirm=True,
    )


def disputes():
    def disputed(method):
        intent = paid_with(method)
        return eventually(lambda: stripe.Dispute.list(payment_intent=intent.id).data)[0]

    dispute = disputed("pm_card_createDispute")
    expect((dispute.status, dispute.reason), ("needs_response", "fraudulent"))
    dispute = stripe.Dispute.modify(
        dispute.id, evidence={"customer_name": "Jane", "receipt": "file_1"}, submit=False
    )
    expect((dispute.status, dispute.evidence_details.has_evidence), ("needs_response", True))
    dispute = stripe.Dispute.modify(
        dispute.id, evidence={"uncategorized_text": "winning_evidence"}, submit=True
    )
    expect((dispute.status, dispute.evidence.customer_name), ("under_review", "Jane"))
    eventually(lambda: stripe.Dispute.retrieve(dispute.id).status == "won")
    eventually(lambda: len(stripe.Dispute.retrieve(dispute.id).balance_transactions) == 2)
    inquiry = disputed("pm_card_createDisputeInquiry")
    expect(inquiry.status, "warning_needs_response")
    evidence = {"uncategorized_text": "escalate_inquiry_evidence"}
    stripe.Dispute.modify(inquiry.id, evidence=evidence)
    eventually(lambda: stripe.Dispute.retrieve(inquiry.id).status == "needs_response")
    expect(stripe.Dispute.close(inquiry.id).status, "lost")
    expect(disputed("pm_card_createDisputeProductNotReceived").reason, "product_not_received")
    try:
        stripe.Dispute.modify(dispute.id, evidence={"customer_name": "Joe"})
        raise AssertionError("a closed dispute took evidence")
    except stripe.InvalidRequestError as error:
        expect(error.http_status, 400)


def holds():
    intent = paid_with("pm_card_createIssuerFraudRecord")
    warnings = lambda: stripe.radar.EarlyFraudWarning.list(payment_intent=intent.id).data
    warning = eventually(warnings)[0]
    expect((warning.actionable, warning.fraud_type), (True, "misc"))
    stripe.Refund.create(payment_intent=intent.id)
    expect(stripe.radar.EarlyFraudWarning.retrieve(warning.id).actionable, False)
    intent = paid_with("pm_card_riskLevelElevated")
    review = eventually(lambda: stripe.Review.list().data)[0]
    expect((review.payment_intent, review.reason, review.open), (intent.id, "rule", True))
    review = stripe.Review.approve(review.id)
    expect((review.open, review.closed_reason), (False, "approved"))
    expect(stripe.Review.retrieve(review.id).reason, "approved")


def refuses():
    good = {"amount": 2000, "currency": "usd"}

    def refused(call, code, param):
        try:
            call()
        except stripe.InvalidRequestError as error:
            expect((error.http_status, error.code, error.param), (400, code, param))
        else:
            raise AssertionError(f"{param} was accepted")

    for more, code, param in [
        ({"receipt_email": "test@test"}, "email_invalid", "receipt_email"),
        ({"statement_descriptor": "MUG SHOP"}, None, "statement_descriptor"),
        ({"statement_descriptor_suffix": "12345"}, None, "statement_descriptor_suffix"),
        ({"statement_descriptor_suffix": "A" * 23}, None, "statement_descriptor_suffix"),
        ({"description": "d" * 1001}, None, "description"),
        ({"description": ""}, "parameter_invalid_empty", "description"),
        ({"metadata": {"k" * 41: "v"}}, None, "metadata"),
        ({"metadata": {"k": "v" * 501}}, None, "metadata[k]"),
        ({"metadata": {str(n): "v" for n in range(51)}}, None, "metadata"),
        ({"amount": 49}, "amount_too_small", "amount"),
        ({"amount": 100_000_000}, "amount_too_large", "amount"),
        ({"colour": "red"}, "parameter_unknown", "colour"),
        ({"return_url": "https://shop.test/"}, None, "return_url"),
        (
            {"automatic_payment_methods": {"enabled": True}, "payment_method_types": ["card"]},
            "parameters_exclusive",
            "automatic_payment_methods",
        ),
    ]:
        refused(lambda: stripe.PaymentIntent.create(**{**good, **more}), code, param)
    intent = stripe.PaymentIntent.create(**good, metadata={"a": "1", "b": "2"})
    intent = stripe.PaymentIntent.modify(intent.id, metadata={"a": "", "c": "3"}, description="A mug")
    expect((intent.metadata.to_dict(), intent.description), ({"b": "2", "c": "3"}, "A mug"))
    refused(lambda: stripe.PaymentIntent.modify(intent.id, amount=1), "amount_too_small", "amount")


def authenticates():
    intent = stripe.PaymentIntent.create(
        amount=2000,
        currency="usd",
        payment_method="pm_card_authenticationRequired",
        confirm=True,
        return_url="http://shop.test/back",
    )
    expect((intent.status, intent.next_action.type), ("requires_action", "redirect_to_url"))
    assert intent.next_action.redirect_to_url.url.startswith(stripe.api_base)


def lists():
    newest = stripe.PaymentIntent.list(limit=2, expand=["data.latest_charge"])
    assert newest.has_more
    everything = [it.id for it in stripe.PaymentIntent.list(limit=2).auto_paging_iter()]
    expect(len(everything), len(set(everything)))
    recent = stripe.PaymentIntent.list(created={"gte": int(time.time()) - 60, "lte": int(time.time())})
    assert recent.data
    event = stripe.Event.list(types=["charge.succeeded", "refund.created"], limit=1).data[0]
    expect(stripe.Event.retrieve(event.id).type, event.type)
    older = stripe.Event.list(type="payment_intent.created", delivery_success=True)
    expect({it.type for it in older}, {"payment_intent.created"})


def verifies(secret, wanted):
    deadline = time.monotonic() + 10
    while len(arrived) < wanted and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(arrived) >= wanted, f"{len(arrived)} of {wanted} webhooks came"
    for body, signature in arrived:
        event = stripe.Webhook.construct_event(body, signature, secret)
        expect(event.object, "event")
        assert event.data.object.id
    try:
        stripe.Webhook.construct_event(arrived[0][0] + b" ", arrived[0][1], secret)
        raise AssertionError("a changed body was accepted")
    except stripe.SignatureVerificationError:
        pass


secret = webhooks()
refunds(pays())
captures_and_cancels()
fails()
refuses()
authenticates()
disputes()
holds()
verifies(secret, 20)
lists()
