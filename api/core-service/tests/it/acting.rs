//! What operators may do, to whose jobs, and that it is written down.

use authz::Role;
use contracts::id::JobId;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{JOBS, Stage, problem};

#[tokio::test]
async fn the_jobs_of_another_account_are_unknown() {
    let stage = Stage::start().await;
    let foreign = stage.job_of(Uuid::now_v7(), "dead").await;
    let list: Value = stage.get(JOBS).await.json().await.unwrap();
    assert_eq!(list["data"], json!([]));
    let mut answers = Vec::new();
    for id in [foreign, Uuid::now_v7()] {
        let path = format!("{JOBS}/{}/retry", JobId::from_uuid(id));
        let response = stage.ask(Method::POST, &path, Role::Admin).await;
        let mut body = problem(response, StatusCode::NOT_FOUND, "not_found").await;
        body["request_id"] = Value::Null;
        answers.push(body);
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(stage.state(foreign).await, "dead");
}

#[tokio::test]
async fn who_is_no_operator_any_more_does_nothing_from_that_moment_on() {
    let stage = Stage::start().await;
    let job = stage.job("dead").await;
    let path = format!("{JOBS}/{}/retry", JobId::from_uuid(job));
    let operator = stage.members[Role::Operator as usize];
    sqlx::query("update membership set role = 'viewer' where user_id = $1")
        .bind(operator)
        .execute(stage.database.pool())
        .await
        .unwrap();
    let response = stage.ask(Method::POST, &path, Role::Operator).await;
    problem(response, StatusCode::FORBIDDEN, "forbidden").await;
    sqlx::query("delete from membership where user_id = $1")
        .bind(operator)
        .execute(stage.database.pool())
        .await
        .unwrap();
    let response = stage.ask(Method::POST, &path, Role::Operator).await;
    problem(response, StatusCode::UNAUTHORIZED, "unauthenticated").await;
    assert_eq!(stage.state(job).await, "dead");
    let refused = (
        "operation".to_owned(),
        "refused".to_owned(),
        Some("role".to_owned()),
        Some(operator),
        path,
    );
    assert_eq!(stage.acts().await, [refused]);
}

#[tokio::test]
async fn an_act_is_written_down_with_its_reason() {
    let stage = Stage::start().await;
    let job = stage.job("dead").await;
    let id = JobId::from_uuid(job).to_string();
    let path = format!("{JOBS}/{id}/retry");
    let operator = Some(stage.members[Role::Operator as usize]);
    let post = || stage.request(Method::POST, &path, Role::Operator);
    for (body, status, code) in [
        ("{", StatusCode::BAD_REQUEST, "malformed_json"),
        (
            "{\"why\":\"x\"}",
            StatusCode::UNPROCESSABLE_ENTITY,
            "unknown_field",
        ),
        (
            "{\"reason\":\"\"}",
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_field",
        ),
        (
            "{\"reason\":\"a\\u0000b\"}",
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_field",
        ),
    ] {
        let request = post().header("content-type", "application/json").body(body);
        problem(request.send().await.unwrap(), status, code).await;
    }
    let text = post().body("because");
    let response = text.send().await.unwrap();
    problem(
        response,
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
    )
    .await;
    assert_eq!(stage.acts().await, []);

    let reason = json!({"reason": "Stripe was away"});
    let response = post().json(&reason).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    let response = post().send().await.unwrap();
    problem(response, StatusCode::CONFLICT, "unexpected_state").await;
    let act = |outcome: &str, reason: Option<&str>| {
        (
            "job_retried".to_owned(),
            outcome.to_owned(),
            reason.map(str::to_owned),
            operator,
            id.clone(),
        )
    };
    assert_eq!(
        stage.acts().await,
        [
            act("requested", Some("Stripe was away")),
            act("done", Some("Stripe was away")),
            act("requested", None),
            act(
                "refused",
                Some("not retried: It waits and runs by itself when it is due.")
            ),
        ]
    );
}
