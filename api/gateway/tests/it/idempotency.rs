//! One key, one body, one effect.

use std::collections::HashSet;

use futures::future::join_all;
use infra::testing::unique;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::stage::{PAYMENTS, Stage, body, created, mug, path_of, problem};

#[tokio::test]
async fn a_key_must_be_given_and_usable() {
    let stage = Stage::start().await;
    let payment = stage.payment().await;
    let paths = ["", "/confirm", "/capture", "/cancel", "/refunds"];
    for path in paths.map(|below| {
        if below.is_empty() {
            PAYMENTS.to_owned()
        } else {
            path_of(&payment, below)
        }
    }) {
        let request = stage.request(Method::POST, &path).json(&mug());
        problem(
            request.send().await.unwrap(),
            400,
            "idempotency_key_missing",
            Some("Idempotency-Key"),
        )
        .await;
    }
    let long = "k".repeat(256);
    for key in ["", "   ", &long, "a\tb", "k\u{e9}y"] {
        let response = stage.post_raw(PAYMENTS, key, mug().to_string()).await;
        problem(
            response,
            400,
            "idempotency_key_invalid",
            Some("Idempotency-Key"),
        )
        .await;
    }
    let twice = stage
        .request(Method::POST, PAYMENTS)
        .header("idempotency-key", "a")
        .header("idempotency-key", "b");
    problem(
        twice.json(&mug()).send().await.unwrap(),
        400,
        "idempotency_key_invalid",
        Some("Idempotency-Key"),
    )
    .await;
    assert_eq!(
        stage
            .post_raw(PAYMENTS, &"k".repeat(255), mug().to_string())
            .await
            .status(),
        StatusCode::CREATED
    );
    assert_eq!(stage.count("payment").await, 2);
}

#[tokio::test]
async fn the_same_request_again_gets_the_first_answer_and_does_nothing() {
    let stage = Stage::start().await;
    let key = unique("key");
    let first = stage.post_raw(PAYMENTS, &key, mug().to_string()).await;
    assert!(!first.headers().contains_key("idempotent-replayed"));
    let location = first.headers()["location"].clone();
    assert_eq!(first.status(), StatusCode::CREATED);
    let first = first.bytes().await.unwrap();
    for _ in 0..3 {
        let again = stage.post_raw(PAYMENTS, &key, mug().to_string()).await;
        assert_eq!(again.status(), StatusCode::CREATED);
        assert_eq!(again.headers()["idempotent-replayed"], "true");
        assert_eq!(again.headers()["location"], location);
        assert_eq!(again.bytes().await.unwrap(), first);
    }
    assert_eq!(stage.count("payment").await, 1);
    assert_eq!(stage.count("job").await, 1);
}

#[tokio::test]
async fn another_body_under_the_same_key_is_refused() {
    let stage = Stage::start().await;
    let key = unique("key");
    created(stage.post_raw(PAYMENTS, &key, mug().to_string()).await).await;
    let other = json!({"amount": 1100, "currency": "eur"}).to_string();
    for body in [other, format!("{} ", mug())] {
        let response = stage.post_raw(PAYMENTS, &key, body).await;
        problem(
            response,
            422,
            "idempotency_key_reused",
            Some("Idempotency-Key"),
        )
        .await;
    }
    assert_eq!(stage.count("payment").await, 1);
}

#[tokio::test]
async fn a_key_belongs_to_one_account_and_one_path() {
    let stage = Stage::start().await;
    let key = unique("key");
    let first = created(stage.post_raw(PAYMENTS, &key, mug().to_string()).await).await;
    let request = stage
        .bare(Method::POST, PAYMENTS)
        .bearer_auth(stage.stranger())
        .header("idempotency-key", &key);
    let strangers = created(request.json(&mug()).send().await.unwrap()).await;
    assert_ne!(strangers["id"], first["id"]);
    let canceled = stage.post_raw(&path_of(&first, "/cancel"), &key, "").await;
    assert!(!canceled.headers().contains_key("idempotent-replayed"));
    assert_eq!(body(canceled, StatusCode::OK).await["id"], first["id"]);
}

#[tokio::test]
async fn a_refusal_is_not_kept_so_the_corrected_body_may_use_the_key() {
    let stage = Stage::start().await;
    let key = unique("key");
    let wrong = json!({"amount": 0, "currency": "eur"}).to_string();
    problem(
        stage.post_raw(PAYMENTS, &key, wrong).await,
        422,
        "invalid_amount",
        Some("amount"),
    )
    .await;
    created(stage.post_raw(PAYMENTS, &key, mug().to_string()).await).await;
}

#[tokio::test]
async fn a_hundred_equal_requests_at_once_make_one_payment() {
    let stage = Stage::start().await;
    let key = unique("key");
    let answers = join_all((0..100).map(|_| async {
        let response = stage.post_raw(PAYMENTS, &key, mug().to_string()).await;
        let replayed = response.headers().contains_key("idempotent-replayed");
        (
            response.status(),
            replayed,
            response.json::<Value>().await.unwrap(),
        )
    }))
    .await;
    let mut ids = HashSet::new();
    let mut first = 0;
    for (status, replayed, body) in answers {
        if status == StatusCode::CONFLICT {
            assert_eq!(body["code"], "idempotency_in_flight");
            assert_eq!(body["retryable"], true);
            continue;
        }
        assert_eq!(status, StatusCode::CREATED, "{body}");
        first += i32::from(!replayed);
        ids.insert(body["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids.len(), 1);
    assert_eq!(first, 1, "one request is the first");
    assert_eq!(stage.count("payment").await, 1);
    assert_eq!(stage.count("transition").await, 1);
    assert_eq!(stage.count("job").await, 1);
}

#[tokio::test]
async fn a_command_is_replayed_like_a_creation() {
    let stage = Stage::start().await;
    let payment = stage.payment().await;
    let (path, key) = (path_of(&payment, "/cancel"), unique("key"));
    let first = stage.post_raw(&path, &key, "{}").await;
    let again = stage.post_raw(&path, &key, "{}").await;
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    assert_eq!(first.status(), StatusCode::OK);
    assert_eq!(first.bytes().await.unwrap(), again.bytes().await.unwrap());
    let other = stage
        .post_raw(&path, &key, r#"{"reason":"duplicate"}"#)
        .await;
    problem(
        other,
        422,
        "idempotency_key_reused",
        Some("Idempotency-Key"),
    )
    .await;
}
