//! The last comparison with Stripe, as the operators of an account see it.

use authz::Role;
use infra::id::AccountId;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{Stage, problem};

const DRIFT: &str = "/api/v1/ops/drift";

#[tokio::test]
async fn the_last_comparison_shows_an_account_its_own_sums_and_differences() {
    let stage = Stage::start().await;
    let refused = stage.ask(Method::GET, DRIFT, Role::User).await;
    problem(refused, StatusCode::FORBIDDEN, "forbidden").await;
    problem(stage.get(DRIFT).await, StatusCode::NOT_FOUND, "not_found").await;

    let drift = |account: Uuid| {
        json!({
            "account_id": AccountId::from_uuid(account), "payment_id": "pay_01h2xcejqtf2nbrexx3vqjhp41",
            "intent_id": "pi_1", "what": "captured", "stripe": "5", "pawl": "6", "action": "resync",
        })
    };
    let report = json!({
        "object": "audit", "summary": "2 drifts, checked at 2026-01-02T00:00:00Z",
        "from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "checked_at": "2026-01-02T00:00:00Z",
        "sums": [], "drifts": [drift(stage.account), drift(Uuid::now_v7())],
    });
    sqlx::query("insert into audit_report values ($1, now(), 2, $2, 'signed', 'key')")
        .bind(Uuid::now_v7())
        .bind(report.to_string())
        .execute(stage.database.pool())
        .await
        .unwrap();
    let seen: Value = stage.get(DRIFT).await.json().await.unwrap();
    assert_eq!(
        seen["audit"]["summary"],
        "1 drift, checked at 2026-01-02T00:00:00Z"
    );
    assert_eq!(seen["audit"]["drifts"], json!([drift(stage.account)]));
    assert_eq!(seen["signature"], "signed");
}
