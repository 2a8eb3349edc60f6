//! Another tool acts on the same account: it edits, captures, cancels, refunds and creates over `/_sim/dashboard`.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Endpoint, Simulator};

async fn act(stripe: &Simulator, path: &str, body: Value) -> Answer {
    let path = format!("dashboard/{path}");
    stripe.admin(Method::POST, &path, &body).await
}

async fn authorized(stripe: &Simulator) -> String {
    let more = [
        ("capture_method", "manual"),
        ("metadata[payment_id]", "pay_1"),
    ];
    let id = stripe.intent_with("pm_card_visa", &more).await;
    stripe.confirm(&id).await;
    id
}

#[tokio::test]
async fn another_tool_edits_metadata_and_the_ledger_keeps_the_first_payment() {
    let stripe = Simulator::start().await;
    let id = authorized(&stripe).await;
    let before = stripe.event_types().await;
    let edit = json!({"metadata": {"payment_id": "42", "crm": "x"}});
    let edited = act(&stripe, &format!("payment_intents/{id}"), edit).await;
    let expected = json!({"payment_id": "42", "crm": "x"});
    assert_eq!(edited.body["metadata"], expected, "{edited:?}");
    assert_eq!(stripe.retrieve(&id).await.body["metadata"], expected);
    assert_eq!(stripe.event_types().await, before, "Stripe sends no event");
    let removal = json!({"metadata": {"crm": ""}});
    let edited = act(&stripe, &format!("payment_intents/{id}"), removal).await;
    assert_eq!(edited.body["metadata"], json!({"payment_id": "42"}));
    let all = json!({"metadata": ""});
    let edited = act(&stripe, &format!("payment_intents/{id}"), all).await;
    assert_eq!(edited.body["metadata"], json!({}));
    let ledger = stripe.ledger("?payment_id=pay_1").await;
    assert_eq!(ledger["payments"][0]["intents"], json!([id]));
}

#[tokio::test]
async fn another_tool_captures_and_refunds_and_its_events_name_no_request() {
    let stripe = Simulator::start().await;
    let endpoint = Endpoint::start(0).await;
    stripe
        .register(&endpoint, &["payment_intent.succeeded", "refund.created"])
        .await;
    let id = authorized(&stripe).await;
    let capture = json!({"amount_to_capture": 700});
    let captured = act(&stripe, &format!("payment_intents/{id}/capture"), capture).await;
    assert_eq!(captured.object_status(), "succeeded", "{captured:?}");
    let refund = json!({"payment_intent": id, "amount": 200, "reason": "duplicate"});
    let refunded = act(&stripe, "refunds", refund).await;
    assert_eq!(refunded.body["amount"], 200, "{refunded:?}");
    for webhook in endpoint.receive(2).await {
        assert!(webhook.is_signed());
        let request = &webhook.event()["request"];
        assert_eq!(*request, json!({"id": null, "idempotency_key": null}));
    }
}

#[tokio::test]
async fn another_tool_cancels_and_its_mistakes_are_refused() {
    let stripe = Simulator::start().await;
    let id = authorized(&stripe).await;
    let path = format!("payment_intents/{id}/cancel");
    let wrong = act(&stripe, &path, json!({"cancellation_reason": "bored"})).await;
    assert_eq!(wrong.status, 400);
    assert_eq!(wrong.error()["param"], "cancellation_reason");
    let canceled = act(&stripe, &path, json!({"cancellation_reason": "fraudulent"})).await;
    assert_eq!(canceled.object_status(), "canceled");
    let again = act(&stripe, &path, json!({})).await;
    assert_eq!(again.error()["code"], "payment_intent_unexpected_state");
    assert_eq!(act(&stripe, "balloons", json!({})).await.status, 404);
}

#[tokio::test]
async fn another_tool_has_payments_of_its_own() {
    let stripe = Simulator::start().await;
    let create = json!({
        "amount": 900, "currency": "eur", "payment_method": "pm_card_visa", "confirm": true,
        "payment_method_types": ["card"], "metadata": {"app": "x"},
    });
    let made = act(&stripe, "payment_intents", create).await;
    assert_eq!(made.object_status(), "succeeded", "{made:?}");
    assert_eq!(made.body["metadata"], json!({"app": "x"}));
    let types = stripe.event_types().await;
    assert_eq!(types.last().unwrap(), "payment_intent.succeeded");
}

#[tokio::test]
async fn charges_and_refunds_are_edited_with_an_event() {
    let stripe = Simulator::start().await;
    let id = stripe.paid("pm_card_pendingRefund").await;
    let charge = stripe.retrieve(&id).await.body["latest_charge"].clone();
    let charge = charge.as_str().unwrap();
    let edit = json!({"metadata": {"a": "b"}});
    let edited = act(&stripe, &format!("charges/{charge}"), edit.clone()).await;
    assert_eq!(edited.body["metadata"]["a"], "b");
    assert_eq!(stripe.event_types().await.last().unwrap(), "charge.updated");
    let refund = act(&stripe, "refunds", json!({"charge": charge}))
        .await
        .id();
    act(&stripe, &format!("refunds/{refund}"), edit).await;
    let types = stripe.event_types().await;
    assert_eq!(
        types[types.len() - 2..],
        ["refund.updated", "charge.refund.updated"]
    );
}

#[tokio::test]
async fn a_pending_refund_is_canceled_once() {
    let config = stripe_simulator::Config {
        settle_after: Duration::from_mins(10),
        ..crate::support::quick()
    };
    let stripe = Simulator::with(config).await;
    let id = stripe.paid("pm_card_pendingRefund").await;
    let refund = act(&stripe, "refunds", json!({"payment_intent": id})).await;
    let path = format!("refunds/{}/cancel", refund.id());
    let canceled = act(&stripe, &path, json!({})).await;
    assert_eq!(canceled.object_status(), "canceled", "{canceled:?}");
    assert_eq!(act(&stripe, &path, json!({})).await.status, 400);
    let ledger = stripe.ledger("").await;
    assert_eq!(ledger["totals"]["usd"]["refund_pending"], 0);
    let again = act(&stripe, "refunds", json!({"payment_intent": id})).await;
    assert_eq!(again.body["amount"], 1000, "{again:?}");
}
