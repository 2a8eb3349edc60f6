//! Who may POST: the holders of a key of `AUTH_API_KEYS`, or of one in the database.

use std::time::{Duration, Instant};

use auth_service::demo;
use infra::env::ExposeSecret;
use reqwest::StatusCode;
use serde_json::json;

use crate::{API_KEY, Stage, problem};

async fn login_with(stage: &Stage, keys: &[&str], path: &str) -> reqwest::Response {
    let mut request = stage.http.post(stage.url(path));
    for key in keys {
        request = request.header("x-api-key", *key);
    }
    let body = json!({"email": "nobody@example.org", "password": "correct horse"});
    request.json(&body).send().await.unwrap()
}

#[tokio::test]
async fn a_post_without_one_valid_key_is_refused_before_its_body_is_read() {
    let stage = Stage::start().await;
    let path = "/api/v1/auth/login";
    let query = format!("{path}?x-api-key={API_KEY}&api_key={API_KEY}");
    let almost = &API_KEY[..API_KEY.len() - 1];
    let cases: [(&[&str], &str); 6] = [
        (&[], path),
        (&[""], path),
        (&["another-key-of-the-tests"], path),
        (&[almost], path),
        (&[API_KEY, API_KEY], path),
        (&[], &query),
    ];
    for (keys, path) in cases {
        let refusal = login_with(&stage, keys, path).await;
        assert!(refusal.headers().contains_key("www-authenticate"));
        let body = problem(refusal, StatusCode::UNAUTHORIZED, "unauthenticated").await;
        assert!(
            body["detail"].as_str().unwrap().contains("X-API-Key"),
            "{keys:?} {path}: {body}"
        );
    }
    let broken = stage
        .http
        .post(stage.url("/api/v1/auth/register"))
        .body("{")
        .send()
        .await
        .unwrap();
    problem(broken, StatusCode::UNAUTHORIZED, "unauthenticated").await;
}

#[tokio::test]
async fn a_key_of_the_database_opens_the_service_until_it_is_revoked() {
    let stage = Stage::start().await;
    let pool = stage.database.pool();
    let account = demo::account(pool, "Shop").await.unwrap();
    let shop = demo::api_key(pool, Some(account), "back end")
        .await
        .unwrap()
        .unwrap();
    let service = demo::api_key(pool, None, "front end")
        .await
        .unwrap()
        .unwrap();
    for key in [&shop, &service] {
        let answer = login_with(&stage, &[key.expose_secret()], "/api/v1/auth/login").await;
        let body = problem(answer, StatusCode::UNAUTHORIZED, "unauthenticated").await;
        assert!(
            body["detail"].as_str().unwrap().contains("password"),
            "the key was refused: {body}"
        );
    }
    let kept: (String, Vec<u8>) =
        sqlx::query_as("select prefix, sha256 from api_key where account_id = $1")
            .bind(account)
            .fetch_one(pool)
            .await
            .unwrap();
    assert!(
        shop.expose_secret().starts_with(&kept.0) && kept.0.len() == 12,
        "{}",
        kept.0
    );
    assert!(!String::from_utf8_lossy(&kept.1).contains(&kept.0));

    let id = sqlx::query_scalar("select id from api_key where account_id = $1")
        .bind(account)
        .fetch_one(pool)
        .await
        .unwrap();
    assert_eq!(
        authz::api_key::revoke(pool, id).await.unwrap(),
        Some(Some(account))
    );
    assert!(
        authz::api_key::revoke(pool, id).await.unwrap().is_none(),
        "a key is revoked once"
    );
    let revoked = Instant::now();
    loop {
        let answer = login_with(&stage, &[shop.expose_secret()], "/api/v1/auth/login").await;
        let body = problem(answer, StatusCode::UNAUTHORIZED, "unauthenticated").await;
        if body["detail"].as_str().unwrap().contains("X-API-Key") {
            break;
        }
        assert!(
            revoked.elapsed() < Duration::from_secs(6),
            "a revoked key is still accepted"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
