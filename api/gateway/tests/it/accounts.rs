//! What belongs to another account does not exist.

use infra::testing::unique;
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;

use crate::stage::{PAYMENTS, Stage, mug, path_of};

const UNKNOWN: &str = "pay_01h2xcejqtf2nbrexx3vqjhp41";

/// A refusal without what is different in each answer.
async fn shape(response: Response) -> (StatusCode, Vec<String>, Value) {
    let status = response.status();
    let mut headers: Vec<String> = response
        .headers()
        .iter()
        .filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()))
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    headers.sort();
    let mut body: Value = response.json().await.unwrap();
    body.as_object_mut().unwrap().remove("request_id");
    (status, headers, body)
}

#[tokio::test]
async fn a_payment_of_another_account_is_answered_like_an_unknown_one() {
    let stage = Stage::start().await;
    let payment = stage.payment().await;
    // The owner's read fills the cache, which must show another account nothing.
    assert_eq!(
        stage.get(&path_of(&payment, "")).await.status(),
        StatusCode::OK
    );
    let stranger = stage.stranger();
    let theirs = payment["id"].as_str().unwrap();
    for (method, below) in [
        (Method::GET, ""),
        (Method::GET, "/events"),
        (Method::GET, "/refunds"),
        (Method::GET, "/captures"),
        (Method::POST, "/confirm"),
        (Method::POST, "/capture"),
        (Method::POST, "/cancel"),
        (Method::POST, "/refunds"),
    ] {
        let ask = async |id: &str| {
            let request = stage.bare(method.clone(), &format!("{PAYMENTS}/{id}{below}"));
            let request = request
                .bearer_auth(&stranger)
                .header("idempotency-key", unique("key"));
            shape(request.send().await.unwrap()).await
        };
        let foreign = ask(theirs).await;
        assert_eq!(foreign.0, StatusCode::NOT_FOUND, "{method} {below}");
        assert_eq!(foreign, ask(UNKNOWN).await, "{method} {below}");
        assert_eq!(foreign, ask("pay_nonsense").await, "{method} {below}");
        assert_eq!(foreign, ask("%ff").await, "{method} {below}");
    }
    assert_eq!(stage.count("transition").await, 1);
}

#[tokio::test]
async fn lists_hold_nothing_of_another_account_and_take_no_cursor_from_it() {
    let stage = Stage::start().await;
    let payment = stage.payment().await;
    let stranger = stage.stranger();
    let list: Value = stage
        .get_as(&stranger, PAYMENTS)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(list["data"], serde_json::json!([]));
    for cursor in ["starting_after", "ending_before"] {
        let foreign = stage
            .get_as(
                &stranger,
                &format!("{PAYMENTS}?{cursor}={}", payment["id"].as_str().unwrap()),
            )
            .await;
        let unknown = stage
            .get_as(&stranger, &format!("{PAYMENTS}?{cursor}={UNKNOWN}"))
            .await;
        let foreign = shape(foreign).await;
        assert_eq!(foreign.0, StatusCode::NOT_FOUND);
        assert_eq!(foreign, shape(unknown).await);
    }
}

#[tokio::test]
async fn an_api_key_acts_for_its_account() {
    let stage = Stage::start().await;
    let pool = stage.database.pool();
    let account = auth_service::demo::account(pool, "Mugs").await.unwrap();
    let key = auth_service::demo::api_key(pool, Some(account), "back end")
        .await
        .unwrap()
        .unwrap();
    let key = infra::env::ExposeSecret::expose_secret(&key);
    let request = stage
        .bare(Method::POST, PAYMENTS)
        .header("x-api-key", key)
        .header("idempotency-key", unique("key"));
    let payment = crate::stage::created(request.json(&mug()).send().await.unwrap()).await;
    let account = infra::id::AccountId::from_uuid(account).to_string();
    assert_eq!(payment["account_id"], account);
    let read = stage
        .bare(Method::GET, &path_of(&payment, ""))
        .header("x-api-key", key)
        .send()
        .await
        .unwrap();
    assert_eq!(read.status(), StatusCode::OK);
}
