//! Early warnings of fraud, and reviews: what opens them, and what ends them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Simulator, eventually};

async fn events(stripe: &Simulator, group: &str) -> Vec<String> {
    let types = stripe.event_types().await.into_iter();
    types.filter(|kind| kind.starts_with(group)).collect()
}

async fn listed(stripe: &Simulator, path: &str) -> Value {
    eventually(async || {
        let listed = stripe.get(path).await.body;
        listed["data"].get(0).cloned()
    })
    .await
}

#[tokio::test]
async fn a_warning_of_fraud_is_actionable_until_the_charge_is_refunded_in_full() {
    let stripe = Simulator::start().await;
    let intent = stripe.paid("pm_card_createIssuerFraudRecord").await;
    let path = format!("/v1/radar/early_fraud_warnings?payment_intent={intent}");
    let warning = listed(&stripe, &path).await;
    assert_eq!(warning["actionable"], true);
    let part = [("payment_intent", intent.as_str()), ("amount", "400")];
    stripe.post("/v1/refunds", &part).await;
    let created = "radar.early_fraud_warning.created";
    assert_eq!(events(&stripe, "radar.").await, [created]);
    stripe
        .post("/v1/refunds", &[("payment_intent", &intent)])
        .await;
    let updated = "radar.early_fraud_warning.updated";
    assert_eq!(events(&stripe, "radar.").await, [created, updated]);
    let id = warning["id"].as_str().unwrap();
    let path = format!("/v1/radar/early_fraud_warnings/{id}");
    assert_eq!(stripe.get(&path).await.body["actionable"], false);
}

#[tokio::test]
async fn a_review_begins_while_money_is_held_and_is_approved() {
    let stripe = Simulator::start().await;
    let manual = [("capture_method", "manual")];
    let id = stripe
        .intent_with("pm_card_riskLevelElevated", &manual)
        .await;
    stripe.confirm(&id).await;
    let review = listed(&stripe, "/v1/reviews").await;
    assert_eq!(review["payment_intent"], id.as_str());
    assert_eq!(
        (&review["open"], &review["reason"]),
        (&json!(true), &json!("rule"))
    );
    let path = format!("/v1/reviews/{}", review["id"].as_str().unwrap());
    let approved = stripe.post(&format!("{path}/approve"), &[]).await;
    assert_eq!(approved.body["closed_reason"], "approved");
    assert_eq!(stripe.get(&path).await.body, approved.body);
    assert_eq!(stripe.get("/v1/reviews").await.body["data"], json!([]));
    assert_eq!(
        stripe.post(&format!("{path}/approve"), &[]).await.status,
        400
    );
    let expected = ["review.opened", "review.closed"];
    assert_eq!(events(&stripe, "review.").await, expected);
}

#[tokio::test]
async fn a_dispute_ends_a_warning_and_a_review() {
    let stripe = Simulator::start().await;
    let id = stripe.paid("pm_card_visa").await;
    let body = json!({"payment_intent": id});
    let warned = stripe.admin(Method::POST, "fraud_warnings", &body).await;
    assert_eq!(warned.body["actionable"], true, "{warned:?}");
    let review = stripe.admin(Method::POST, "reviews", &body).await;
    assert_eq!(review.body["opened_reason"], "manual", "{review:?}");
    assert_eq!(
        stripe.admin(Method::POST, "reviews", &body).await.status,
        400
    );
    stripe.admin(Method::POST, "disputes", &body).await;
    let path = format!("/v1/reviews/{}", review.id());
    assert_eq!(stripe.get(&path).await.body["reason"], "disputed");
    let path = format!("/v1/radar/early_fraud_warnings/{}", warned.id());
    assert_eq!(stripe.get(&path).await.body["actionable"], false);
}
