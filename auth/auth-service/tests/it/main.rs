//! The auth service over HTTP, each test on a database and a port of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop here"
)]

mod api_keys;
mod configuration;
mod jwks;
mod login;
mod passwords;
mod register;
mod seed;
mod transport;

use std::net::SocketAddr;

use auth_service::{Config, keys};
use authz::api_key::Bootstrap;
use infra::Env;
use infra::env::SecretString;
use infra::testing::TestDatabase;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use sqlx::migrate::Migrator;
use tokio_util::sync::CancellationToken;

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations");

const API_KEY: &str = "a-key-of-the-tests-of-28-chars";

/// A running auth service; it and its database end with this value.
struct Stage {
    database: TestDatabase,
    base: String,
    http: Client,
    shutdown: CancellationToken,
}

impl Stage {
    async fn start() -> Self {
        let database = TestDatabase::create(&MIGRATIONS).await;
        let url = database.url().to_owned();
        Self::start_with(database, &url).await
    }

    /// The service may be told of another database than the test has.
    async fn start_with(database: TestDatabase, url: &str) -> Self {
        let listener = infra::http::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            .await
            .unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let config = Config {
            address: listener.local_addr().unwrap(),
            database_url: url.into(),
            bootstrap: Bootstrap::from_env(&mut Env::of([("AUTH_API_KEYS", API_KEY)])),
            private_key: keys::generate().unwrap(),
            tokens: tokens(&base),
        };
        tokio::spawn(auth_service::serve(config, listener, shutdown.clone()));
        Self {
            database,
            base,
            http: Client::new(),
            shutdown,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    async fn get(&self, path: &str) -> Response {
        self.http.get(self.url(path)).send().await.unwrap()
    }

    /// A POST to `/api/v1/auth/…` with the tests' API key.
    async fn post(&self, verb: &str, body: &Value) -> Response {
        self.http
            .post(self.url(&format!("/api/v1/auth/{verb}")))
            .header("x-api-key", API_KEY)
            .json(body)
            .send()
            .await
            .unwrap()
    }

    async fn register(&self, email: &str, password: &str) -> Response {
        self.post("register", &json!({"email": email, "password": password}))
            .await
    }

    async fn login(&self, email: &str, password: &str) -> Response {
        self.post("login", &json!({"email": email, "password": password}))
            .await
    }

    async fn count(&self, table: &'static str) -> i64 {
        let query = format!("select count(*) from {table}");
        sqlx::query_scalar(sqlx::AssertSqlSafe(query))
            .fetch_one(self.database.pool())
            .await
            .unwrap()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// Tokens of the service at `base`.
fn tokens(base: &str) -> authz::Config {
    authz::Config {
        issuer: "pawl".to_owned(),
        audience: "pawl-api".to_owned(),
        jwks_url: format!("{base}/.well-known/jwks.json"),
    }
}

fn secret(text: &str) -> SecretString {
    text.into()
}

/// The body of a refusal, after checking that it is problem+json with this status and code.
async fn problem(response: Response, status: StatusCode, code: &str) -> Value {
    let kind = response.headers()["content-type"]
        .to_str()
        .unwrap()
        .to_owned();
    let id = response.headers()["x-request-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let seen = response.status();
    let body: Value = response.json().await.unwrap();
    assert_eq!(seen, status, "{body}");
    assert_eq!(kind, "application/problem+json");
    assert_eq!(body["code"], code, "{body}");
    assert_eq!(body["status"], status.as_u16(), "{body}");
    assert_eq!(body["request_id"], id, "{body}");
    body
}
