//! The issuer's public keys, fetched from it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use authz::Verifier;
use axum::extract::State;
use axum::http::StatusCode as Status;
use axum::routing::get;
use axum::{Json, Router};
use reqwest::StatusCode;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{Issuer, Stage, claims, config, key_set, refusal, serve};

/// An auth service that publishes the keys that a test sets, or none.
#[derive(Clone, Default)]
struct Shown {
    keys: Arc<Mutex<Option<Value>>>,
    fetches: Arc<AtomicUsize>,
}

impl Shown {
    fn show(&self, issuers: &[&Issuer]) {
        *self.keys.lock().unwrap() = Some(serde_json::to_value(key_set(issuers)).unwrap());
    }

    async fn serve(&self, shutdown: CancellationToken) -> String {
        let answer = |State(shown): State<Shown>| async move {
            shown.fetches.fetch_add(1, Ordering::SeqCst);
            let keys = shown.keys.lock().unwrap().clone();
            keys.map(Json).ok_or(Status::SERVICE_UNAVAILABLE)
        };
        let router = Router::new()
            .route("/keys", get(answer))
            .with_state(self.clone());
        format!("{}/keys", serve(router, shutdown).await)
    }

    async fn trusted(&self, shutdown: CancellationToken) -> Stage {
        let url = self.serve(shutdown).await;
        Stage::with(|database| Verifier::new(&config(&url), database.pool().clone()).unwrap()).await
    }
}

/// Asks until the answer has this status; a test that waits too long has failed.
async fn until(stage: &Stage, token: &str, status: StatusCode) {
    let started = Instant::now();
    loop {
        let seen = stage.ask_bearing(token).await.status();
        if seen == status {
            return;
        }
        assert!(
            started.elapsed() < Duration::from_secs(15),
            "{seen} instead of {status}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn while_the_issuer_was_never_reached_nobody_can_be_told_and_then_everybody_can() {
    let shown = Shown::default();
    let shutdown = CancellationToken::new();
    let stage = shown.trusted(shutdown.clone()).await;
    let issuer = Issuer::new("one");
    let answer = stage.ask_bearing(&issuer.token()).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()["retry-after"], "1");
    shown.show(&[&issuer]);
    until(&stage, &issuer.token(), StatusCode::OK).await;
    shutdown.cancel();
}

#[tokio::test]
async fn a_rotation_is_followed_and_a_withdrawn_key_ends_even_tokens_that_were_accepted() {
    let (old, new) = (Issuer::new("old"), Issuer::new("new"));
    let shown = Shown::default();
    shown.show(&[&old]);
    let shutdown = CancellationToken::new();
    let stage = shown.trusted(shutdown.clone()).await;
    let token = old.token();
    until(&stage, &token, StatusCode::OK).await;
    shown.show(&[&old, &new]);
    until(&stage, &new.token(), StatusCode::OK).await;
    assert_eq!(
        stage.ask_bearing(&token).await.status(),
        StatusCode::OK,
        "the old key is still shown"
    );

    shown.show(&[&new]);
    // An unknown key id is what makes the keys be fetched again before their time.
    let unknown = Issuer::new("unknown").token();
    let started = Instant::now();
    while stage.ask_bearing(&token).await.status() != StatusCode::UNAUTHORIZED {
        assert!(
            started.elapsed() < Duration::from_secs(15),
            "a withdrawn key is still believed"
        );
        refusal(stage.ask_bearing(&unknown).await).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(
        stage.ask_bearing(&new.token()).await.status(),
        StatusCode::OK
    );
    shutdown.cancel();
}

#[tokio::test]
async fn invented_key_ids_do_not_hammer_the_issuer() {
    let issuer = Issuer::new("one");
    let shown = Shown::default();
    shown.show(&[&issuer]);
    let shutdown = CancellationToken::new();
    let stage = shown.trusted(shutdown.clone()).await;
    until(&stage, &issuer.token(), StatusCode::OK).await;
    let started = Instant::now();
    let asks = (0..100).map(|number| {
        let stranger = Issuer::new(&format!("invented-{number}"));
        let token = stranger.sign(&stranger.header(), &claims());
        let stage = &stage;
        async move { refusal(stage.ask_bearing(&token).await).await }
    });
    for ask in asks {
        ask.await;
    }
    let allowed = 2 + started.elapsed().as_secs() / 5;
    let fetches = shown.fetches.load(Ordering::SeqCst) as u64;
    assert!(
        fetches <= allowed,
        "{fetches} fetches where {allowed} are allowed"
    );
    shutdown.cancel();
}

#[tokio::test]
async fn only_ed25519_keys_of_a_set_are_taken() {
    let issuer = Issuer::new("one");
    let mut set = serde_json::to_value(key_set(&[&issuer])).unwrap();
    let secret =
        serde_json::json!({"kty": "oct", "kid": "secret", "alg": "HS256", "k": "c2VjcmV0"});
    set["keys"].as_array_mut().unwrap().push(secret);
    let set = serde_json::from_value(set).unwrap();
    let stage = Stage::with(|database| {
        Verifier::with_keys(&set, &config("http://127.0.0.1:1"), database.pool().clone())
    })
    .await;
    assert_eq!(
        stage.ask_bearing(&issuer.token()).await.status(),
        StatusCode::OK
    );
    let header = jsonwebtoken::Header {
        kid: Some("secret".to_owned()),
        typ: Some("at+jwt".to_owned()),
        ..jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256)
    };
    let key = jsonwebtoken::EncodingKey::from_secret(b"secret");
    let forged = jsonwebtoken::encode(&header, &claims(), &key).unwrap();
    refusal(stage.ask_bearing(&forged).await).await;
}

#[tokio::test]
async fn while_the_issuer_is_away_the_keys_that_it_wrote_to_the_database_are_taken() {
    let away = "http://127.0.0.1:1/keys";
    let stage =
        Stage::with(|database| Verifier::new(&config(away), database.pool().clone()).unwrap())
            .await;
    let (issuer, retired) = (Issuer::new("one"), Issuer::new("retired"));
    let answer = stage.ask_bearing(&issuer.token()).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    for (kid, key, retires) in [
        ("one", &issuer, None),
        ("retired", &retired, Some("2020-01-01 00:00:00+00")),
    ] {
        let insert = "insert into signing_key (kid, public, retires_at) values ($1, $2, $3::text::timestamptz)";
        sqlx::query(insert)
            .bind(kid)
            .bind(key.public())
            .bind(retires)
            .execute(stage.database.pool())
            .await
            .unwrap();
    }
    until(&stage, &issuer.token(), StatusCode::OK).await;
    until(&stage, &retired.token(), StatusCode::UNAUTHORIZED).await;
}
