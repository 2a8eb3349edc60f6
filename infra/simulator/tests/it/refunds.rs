//! Refunds.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Simulator, eventually};

async fn refund(stripe: &Simulator, intent: &str, amount: &str) -> Answer {
    let form = [
        ("payment_intent", intent),
        ("amount", amount),
        ("metadata[refund_id]", "re_ours"),
    ];
    stripe.post("/v1/refunds", &form).await
}

#[tokio::test]
async fn a_payment_is_refunded_in_parts_and_never_beyond() {
    let stripe = Simulator::start().await;
    let id = stripe.paid("pm_card_visa").await;
    let part = refund(&stripe, &id, "400").await;
    assert_eq!(part.object_status(), "succeeded");
    assert_eq!(part.body["payment_intent"], id.as_str());
    assert_eq!(part.body["metadata"]["refund_id"], "re_ours");
    let beyond = refund(&stripe, &id, "601").await;
    assert_eq!(
        (beyond.status, &beyond.error()["param"]),
        (400, &json!("amount"))
    );
    let rest = stripe.post("/v1/refunds", &[("payment_intent", &id)]).await;
    assert_eq!(rest.body["amount"], 600);
    let again = stripe.post("/v1/refunds", &[("payment_intent", &id)]).await;
    assert_eq!(
        (again.status, again.error()["code"].as_str()),
        (400, Some("charge_already_refunded"))
    );
    let charge = rest.body["charge"].as_str().unwrap();
    let charge = stripe.get(&format!("/v1/charges/{charge}")).await;
    assert_eq!(
        (&charge.body["amount_refunded"], &charge.body["refunded"]),
        (&json!(1000), &json!(true))
    );
    let types = stripe.event_types().await;
    assert_eq!(
        types[types.len() - 2..],
        ["refund.created", "charge.refunded"]
    );
}

#[tokio::test]
async fn refunds_are_listed_by_payment_and_by_charge() {
    let stripe = Simulator::start().await;
    let (one, other) = (
        stripe.paid("pm_card_visa").await,
        stripe.paid("pm_card_visa").await,
    );
    let first = refund(&stripe, &one, "100").await;
    let second = refund(&stripe, &one, "200").await;
    refund(&stripe, &other, "300").await;
    let listed = stripe
        .get(&format!("/v1/refunds?payment_intent={one}"))
        .await;
    let ids: Vec<_> = listed.body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["id"])
        .collect();
    assert_eq!(ids, [&second.body["id"], &first.body["id"]]);
    let charge = first.body["charge"].as_str().unwrap();
    let by_charge = stripe.get(&format!("/v1/refunds?charge={charge}")).await;
    assert_eq!(by_charge.body["data"], listed.body["data"]);
    assert_eq!(
        stripe.get("/v1/refunds").await.body["data"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    let alone = stripe.get(&format!("/v1/refunds/{}", first.id())).await;
    assert_eq!(alone.body, first.body);
}

#[tokio::test]
async fn an_amount_that_was_not_captured_cannot_be_refunded() {
    let stripe = Simulator::start().await;
    let unpaid = stripe.intent("pm_card_visa").await;
    assert_eq!(refund(&stripe, &unpaid, "100").await.status, 400);
    let held = stripe
        .intent_with("pm_card_visa", &[("capture_method", "manual")])
        .await;
    stripe.confirm(&held).await;
    assert_eq!(refund(&stripe, &held, "100").await.status, 400);
    assert_eq!(refund(&stripe, "pi_none", "100").await.status, 404);
    let neither = stripe.post("/v1/refunds", &[("amount", "100")]).await;
    assert_eq!(neither.error()["code"], "parameter_missing");
}

#[tokio::test]
async fn a_pending_refund_succeeds_later() {
    let stripe = Simulator::start().await;
    let id = stripe.paid("pm_card_pendingRefund").await;
    let pending = refund(&stripe, &id, "1000").await;
    assert_eq!(pending.object_status(), "pending");
    let path = format!("/v1/refunds/{}", pending.id());
    eventually(async || (stripe.get(&path).await.object_status() == "succeeded").then_some(()))
        .await;
    let types = stripe.event_types().await;
    assert_eq!(
        types[types.len() - 2..],
        ["refund.updated", "charge.refund.updated"]
    );
    let totals = &stripe.ledger("").await["totals"]["usd"];
    assert_eq!(
        (&totals["refunded"], &totals["refund_pending"]),
        (&json!(1000), &json!(0))
    );
}

#[tokio::test]
async fn the_amount_of_a_refund_that_fails_later_can_be_refunded_again() {
    let stripe = Simulator::start().await;
    let id = stripe.paid("pm_card_refundFail").await;
    let made = refund(&stripe, &id, "1000").await;
    assert_eq!(made.object_status(), "succeeded");
    let path = format!("/v1/refunds/{}", made.id());
    let failed = eventually(async || {
        let refund = stripe.get(&path).await;
        (refund.object_status() == "failed").then_some(refund)
    })
    .await;
    assert_eq!(failed.body["failure_reason"], "expired_or_canceled_card");
    let types = stripe.event_types().await;
    assert!(types.iter().any(|known| known == "refund.failed"));
    assert_eq!(stripe.ledger("").await["totals"]["usd"]["refunded"], 0);
    assert_eq!(refund(&stripe, &id, "1000").await.status, 200);
}

#[tokio::test]
async fn a_refund_can_be_failed_over_the_admin_routes_once() {
    let stripe = Simulator::start().await;
    let id = stripe.paid("pm_card_visa").await;
    let made = refund(&stripe, &id, "300").await;
    let path = format!("refunds/{}/fail", made.id());
    let failed = stripe.admin(Method::POST, &path, &Value::Null).await;
    assert_eq!(failed.object_status(), "failed");
    stripe.admin(Method::POST, &path, &Value::Null).await;
    let ledger = stripe.ledger("").await;
    assert_eq!(ledger["totals"]["usd"]["refunded"], 0);
    assert_eq!(ledger["payments"][0]["refunds"][0]["status"], "failed");
}
