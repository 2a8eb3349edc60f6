//! Disputes: their events, their evidence, and the refunds that they block.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Endpoint, Simulator};

async fn dispute(stripe: &Simulator, more: &[(&str, &str)]) -> (String, Answer) {
    let id = stripe.paid("pm_card_visa").await;
    let mut body = json!({"payment_intent": id});
    for (name, value) in more {
        body[*name] = json!(value);
    }
    let opened = stripe.admin(Method::POST, "disputes", &body).await;
    assert_eq!(opened.status, 200, "{opened:?}");
    (id, opened)
}

async fn decide(stripe: &Simulator, dispute: &Answer, action: &str) -> Answer {
    let path = format!("disputes/{}/{action}", dispute.id());
    stripe.admin(Method::POST, &path, &Value::Null).await
}

async fn dispute_events(stripe: &Simulator) -> Vec<String> {
    let types = stripe.event_types().await.into_iter();
    types.filter(|kind| kind.contains("dispute")).collect()
}

#[tokio::test]
async fn a_dispute_withdraws_the_amount_and_a_won_one_reinstates_it() {
    let stripe = Simulator::start().await;
    let (intent, opened) = dispute(&stripe, &[]).await;
    assert_eq!(opened.object_status(), "needs_response");
    assert_eq!(opened.body["amount"], 1000);
    assert_eq!(opened.body["payment_intent"], intent.as_str());
    let charge = opened.body["charge"].as_str().unwrap();
    let charge = stripe.get(&format!("/v1/charges/{charge}")).await;
    assert_eq!(charge.body["disputed"], true);
    let won = decide(&stripe, &opened, "win").await;
    assert_eq!(won.object_status(), "won");
    assert_eq!(decide(&stripe, &opened, "lose").await.status, 400);
    let expected = [
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.closed",
        "charge.dispute.funds_reinstated",
    ];
    assert_eq!(dispute_events(&stripe).await, expected);
}

#[tokio::test]
async fn an_inquiry_moves_money_only_when_it_escalates() {
    let stripe = Simulator::start().await;
    let (_, opened) = dispute(&stripe, &[("status", "warning_needs_response")]).await;
    assert_eq!(dispute_events(&stripe).await, ["charge.dispute.created"]);
    let escalated = decide(&stripe, &opened, "escalate").await;
    assert_eq!(escalated.object_status(), "needs_response");
    let expected = [
        "charge.dispute.created",
        "charge.dispute.updated",
        "charge.dispute.funds_withdrawn",
    ];
    assert_eq!(dispute_events(&stripe).await, expected);
}

#[tokio::test]
async fn a_disputed_charge_is_not_refunded_and_an_inquiry_is() {
    let stripe = Simulator::start().await;
    let (intent, _) = dispute(&stripe, &[]).await;
    let form = [("payment_intent", intent.as_str())];
    let refused = stripe.post("/v1/refunds", &form).await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.error()["code"], "charge_disputed");
    let (intent, _) = dispute(&stripe, &[("status", "warning_needs_response")]).await;
    let form = [("payment_intent", intent.as_str())];
    assert_eq!(stripe.post("/v1/refunds", &form).await.status, 200);
}

#[tokio::test]
async fn evidence_of_150_000_characters_is_sent_and_more_is_refused() {
    let stripe = Simulator::start().await;
    let endpoint = Endpoint::start(0).await;
    stripe
        .register(&endpoint, &["charge.dispute.updated"])
        .await;
    let (_, opened) = dispute(&stripe, &[]).await;
    let text = "e".repeat(18_750);
    let mut evidence = json!({});
    for name in [
        "access_activity_log",
        "cancellation_policy_disclosure",
        "cancellation_rebuttal",
        "duplicate_charge_explanation",
        "product_description",
        "refund_policy_disclosure",
        "refund_refusal_explanation",
        "uncategorized_text",
    ] {
        evidence[name] = json!(text);
    }
    let path = format!("dashboard/disputes/{}", opened.id());
    let body = json!({"evidence": evidence});
    let updated = stripe.admin(Method::POST, &path, &body).await;
    assert_eq!(updated.object_status(), "under_review", "{updated:?}");
    let webhook = endpoint.receive(1).await.remove(0);
    assert!(webhook.body.len() > 150_000 && webhook.is_signed());
    let more = json!({"evidence": {"customer_name": "e"}});
    let refused = stripe.admin(Method::POST, &path, &more).await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.error()["param"], "evidence");
    let unknown = json!({"evidence": {"horoscope": "e"}});
    let refused = stripe.admin(Method::POST, &path, &unknown).await;
    assert_eq!(refused.error()["code"], "parameter_unknown");
}

#[tokio::test]
async fn a_dispute_is_retrieved_listed_and_accepted_over_the_api() {
    let stripe = Simulator::start().await;
    let (intent, opened) = dispute(&stripe, &[]).await;
    let path = format!("/v1/disputes/{}", opened.id());
    assert_eq!(stripe.get(&path).await.body, opened.body);
    let listed = stripe
        .get(&format!("/v1/disputes?payment_intent={intent}"))
        .await;
    assert_eq!(listed.body["data"][0], opened.body);
    let staged = [("evidence[customer_name]", "Jane"), ("submit", "false")];
    let staged = stripe.post(&path, &staged).await;
    assert_eq!(staged.object_status(), "needs_response", "{staged:?}");
    assert_eq!(staged.body["evidence_details"]["has_evidence"], true);
    let closed = stripe.post(&format!("{path}/close"), &[]).await;
    assert_eq!(closed.object_status(), "lost");
}
