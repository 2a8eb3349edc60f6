//! Disputes: their events, their evidence, and the refunds that they block.

use reqwest::Method;
use serde_json::{Value, json};
use stripe_simulator::Config;

use crate::support::{Answer, Endpoint, Simulator, eventually, quick};

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

/// Pays with a method whose charge is disputed afterwards, and waits for the dispute.
async fn disputed_by(stripe: &Simulator, method: &str) -> Answer {
    let intent = stripe.paid(method).await;
    let path = format!("/v1/disputes?payment_intent={intent}");
    let id = eventually(async || {
        let listed = stripe.get(&path).await;
        listed.body["data"][0]["id"].as_str().map(str::to_owned)
    });
    stripe.get(&format!("/v1/disputes/{}", id.await)).await
}

/// Submits this text as evidence, and waits until the dispute has this status.
async fn argue(stripe: &Simulator, dispute: &Answer, text: &str, status: &str) -> Value {
    let path = format!("/v1/disputes/{}", dispute.id());
    let form = [("evidence[uncategorized_text]", text)];
    let submitted = stripe.post(&path, &form).await;
    assert_eq!(submitted.status, 200, "{submitted:?}");
    eventually(async || {
        let shown = stripe.get(&path).await.body;
        (shown["status"] == status).then_some(shown)
    })
    .await
}

#[tokio::test]
async fn test_cards_are_disputed_and_test_evidence_decides() {
    let stripe = Simulator::start().await;
    let fraud = disputed_by(&stripe, "pm_card_createDispute").await;
    assert_eq!(fraud.object_status(), "needs_response");
    assert_eq!(fraud.body["reason"], "fraudulent");
    let goods = disputed_by(&stripe, "pm_card_createDisputeProductNotReceived").await;
    assert_eq!(goods.body["reason"], "product_not_received");
    let inquiry = disputed_by(&stripe, "pm_card_createDisputeInquiry").await;
    assert_eq!(inquiry.object_status(), "warning_needs_response");

    let won = argue(&stripe, &fraud, "winning_evidence", "won").await;
    let moves = won["balance_transactions"].as_array().unwrap();
    let sums: Vec<_> = moves.iter().map(|it| it["amount"].as_i64()).collect();
    assert_eq!(sums, [Some(-1000), Some(1000)]);
    let lost = argue(&stripe, &goods, "losing_evidence", "lost").await;
    assert_eq!(lost["balance_transactions"].as_array().unwrap().len(), 1);
    let text = "escalate_inquiry_evidence";
    let escalated = argue(&stripe, &inquiry, text, "needs_response").await;
    let moves = &escalated["balance_transactions"];
    assert_eq!(moves.as_array().unwrap().len(), 1);
    argue(&stripe, &inquiry, "winning_evidence", "won").await;
    let inquiry = disputed_by(&stripe, "pm_card_createDisputeInquiry").await;
    let closed = argue(&stripe, &inquiry, "losing_evidence", "warning_closed").await;
    assert_eq!(closed["balance_transactions"], json!([]));
}

#[tokio::test]
async fn money_that_is_only_authorized_is_disputed_after_its_capture() {
    let stripe = Simulator::start().await;
    let manual = [("capture_method", "manual")];
    let id = stripe.intent_with("pm_card_createDispute", &manual).await;
    assert_eq!(
        stripe.confirm(&id).await.object_status(),
        "requires_capture"
    );
    tokio::time::sleep(3 * quick().settle_after).await;
    assert!(dispute_events(&stripe).await.is_empty());
    let path = format!("/v1/payment_intents/{id}/capture");
    stripe.post(&path, &[("amount_to_capture", "400")]).await;
    eventually(async || (dispute_events(&stripe).await.len() == 2).then_some(())).await;
    let listed = stripe
        .get(&format!("/v1/disputes?payment_intent={id}"))
        .await;
    assert_eq!(listed.body["data"][0]["amount"], 400);
}

#[tokio::test]
async fn evidence_is_a_text_or_a_file_and_an_empty_value_removes_it() {
    let stripe = Simulator::start().await;
    let (_, opened) = dispute(&stripe, &[]).await;
    let path = format!("/v1/disputes/{}", opened.id());
    let staged = |field: &'static str, value: &'static str| {
        let form = [(field, value), ("submit", "false")];
        let stripe = &stripe;
        let path = path.as_str();
        async move { stripe.post(path, &form).await }
    };
    let kept = staged("evidence[receipt]", "file_1").await;
    assert_eq!(kept.body["evidence"]["receipt"], "file_1");
    assert_eq!(kept.body["evidence"]["customer_name"], Value::Null);
    assert_eq!(
        staged("evidence[receipt]", "a receipt").await.error()["code"],
        "resource_missing"
    );
    let removed = staged("evidence[receipt]", "").await;
    assert_eq!(removed.body["evidence_details"]["has_evidence"], false);
}

#[tokio::test]
async fn a_restart_goes_on_with_disputes_that_were_to_come() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        state_file: Some(folder.path().join("stripe.json")),
        ..quick()
    };
    let slow = Config {
        settle_after: std::time::Duration::from_hours(1),
        ..config.clone()
    };
    let stripe = Simulator::with(slow).await;
    stripe.paid("pm_card_createDispute").await;
    let (_, opened) = dispute(&stripe, &[]).await;
    let path = format!("/v1/disputes/{}", opened.id());
    let form = [("evidence[uncategorized_text]", "losing_evidence")];
    stripe.post(&path, &form).await;
    stripe.stop().await;

    let stripe = Simulator::with(config).await;
    let disputes = async || {
        let listed = stripe.get("/v1/disputes").await.body;
        let data = listed["data"].as_array().unwrap();
        let status = |at: usize| data.get(at).map(|it| it["status"].clone());
        (status(1) == Some(json!("lost")) && status(0) == Some(json!("needs_response")))
            .then_some(())
    };
    eventually(disputes).await;
}
