//! Every fault has the effect that its name says, and is counted.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::Simulator;

const INTENTS: &str = "/v1/payment_intents";
const FORM: &[(&str, &str)] = &[("amount", "1000"), ("currency", "usd")];

async fn created(stripe: &Simulator) -> u64 {
    stripe.ledger("").await["totals"]["usd"]["intents"]
        .as_u64()
        .unwrap_or(0)
}

#[tokio::test]
async fn an_error_before_execution_is_neither_executed_nor_saved() {
    let stripe = Simulator::start().await;
    let failed = stripe
        .post_with_fault("error_before=503;retry", "key", INTENTS, FORM)
        .await
        .unwrap();
    assert_eq!(
        (failed.status, failed.header("stripe-should-retry")),
        (503, Some("true"))
    );
    assert_eq!(failed.error()["type"], "api_error");
    assert_eq!(created(&stripe).await, 0);
    let again = stripe.post_as("key", INTENTS, FORM).await;
    assert_eq!(
        (again.status, again.header("idempotent-replayed")),
        (200, None)
    );
    assert_eq!(stripe.fired("error_before").await, 1);
}

#[tokio::test]
async fn an_error_after_execution_is_executed_and_saved() {
    let stripe = Simulator::start().await;
    let failed = stripe
        .post_with_fault("error_after;final", "key", INTENTS, FORM)
        .await
        .unwrap();
    assert_eq!(
        (failed.status, failed.header("stripe-should-retry")),
        (500, Some("false"))
    );
    assert_eq!(created(&stripe).await, 1);
    let again = stripe.post_as("key", INTENTS, FORM).await;
    assert_eq!(
        (again.status, again.header("idempotent-replayed")),
        (500, Some("true"))
    );
    assert_eq!(again.header("stripe-should-retry"), Some("false"));
    assert_eq!(created(&stripe).await, 1);
}

#[tokio::test]
async fn an_error_during_execution_is_saved_although_nothing_happened() {
    let stripe = Simulator::start().await;
    let failed = stripe
        .post_with_fault("error_during", "key", INTENTS, FORM)
        .await
        .unwrap();
    assert_eq!(
        (failed.status, failed.header("stripe-should-retry")),
        (500, None)
    );
    let again = stripe.post_as("key", INTENTS, FORM).await;
    assert_eq!(
        (again.status, again.header("idempotent-replayed")),
        (500, Some("true"))
    );
    assert_eq!(created(&stripe).await, 0);
}

#[tokio::test]
async fn a_dropped_answer_leaves_the_client_without_one() {
    let stripe = Simulator::start().await;
    let before = stripe
        .post_with_fault("drop_before", "one", INTENTS, FORM)
        .await;
    assert!(before.is_err());
    assert_eq!(created(&stripe).await, 0);
    let after = stripe
        .post_with_fault("drop_after", "two", INTENTS, FORM)
        .await;
    assert!(after.is_err());
    assert_eq!(created(&stripe).await, 1);
    let again = stripe.post_as("two", INTENTS, FORM).await;
    assert_eq!(
        (again.status, again.header("idempotent-replayed")),
        (200, Some("true"))
    );
    assert_eq!(
        (
            stripe.fired("drop_before").await,
            stripe.fired("drop_after").await
        ),
        (1, 1)
    );
}

#[tokio::test]
async fn limits_and_conflicts_precede_the_key() {
    let stripe = Simulator::start().await;
    for (fault, status, code) in [
        ("rate_limited", 429, "rate_limit"),
        ("conflict", 409, "lock_timeout"),
    ] {
        let answer = stripe
            .post_with_fault(fault, fault, INTENTS, FORM)
            .await
            .unwrap();
        assert_eq!(
            (answer.status, answer.error()["code"].as_str()),
            (status, Some(code))
        );
        assert_eq!(answer.header("stripe-should-retry"), Some("true"));
        let again = stripe.post_as(fault, INTENTS, FORM).await;
        assert_eq!(
            (again.status, again.header("idempotent-replayed")),
            (200, None)
        );
    }
}

#[tokio::test]
async fn unreadable_answers_hide_an_execution() {
    let stripe = Simulator::start().await;
    let html = stripe
        .post_with_fault("html_after", "one", INTENTS, FORM)
        .await
        .unwrap();
    assert_eq!(
        (html.status, html.header("content-type")),
        (502, Some("text/html"))
    );
    let cut = stripe
        .post_with_fault("truncated_after", "two", INTENTS, FORM)
        .await
        .unwrap();
    assert_eq!(cut.status, 200);
    assert!(cut.body.is_string(), "no JSON: {cut:?}");
    assert_eq!(created(&stripe).await, 2);
    let whole = stripe.post_as("two", INTENTS, FORM).await;
    assert_eq!(whole.body["object"], "payment_intent");
}

#[tokio::test]
async fn a_delay_after_execution_keeps_the_answer_back() {
    let stripe = Simulator::start().await;
    let started = std::time::Instant::now();
    let answer = stripe
        .post_with_fault("delay_after=120, html_after", "key", INTENTS, FORM)
        .await
        .unwrap();
    assert!(started.elapsed().as_millis() >= 120);
    assert_eq!(
        answer.status, 502,
        "a delay and one other fault strike together"
    );
}

#[tokio::test]
async fn a_rule_applies_to_its_route_as_often_as_requested() {
    let stripe = Simulator::start().await;
    stripe
        .put_faults(json!([
            {"fault": "rate_limited", "route": "refunds.*"},
            {"fault": "error_before", "route": "payment_intents.create", "every": 3, "count": 2},
        ]))
        .await;
    let mut statuses = Vec::new();
    for _ in 0..10 {
        statuses.push(stripe.post(INTENTS, FORM).await.status);
    }
    assert_eq!(statuses, [200, 200, 500, 200, 200, 500, 200, 200, 200, 200]);
    let refund = stripe
        .post("/v1/refunds", &[("payment_intent", "pi_none")])
        .await;
    assert_eq!(refund.status, 429);
    stripe.admin(Method::DELETE, "faults", &Value::Null).await;
    let refund = stripe
        .post("/v1/refunds", &[("payment_intent", "pi_none")])
        .await;
    assert_eq!(refund.status, 404);
    assert_eq!(
        (
            stripe.fired("error_before").await,
            stripe.fired("rate_limited").await
        ),
        (2, 1)
    );
}

#[tokio::test]
async fn a_burst_applies_in_a_row() {
    let stripe = Simulator::start().await;
    stripe
        .put_faults(json!([{"fault": "rate_limited", "every": 2, "burst": 3, "count": 3}]))
        .await;
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(stripe.post(INTENTS, FORM).await.status);
    }
    assert_eq!(statuses, [200, 429, 429, 429, 200, 200]);
}

#[tokio::test]
async fn the_same_seed_selects_the_same_requests() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let stripe = Simulator::start().await;
        stripe
            .put_faults(json!([{"fault": "error_before", "probability": 0.5}]))
            .await;
        let mut statuses = Vec::new();
        for _ in 0..40 {
            statuses.push(stripe.post(INTENTS, FORM).await.status);
        }
        assert!(statuses.contains(&200) && statuses.contains(&500));
        runs.push(statuses);
    }
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test]
async fn an_unknown_rule_is_refused() {
    let stripe = Simulator::start().await;
    for rules in [
        json!([{"fault": "earthquake"}]),
        json!([{"fault": "drop_after", "odds": 1}]),
    ] {
        let answer = stripe
            .admin(Method::PUT, "faults", &json!({"rules": rules}))
            .await;
        assert_eq!(answer.status, 400, "{answer:?}");
    }
    let answer = stripe
        .post_with_fault("earthquake", "key", INTENTS, FORM)
        .await
        .unwrap();
    assert_eq!(answer.status, 400);
}
