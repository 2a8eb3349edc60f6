//! API keys as callers.

use std::time::{Duration, Instant};

use authz::api_key;
use infra::env::ExposeSecret;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{Issuer, Stage, refusal};

async fn account(stage: &Stage) -> Uuid {
    let id = Uuid::now_v7();
    sqlx::query("insert into account (id, name) values ($1, 'Shop')")
        .bind(id)
        .execute(stage.database.pool())
        .await
        .unwrap();
    id
}

#[tokio::test]
async fn an_accounts_key_acts_for_it_as_a_user_until_it_is_revoked() {
    let stage = Stage::trusting(&[]).await;
    let pool = stage.database.pool();
    let account = account(&stage).await;
    let key = api_key::generate().unwrap();
    api_key::insert(pool, Some(account), "back end", &key)
        .await
        .unwrap();
    let response = stage.ask_with("x-api-key", key.expose_secret()).await;
    assert_eq!(response.status(), StatusCode::OK);
    let body: Value = response.json().await.unwrap();
    let id: Uuid = sqlx::query_scalar("select id from api_key")
        .fetch_one(pool)
        .await
        .unwrap();
    assert_eq!(
        body,
        json!({"account": account, "user": null, "role": "user", "key": id})
    );

    api_key::revoke(pool, id).await.unwrap();
    let revoked = Instant::now();
    while stage
        .ask_with("x-api-key", key.expose_secret())
        .await
        .status()
        != StatusCode::UNAUTHORIZED
    {
        assert!(
            revoked.elapsed() < Duration::from_secs(6),
            "a revoked key is still accepted"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_key_without_an_account_or_an_unknown_one_is_nobodys() {
    let stage = Stage::trusting(&[]).await;
    let pool = stage.database.pool();
    let expected = refusal(stage.ask(HeaderMap::new()).await).await;
    let service = api_key::generate().unwrap();
    api_key::insert(pool, None, "front end", &service)
        .await
        .unwrap();
    let long = "x".repeat(10_000);
    for key in [
        service.expose_secret(),
        "unknown",
        "",
        " ",
        "' or true --",
        &long,
    ] {
        assert_eq!(
            refusal(stage.ask_with("x-api-key", key).await).await,
            expected,
            "{key:?}"
        );
    }
}

#[tokio::test]
async fn a_bad_token_is_not_made_good_by_a_key_and_a_key_counts_once() {
    let issuer = Issuer::new("one");
    let stage = Stage::trusting(&[&issuer]).await;
    let account = account(&stage).await;
    let key = api_key::generate().unwrap();
    api_key::insert(stage.database.pool(), Some(account), "back end", &key)
        .await
        .unwrap();
    let value = HeaderValue::from_str(key.expose_secret()).unwrap();
    let mut both = HeaderMap::new();
    both.insert("authorization", HeaderValue::from_static("Bearer forged"));
    both.insert("x-api-key", value.clone());
    refusal(stage.ask(both).await).await;
    let mut twice = HeaderMap::new();
    twice.append("x-api-key", value.clone());
    twice.append("x-api-key", value);
    refusal(stage.ask(twice).await).await;
    let in_query = format!("{}?x-api-key={}", stage.url, key.expose_secret());
    refusal(stage.http.get(in_query).send().await.unwrap()).await;
}
