//! The record of who did what.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{API_KEY, Stage, text};

#[tokio::test]
async fn an_admin_reads_who_did_what_and_from_where_and_finds_no_secret() {
    let stage = Stage::start().await;
    let ada = stage.admin("ada@example.org").await;
    let body = json!({"email": "ada@example.org", "password": "a-wrong-horse"});
    let failed = stage
        .http
        .post(stage.url("/api/v1/auth/login"))
        .header("x-api-key", API_KEY)
        .header("x-real-ip", "203.0.113.9")
        .header("x-request-id", "the-failed-one")
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(failed.status(), StatusCode::UNAUTHORIZED);
    stage
        .login("a-wrong-horse@example.org", "a-wrong-horse")
        .await;
    let new = Some(json!({"name": "back end"}));
    let made = stage.ask(&ada.token, Method::POST, "api_keys", new).await;
    let made: Value = made.json().await.unwrap();
    let next = stage.tokens(stage.refresh(&ada.refresh_token).await).await;
    stage.refresh(&ada.refresh_token).await;

    let list = stage.ask(&ada.token, Method::GET, "audit", None).await;
    let list: Value = list.json().await.unwrap();
    let seen: Vec<_> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| (text(record, "action"), text(record, "outcome")))
        .collect();
    let expected = [
        ("refresh_reused", "refused"),
        ("api_key_created", "done"),
        ("login_failed", "refused"),
        ("login", "done"),
    ];
    assert_eq!(seen, expected.map(|(a, o)| (a.to_owned(), o.to_owned())));
    let record = &list["data"][2];
    assert_eq!(record["ip"], "203.0.113.9");
    assert_eq!(record["request_id"], "the-failed-one");
    assert_eq!(record["user_id"], Value::Null);
    assert_eq!(record["reason"], "wrong_credentials");
    assert_eq!(list["data"][1]["target"], made["id"]);

    let everything: Vec<String> = sqlx::query_scalar("select audit::text from audit")
        .fetch_all(stage.database.pool())
        .await
        .unwrap();
    let everything = everything.join("\n");
    for secret in [
        "horse",
        &text(&made, "key"),
        &ada.token,
        &ada.refresh_token,
        &text(&next, "refresh_token"),
    ] {
        assert!(!everything.contains(secret), "a secret is in: {everything}");
    }
}

#[tokio::test]
async fn what_was_written_down_stays() {
    let stage = Stage::start().await;
    stage.admin("ada@example.org").await;
    for statement in [
        "update audit set action = 'nothing'",
        "delete from audit",
        "truncate audit",
    ] {
        let refused = sqlx::query(statement).execute(stage.database.pool()).await;
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("audit only grows"), "{statement}: {error}");
    }
}
