//! `POST /api/v1/auth/register`.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{Stage, problem};

#[tokio::test]
async fn a_registration_makes_a_user_in_an_account_of_its_own() {
    let stage = Stage::start().await;
    let response = stage.register("Ada@Example.org", "correct horse").await;
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let body: Value = response.json().await.unwrap();
    assert!(body["id"].as_str().unwrap().starts_with("usr_"), "{body}");
    assert!(
        body["account_id"].as_str().unwrap().starts_with("acct_"),
        "{body}"
    );
    assert_eq!(body["email"], "ada@example.org");
    assert_eq!(body.as_object().unwrap().len(), 3, "{body}");

    stage.register("bob@example.org", "another horse").await;
    let (accounts, role): (i64, String) =
        sqlx::query_as("select count(distinct account_id), min(role) from membership")
            .fetch_one(stage.database.pool())
            .await
            .unwrap();
    assert_eq!((accounts, role.as_str()), (2, "user"));
}

#[tokio::test]
async fn an_address_that_is_taken_answers_409_and_changes_nothing() {
    let stage = Stage::start().await;
    stage
        .register("ada@example.org", "the first password")
        .await;
    let again = stage
        .register("ADA@example.org", "the second password")
        .await;
    let body = problem(again, StatusCode::CONFLICT, "email_taken").await;
    assert_eq!(body["param"], "email");
    for table in ["account", "app_user", "membership"] {
        assert_eq!(stage.count(table).await, 1, "{table}");
    }
    let login = stage.login("ada@example.org", "the first password").await;
    let status = login.status();
    assert_eq!(status, StatusCode::OK, "{}", login.text().await.unwrap());
    assert_eq!(
        stage
            .login("ada@example.org", "the second password")
            .await
            .status(),
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn of_many_equal_registrations_at_once_one_is_done() {
    let stage = Stage::start().await;
    let calls = (0..6).map(|_| stage.register("ada@example.org", "correct horse"));
    let mut statuses: Vec<_> = futures::future::join_all(calls)
        .await
        .iter()
        .map(reqwest::Response::status)
        .collect();
    statuses.sort();
    assert_eq!(statuses[0], StatusCode::CREATED);
    assert!(
        statuses[1..]
            .iter()
            .all(|status| *status == StatusCode::CONFLICT),
        "{statuses:?}"
    );
    assert_eq!(stage.count("account").await, 1);
}

#[tokio::test]
async fn a_registration_with_a_fault_names_the_field() {
    let stage = Stage::start().await;
    // What is changed in a good body (null: left out), and what is said of it.
    let long = "x".repeat(257);
    let cases = [
        ("email", json!(null), "missing_field"),
        ("email", json!("ada"), "invalid_field"),
        ("email", json!("a da@example.org"), "invalid_field"),
        ("email", json!("ada@ex@mple.org"), "invalid_field"),
        ("email", json!("ada@example..org"), "invalid_field"),
        ("email", json!("ädä@example.org"), "invalid_field"),
        ("password", json!(null), "missing_field"),
        ("password", json!("horse77"), "invalid_field"),
        ("password", json!(long), "invalid_field"),
        ("password", json!(12_345_678), "invalid_type"),
        ("name", json!(" "), "invalid_field"),
        ("name", json!("a\u{0}b"), "invalid_field"),
        ("role", json!("admin"), "unknown_field"),
    ];
    for (field, value, code) in cases {
        let mut body = json!({"email": "ada@example.org", "password": "correct horse"});
        body[field] = value.clone();
        body.as_object_mut()
            .unwrap()
            .retain(|_, value| !value.is_null());
        let answer = stage.post("register", &body).await;
        let refusal = problem(answer, StatusCode::UNPROCESSABLE_ENTITY, code).await;
        assert_eq!(refusal["param"], field, "{value} → {refusal}");
        let said = refusal.to_string();
        assert!(
            !said.contains("horse") && !said.contains("12345678"),
            "a password is repeated: {said}"
        );
    }
    assert_eq!(stage.count("app_user").await, 0);
}
