//! Verification over HTTP, by a service that answers the caller it found.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop here"
)]

mod api_keys;
mod key_set;
mod revocations;
mod tokens;

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use authz::id::UserId;
use authz::{Caller, Config, Verifier};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use infra::id::AccountId;
use infra::testing::TestDatabase;
use jsonwebtoken::jwk::JwkSet;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use sqlx::migrate::Migrator;
use tokio_util::sync::CancellationToken;

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations");

/// A key pair and the id under which its public half is shown.
struct Issuer {
    pair: Ed25519KeyPair,
    id: String,
}

impl Issuer {
    fn new(id: &str) -> Self {
        Self {
            pair: Ed25519KeyPair::generate().unwrap(),
            id: id.to_owned(),
        }
    }

    fn header(&self) -> Value {
        json!({"typ": "at+jwt", "alg": "EdDSA", "kid": self.id})
    }

    fn public(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.pair.public_key());
        json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": self.id, "x": x})
    }

    /// Signs whatever it is given: forgeries need headers and claims that no library would write.
    fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = unsigned(header, claims);
        let signature = URL_SAFE_NO_PAD.encode(self.pair.sign(message.as_bytes()));
        format!("{message}.{signature}")
    }

    fn token(&self) -> String {
        self.sign(&self.header(), &claims())
    }
}

fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

/// Claims that are good for the next quarter of an hour.
fn claims() -> Value {
    let user: UserId = uuid::Uuid::from_u128(1).into();
    let account: AccountId = uuid::Uuid::from_u128(2).into();
    json!({
        "iss": "pawl", "aud": "pawl-api", "sub": user, "account": account, "role": "operator",
        "iat": now(), "nbf": now(), "exp": now() + 900, "jti": uuid::Uuid::now_v7(),
    })
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

fn key_set(issuers: &[&Issuer]) -> JwkSet {
    let keys: Vec<_> = issuers.iter().map(|issuer| issuer.public()).collect();
    serde_json::from_value(json!({"keys": keys})).unwrap()
}

fn config(jwks_url: &str) -> Config {
    Config {
        issuer: "pawl".to_owned(),
        audience: "pawl-api".to_owned(),
        jwks_url: jwks_url.to_owned(),
    }
}

/// A service with one route that only a caller reaches.
struct Stage {
    database: TestDatabase,
    url: String,
    http: Client,
    shutdown: CancellationToken,
}

impl Stage {
    async fn trusting(issuers: &[&Issuer]) -> Self {
        let keys = key_set(issuers);
        Self::with(|database| {
            Verifier::with_keys(
                &keys,
                &config("http://127.0.0.1:1"),
                database.pool().clone(),
            )
        })
        .await
    }

    async fn with(verifier: impl FnOnce(&TestDatabase) -> Verifier) -> Self {
        let database = TestDatabase::create(&MIGRATIONS).await;
        let router = Router::new()
            .route("/whoami", get(whoami))
            .with_state(verifier(&database));
        let shutdown = CancellationToken::new();
        let url = format!("{}/whoami", serve(router, shutdown.clone()).await);
        Self {
            database,
            url,
            http: Client::new(),
            shutdown,
        }
    }

    async fn ask(&self, headers: HeaderMap) -> Response {
        self.http
            .get(&self.url)
            .headers(headers)
            .send()
            .await
            .unwrap()
    }

    async fn ask_with(&self, name: &'static str, value: &str) -> Response {
        let mut headers = HeaderMap::new();
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_str(value).unwrap(),
        );
        self.ask(headers).await
    }

    async fn ask_bearing(&self, token: &str) -> Response {
        self.ask_with("authorization", &format!("Bearer {token}"))
            .await
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

async fn whoami(caller: Caller) -> Json<Value> {
    Json(json!({
        "account": caller.account, "user": caller.user, "role": caller.role, "key": caller.key,
    }))
}

/// Serves on a free port; the address of the result is `http://127.0.0.1:…`.
async fn serve(router: Router, shutdown: CancellationToken) -> String {
    let listener = infra::http::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
        .await
        .unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(infra::http::serve("test", listener, router, shutdown));
    base
}

/// The 401 that everybody gets: its headers that matter and its body, without what differs from request to request.
async fn refusal(response: Response) -> (HeaderValue, Value) {
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    let id = response.headers()["x-request-id"].clone();
    let challenge = response.headers()["www-authenticate"].clone();
    let mut body: Value = response.json().await.unwrap();
    assert_eq!(body["request_id"].take(), id.to_str().unwrap());
    (challenge, body)
}
