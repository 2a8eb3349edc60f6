//! Access tokens, good ones and every forgery of the security contract.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::hmac;
use aws_lc_rs::signature::KeyPair;
use axum::Router;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{Issuer, Stage, claims, now, refusal, serve, unsigned};

#[tokio::test]
async fn a_good_token_names_its_caller_each_time_it_is_sent() {
    let issuer = Issuer::new("one");
    let stage = Stage::trusting(&[&issuer]).await;
    let token = issuer.token();
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let response = stage
            .ask_with("authorization", &format!("{scheme} {token}"))
            .await;
        assert_eq!(response.status(), StatusCode::OK, "{scheme}");
        let body: Value = response.json().await.unwrap();
        let expected = json!({
            "account": Uuid::from_u128(2), "user": Uuid::from_u128(1), "role": "operator", "key": null,
        });
        assert_eq!(body, expected);
    }
}

#[tokio::test]
async fn clocks_may_differ_by_a_few_seconds() {
    let issuer = Issuer::new("one");
    let stage = Stage::trusting(&[&issuer]).await;
    let mut claims = claims();
    claims["nbf"] = json!(now() + 10);
    assert_eq!(
        stage
            .ask_bearing(&issuer.sign(&issuer.header(), &claims))
            .await
            .status(),
        StatusCode::OK
    );
    claims["nbf"] = json!(now() - 900);
    claims["exp"] = json!(now() - 10);
    assert_eq!(
        stage
            .ask_bearing(&issuer.sign(&issuer.header(), &claims))
            .await
            .status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn every_forged_or_stale_token_gets_the_same_401() {
    let issuer = Issuer::new("one");
    let stage = Stage::trusting(&[&issuer]).await;
    let expected = refusal(stage.ask(HeaderMap::new()).await).await;
    assert!(expected.0.to_str().unwrap().starts_with("Bearer"));
    for (name, token) in bad_claims(&issuer).into_iter().chain(forgeries(&issuer)) {
        let answer = stage.ask_bearing(&token).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{name}");
        assert_eq!(refusal(answer).await, expected, "{name}");
    }
    assert_eq!(
        stage.ask_bearing(&issuer.token()).await.status(),
        StatusCode::OK
    );
}

/// Well signed, and not to be accepted all the same.
fn bad_claims(issuer: &Issuer) -> Vec<(String, String)> {
    let cases = [
        ("iss", json!("somebody else")),
        ("aud", json!("another api")),
        ("aud", json!(["another api"])),
        ("exp", json!(now() - 60)),
        ("exp", json!((now() + 900).to_string())),
        ("exp", json!(-1)),
        ("nbf", json!(now() + 300)),
        ("nbf", json!(now().to_string())),
        ("sub", json!("nobody")),
        ("account", json!("acct_1")),
        ("role", json!("root")),
    ];
    let changed = cases.into_iter().map(|(name, value)| {
        let mut claims = claims();
        claims[name] = value.clone();
        (format!("{name} is {value}"), claims)
    });
    let missing = ["iss", "aud", "exp", "nbf", "sub", "account", "role"].map(|name| {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        (format!("{name} is missing"), claims)
    });
    changed
        .chain(missing)
        .map(|(name, claims)| (name, issuer.sign(&issuer.header(), &claims)))
        .collect()
}

/// Without a signature, signed with another key, or with a header that the auth service does not write.
fn forgeries(issuer: &Issuer) -> Vec<(String, String)> {
    let stranger = Issuer::new("one");
    let good = issuer.token();
    let (message, signature) = good.rsplit_once('.').unwrap();
    let (head, _) = message.split_once('.').unwrap();
    let mut richer = claims();
    richer["role"] = json!("admin");
    let other_payload = URL_SAFE_NO_PAD.encode(richer.to_string());
    let none = unsigned(
        &json!({"typ": "at+jwt", "alg": "none", "kid": "one"}),
        &claims(),
    );
    let mut tokens = vec![
        ("alg none".to_owned(), format!("{none}.")),
        (
            "alg none with a signature".to_owned(),
            format!("{none}.{signature}"),
        ),
        (
            "another's signature".to_owned(),
            stranger.sign(&issuer.header(), &claims()),
        ),
        ("no signature".to_owned(), format!("{message}.")),
        ("two parts".to_owned(), message.to_owned()),
        (
            "a changed payload".to_owned(),
            format!("{head}.{other_payload}.{signature}"),
        ),
        ("64 KB".to_owned(), "a".repeat(64 * 1024)),
        ("words".to_owned(), "not a token".to_owned()),
        ("nothing".to_owned(), String::new()),
    ];
    let headers = [
        ("kid", json!("another")),
        ("kid", json!("../../../../etc/passwd")),
        ("kid", json!("one' or '1'='1")),
        ("kid", json!(null)),
        ("typ", json!("JWT")),
        ("typ", json!("rt+jwt")),
        ("typ", json!(null)),
        ("jku", json!("http://127.0.0.1:1/keys")),
        ("x5u", json!("http://127.0.0.1:1/keys")),
        ("jwk", stranger.public()),
        ("crit", json!(["exp"])),
    ];
    tokens.extend(headers.into_iter().map(|(name, value)| {
        let mut header = issuer.header();
        header[name] = value.clone();
        (
            format!("header {name} is {value}"),
            issuer.sign(&header, &claims()),
        )
    }));
    tokens.extend(confused(issuer));
    tokens
}

/// HMAC tokens whose secret is the public key: what a verifier accepts that lets the token choose the algorithm.
fn confused(issuer: &Issuer) -> [(String, String); 3] {
    let public = issuer.pair.public_key().as_ref().to_vec();
    let secrets = [
        public.clone(),
        URL_SAFE_NO_PAD.encode(&public).into(),
        STANDARD.encode(&public).into(),
    ];
    secrets.map(|secret| {
        let message = unsigned(
            &json!({"typ": "at+jwt", "alg": "HS256", "kid": "one"}),
            &claims(),
        );
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        let tag = URL_SAFE_NO_PAD.encode(hmac::sign(&key, message.as_bytes()));
        (
            "the public key as HMAC secret".to_owned(),
            format!("{message}.{tag}"),
        )
    })
}

#[tokio::test]
async fn an_address_in_a_token_is_never_visited() {
    let visits = Arc::new(AtomicUsize::new(0));
    let counted = visits.clone();
    let shutdown = CancellationToken::new();
    let trap = serve(
        Router::new().fallback(move || async move {
            counted.fetch_add(1, Ordering::SeqCst);
        }),
        shutdown.clone(),
    )
    .await;
    let issuer = Issuer::new("one");
    let stage = Stage::trusting(&[&issuer]).await;
    for name in ["jku", "x5u", "kid"] {
        let mut header = issuer.header();
        header[name] = json!(trap);
        let token = issuer.sign(&header, &claims());
        refusal(stage.ask_bearing(&token).await).await;
    }
    assert_eq!(visits.load(Ordering::SeqCst), 0);
    shutdown.cancel();
}

#[tokio::test]
async fn a_token_counts_only_in_one_authorization_header_of_its_scheme() {
    let issuer = Issuer::new("one");
    let stage = Stage::trusting(&[&issuer]).await;
    let token = issuer.token();
    for value in [
        token.clone(),
        format!("Basic {token}"),
        format!("Token {token}"),
        "Bearer".to_owned(),
    ] {
        refusal(stage.ask_with("authorization", &value).await).await;
    }
    let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    let mut twice = HeaderMap::new();
    twice.append("authorization", value.clone());
    twice.append("authorization", value);
    refusal(stage.ask(twice).await).await;
    let in_query = format!("{}?access_token={token}&token={token}", stage.url);
    refusal(stage.http.get(in_query).send().await.unwrap()).await;
}
