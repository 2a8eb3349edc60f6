//! What an operator does to one payment: a resync, and a move by hand.

use authz::Role;
use authz::id::UserId;
use contracts::id::PaymentId;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{Stage, problem};

/// A payment whose call to create its intent is dead, and the job of that call.
pub(crate) async fn stuck(stage: &Stage, account: Uuid) -> (PaymentId, Uuid) {
    let job = stage.job_of(account, "dead").await;
    sqlx::query("update payment set open_call = 'create_intent' where account_id = $1")
        .bind(account)
        .execute(stage.database.pool())
        .await
        .unwrap();
    sqlx::query(
        "insert into history (stream, first_version, transitions, cause, data, created_at)
         select payment_id, 1, array[row('payment', payment_id, 'none', 'accepted', 'local_created', '{}')::status_change],
                'req_1', '{}', now() from job where id = $1",
    )
    .bind(job)
    .execute(stage.database.pool())
    .await
    .unwrap();
    let payment = sqlx::query_scalar("select payment_id from job where id = $1")
        .bind(job)
        .fetch_one(stage.database.pool())
        .await
        .unwrap();
    (PaymentId::from_uuid(payment), job)
}

fn path(payment: PaymentId, what: &str) -> String {
    format!("/api/v1/ops/payments/{payment}/{what}")
}

#[tokio::test]
async fn a_payment_is_moved_by_hand_once_with_its_operator_and_the_reason() {
    let stage = Stage::start().await;
    let (payment, job) = stuck(&stage, stage.account).await;
    let body =
        json!({"status": "local_rejected", "reason": "Stripe's support says so", "version": 1});
    let post = |role| {
        let request = stage.request(Method::POST, &path(payment, "force"), role);
        request.json(&body).send()
    };
    let viewer = post(Role::Viewer).await.unwrap();
    problem(viewer, StatusCode::FORBIDDEN, "forbidden").await;

    let response = post(Role::Operator).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let explanation: Value = response.json().await.unwrap();
    assert_eq!(explanation["status"], "local_rejected");
    assert_eq!(explanation["at_rest"], true);
    assert_eq!(explanation["reached"]["kind"], "forced");
    assert_eq!(explanation["calls"], json!([]));
    assert_eq!(stage.state(job).await, "done");

    let twice = post(Role::Operator).await.unwrap();
    problem(twice, StatusCode::CONFLICT, "version_conflict").await;

    let operator = stage.members[Role::Operator as usize];
    let data: Value = sqlx::query_scalar(
        "select data from transition where stream = $1 and kind = 'forced' and cause like 'op\\_%'",
    )
    .bind(payment.uuid())
    .fetch_one(stage.database.pool())
    .await
    .unwrap();
    assert_eq!(data["actor"], UserId::from_uuid(operator).to_string());
    assert_eq!(data["reason"], "Stripe's support says so");
    let acts = stage.acts().await;
    let forced: Vec<_> = acts.iter().filter(|it| it.0 == "payment_forced").collect();
    let outcomes: Vec<&str> = forced.iter().map(|it| it.1.as_str()).collect();
    assert_eq!(outcomes, ["requested", "done", "requested", "refused"]);
    let reason = Some("to local_rejected: Stripe's support says so".to_owned());
    assert_eq!((&forced[0].2, forced[0].3), (&reason, Some(operator)));
}

#[tokio::test]
async fn a_resync_is_requested_once_however_often_it_is_asked_for() {
    let stage = Stage::start().await;
    let (payment, _) = stuck(&stage, stage.account).await;
    for _ in 0..2 {
        let response = stage
            .ask(Method::POST, &path(payment, "resync"), Role::Operator)
            .await;
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        let explanation: Value = response.json().await.unwrap();
        assert_eq!(explanation["calls"][1]["kind"], "resync", "{explanation}");
        assert_eq!(explanation["waits_for"], "operator");
    }
    let resyncs: i64 = sqlx::query_scalar("select count(*) from job where kind = 'resync'")
        .fetch_one(stage.database.pool())
        .await
        .unwrap();
    assert_eq!(resyncs, 1);
    let acts = stage.acts().await;
    let acts = acts.iter().filter(|it| it.0 == "payment_resynced");
    assert_eq!(acts.count(), 4);
}

#[tokio::test]
async fn a_payment_of_another_account_is_not_touched() {
    let stage = Stage::start().await;
    let (payment, _) = stuck(&stage, Uuid::now_v7()).await;
    let force = json!({"status": "canceled", "reason": "why", "version": 1});
    for (what, body) in [("resync", json!({})), ("force", force)] {
        let request = stage.request(Method::POST, &path(payment, what), Role::Admin);
        let response = request.json(&body).send().await.unwrap();
        problem(response, StatusCode::NOT_FOUND, "not_found").await;
    }
    let untouched: String = sqlx::query_scalar("select status from payment where id = $1")
        .bind(payment.uuid())
        .fetch_one(stage.database.pool())
        .await
        .unwrap();
    assert_eq!(untouched, "local_created");
}

#[tokio::test]
async fn a_move_by_hand_needs_a_status_a_reason_and_a_version() {
    let stage = Stage::start().await;
    let (payment, _) = stuck(&stage, stage.account).await;
    for (body, code) in [
        (json!({"reason": "why", "version": 1}), "missing_field"),
        (json!({"status": "canceled", "version": 1}), "missing_field"),
        (
            json!({"status": "canceled", "reason": "why"}),
            "missing_field",
        ),
        (
            json!({"status": "canceled", "reason": "", "version": 1}),
            "invalid_field",
        ),
    ] {
        let request = stage.request(Method::POST, &path(payment, "force"), Role::Admin);
        let response = request.json(&body).send().await.unwrap();
        problem(response, StatusCode::UNPROCESSABLE_ENTITY, code).await;
    }
    assert_eq!(stage.acts().await, []);
}
