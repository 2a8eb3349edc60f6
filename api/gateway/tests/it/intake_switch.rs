//! A person stops the taking of new payments, and lets it go on.

use engine::intake_switch;
use infra::testing::unique;
use reqwest::StatusCode;
use serde_json::json;

use crate::stage::{PAYMENTS, Stage, body, mug, path_of, problem};

async fn switch(stage: &Stage, paused: bool) -> bool {
    let changed = intake_switch::set(stage.database.pool(), paused, Some("a test"), "somebody")
        .await
        .unwrap();
    tokio::time::sleep(intake_switch::OBEYED_WITHIN).await;
    changed
}

#[tokio::test]
async fn while_intake_is_paused_only_new_payments_are_refused() {
    let stage = Stage::start().await;
    let key = unique("key");
    let sent = mug().to_string();
    let payment = body(
        stage.post_raw(PAYMENTS, &key, sent.as_str()).await,
        StatusCode::CREATED,
    )
    .await;
    assert!(switch(&stage, true).await);
    assert!(!switch(&stage, true).await, "it was paused already");

    let refused = stage.post(PAYMENTS, &mug()).await;
    assert!(refused.headers().contains_key("retry-after"));
    let refused = problem(refused, 503, "intake_paused", None).await;
    assert_eq!(refused["retryable"], true);
    assert_eq!(stage.count("payment").await, 1);
    assert_eq!(stage.count("idempotency").await, 1);

    // What was accepted stays accepted, and moves.
    let again = stage.post_raw(PAYMENTS, &key, sent.as_str()).await;
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    assert_eq!(body(again, StatusCode::CREATED).await, payment);
    let other = stage
        .post_raw(PAYMENTS, &key, "{\"amount\":100,\"currency\":\"eur\"}")
        .await;
    problem(
        other,
        422,
        "idempotency_key_reused",
        Some("Idempotency-Key"),
    )
    .await;
    let canceled = stage.post(&path_of(&payment, "/cancel"), &json!({})).await;
    assert_eq!(canceled.status(), StatusCode::OK);

    assert!(switch(&stage, false).await);
    assert_eq!(
        stage.post(PAYMENTS, &mug()).await.status(),
        StatusCode::CREATED
    );
}
