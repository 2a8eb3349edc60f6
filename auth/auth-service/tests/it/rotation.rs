//! One signing key after the other.

use std::time::{Duration, Instant};

use auth_service::signing_keys;
use authz::Verifier;
use axum::http::{HeaderMap, HeaderValue};
use infra::env::SecretString;
use serde_json::Value;

use crate::{Settings, Stage, instance, secret, text, tokens};

fn again(private_key: &SecretString) -> Settings {
    Settings {
        private_key: private_key.clone(),
        ..Settings::new()
    }
}

/// The ids of the keys that an instance shows.
async fn shown(stage: &Stage, base: &str) -> Vec<String> {
    let url = format!("{base}/.well-known/jwks.json");
    let body: Value = stage
        .http
        .get(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let keys = body["keys"].as_array().unwrap();
    for key in keys {
        assert!(key.get("d").is_none(), "a private member is shown");
    }
    keys.iter().map(|key| text(key, "kid")).collect()
}

/// Asks until it is so; a test that waits too long has failed.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < Duration::from_secs(45), "never: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn bearing(token: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    headers.insert("authorization", value);
    headers
}

/// The id of the key that a token says it was signed with.
fn signed_by(token: &str) -> String {
    let header = jsonwebtoken::decode_header(token).unwrap();
    header.kid.unwrap()
}

async fn login(stage: &Stage) -> String {
    let answer = stage.login("ada@example.org", "correct horse").await;
    text(&stage.tokens(answer).await, "token")
}

#[tokio::test]
async fn a_new_key_is_shown_before_it_signs_and_the_old_one_is_believed_until_its_grace_is_over() {
    let settings = Settings::new();
    let private_key = settings.private_key.clone();
    let stage = Stage::with_settings(settings).await;
    let other = instance(stage.database.url(), again(&private_key), &stage.shutdown).await;
    let old = stage.admin("ada@example.org").await.token;
    let pool = stage.database.pool();
    let verifier = Verifier::new(&tokens(&stage.base), pool.clone()).unwrap();
    assert_eq!(shown(&stage, &other).await, [signed_by(&old)]);

    let grace = Duration::from_secs(5);
    let kid = signing_keys::rotate(pool, &private_key, grace)
        .await
        .unwrap();
    for base in [&stage.base, &other] {
        until("every instance shows the new key", async || {
            shown(&stage, base).await == [kid.clone(), signed_by(&old)]
        })
        .await;
    }
    let before = login(&stage).await;
    assert_eq!(signed_by(&before), signed_by(&old), "it signs too soon");
    until("the new key signs", async || {
        signed_by(&login(&stage).await) == kid
    })
    .await;
    let new = login(&stage).await;
    verifier.caller(&bearing(&new)).await.unwrap();
    verifier.caller(&bearing(&old)).await.unwrap();

    for base in [&stage.base, &other] {
        until("the old key is withdrawn", async || {
            shown(&stage, base).await == [kid.clone()]
        })
        .await;
    }
    until("tokens of the old key are refused", async || {
        verifier.caller(&bearing(&old)).await.is_err()
    })
    .await;
    verifier.caller(&bearing(&new)).await.unwrap();
    let restarted = instance(stage.database.url(), again(&private_key), &stage.shutdown).await;
    assert_eq!(shown(&stage, &restarted).await, [kid]);
}

#[tokio::test]
async fn a_stolen_key_is_withdrawn_at_once_and_a_copy_of_the_table_signs_nothing() {
    let settings = Settings::new();
    let private_key = settings.private_key.clone();
    let stage = Stage::with_settings(settings).await;
    let old = stage.admin("ada@example.org").await.token;
    let pool = stage.database.pool();
    let kid = signing_keys::rotate(pool, &private_key, Duration::ZERO)
        .await
        .unwrap();
    until("only the new key is shown and signs", async || {
        shown(&stage, &stage.base).await == [kid.clone()] && signed_by(&login(&stage).await) == kid
    })
    .await;
    stage.until(&old, reqwest::StatusCode::UNAUTHORIZED).await;
    let (sealed, public): (Vec<u8>, Value) =
        sqlx::query_as("select sealed, public from signing_key where kid = $1")
            .bind(&kid)
            .fetch_one(pool)
            .await
            .unwrap();
    assert!(!String::from_utf8_lossy(&sealed).contains("PRIVATE KEY"));
    assert_eq!(text(&public, "kid"), kid);
    let listed = signing_keys::list(pool).await.unwrap();
    assert_eq!(
        listed.iter().map(|key| key.is_retired).collect::<Vec<_>>(),
        [false, true]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotations_at_once_leave_one_key_that_stays() {
    let settings = Settings::new();
    let private_key = settings.private_key.clone();
    let stage = Stage::with_settings(settings).await;
    shown(&stage, &stage.base).await;
    let pool = stage.database.pool();
    let rotations =
        (0..5).map(|_| signing_keys::rotate(pool, &private_key, Duration::from_mins(1)));
    for kid in futures::future::join_all(rotations).await {
        kid.unwrap();
    }
    let listed = signing_keys::list(pool).await.unwrap();
    assert_eq!(listed.len(), 6);
    let staying = listed.iter().filter(|key| key.retires_at.is_none());
    assert_eq!(staying.count(), 1);
}

#[tokio::test]
async fn another_jwt_private_key_takes_the_place_of_the_first_without_ending_its_tokens() {
    let stage = Stage::start().await;
    let old = stage.admin("ada@example.org").await.token;
    let other = instance(stage.database.url(), Settings::new(), &stage.shutdown).await;
    let both = shown(&stage, &other).await;
    assert_eq!(both.len(), 2);
    assert_eq!(both[1], signed_by(&old));
    let verifier = Verifier::new(&tokens(&other), stage.database.pool().clone()).unwrap();
    until("a token of the first is believed", async || {
        verifier.caller(&bearing(&old)).await.is_ok()
    })
    .await;
    let unusable = signing_keys::rotate(
        stage.database.pool(),
        &secret("nonsense"),
        signing_keys::GRACE,
    )
    .await;
    assert!(!format!("{:?}", unusable.unwrap_err()).contains("nonsense"));
}
