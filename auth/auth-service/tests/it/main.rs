//! The auth service over HTTP, each test on a database and a port of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop here"
)]

mod api_keys;
mod audit;
mod configuration;
mod demo;
mod jwks;
mod limits;
mod login;
mod members;
mod openapi;
mod passwords;
mod register;
mod rotation;
mod sessions;
mod transport;

use std::net::SocketAddr;

use auth_service::{Config, signer};
use authz::Role;
use authz::api_key::Bootstrap;
use infra::Env;
use infra::client_ip::TrustedProxies;
use infra::env::SecretString;
use infra::testing::{TestDatabase, redis_url};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use sqlx::migrate::Migrator;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations");

const API_KEY: &str = "a-key-of-the-tests-of-28-chars";

/// The settings of a service under test, beside its database.
struct Settings {
    redis_url: String,
    trusted_proxies: TrustedProxies,
    ip_per_minute: u32,
    private_key: SecretString,
}

impl Settings {
    /// No limit, no trusted proxy, a key of its own.
    fn new() -> Self {
        Self {
            redis_url: redis_url(),
            trusted_proxies: TrustedProxies::default(),
            ip_per_minute: 0,
            private_key: signer::generate().unwrap(),
        }
    }
}

/// A running auth service; it and its database end with this value.
struct Stage {
    database: TestDatabase,
    base: String,
    http: Client,
    shutdown: CancellationToken,
}

/// Somebody who is logged in.
struct Person {
    user: Uuid,
    account: Uuid,
    token: String,
    refresh_token: String,
}

impl Stage {
    async fn start() -> Self {
        let database = TestDatabase::create(&MIGRATIONS).await;
        let url = database.url().to_owned();
        Self::start_with(database, &url, Settings::new()).await
    }

    async fn with_settings(settings: Settings) -> Self {
        let database = TestDatabase::create(&MIGRATIONS).await;
        let url = database.url().to_owned();
        Self::start_with(database, &url, settings).await
    }

    /// The service may use another database than the test.
    async fn start_with(database: TestDatabase, url: &str, settings: Settings) -> Self {
        let shutdown = CancellationToken::new();
        let base = instance(url, settings, &shutdown).await;
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

    /// Somebody of this role, logged in for this account.
    async fn person(&self, account: Uuid, email: &str, role: Role) -> Person {
        let password = secret("correct horse");
        let pool = self.database.pool();
        let user = auth_service::demo::user(pool, account, email, &password, role)
            .await
            .unwrap();
        let body = self.tokens(self.login(email, "correct horse").await).await;
        Person {
            user,
            account,
            token: text(&body, "token"),
            refresh_token: text(&body, "refresh_token"),
        }
    }

    /// An admin of a new account.
    async fn admin(&self, email: &str) -> Person {
        let pool = self.database.pool();
        let account = auth_service::demo::account(pool, email).await.unwrap();
        self.person(account, email, Role::Admin).await
    }

    /// The tokens of an answer that should hold some.
    async fn tokens(&self, response: Response) -> Value {
        let (status, headers) = (response.status(), response.headers().clone());
        let body: Value = response.json().await.unwrap();
        assert_eq!(status, StatusCode::OK, "{body}");
        assert_eq!(headers["cache-control"], "no-store");
        body
    }

    async fn refresh(&self, token: &str) -> Response {
        self.post("refresh", &json!({"refresh_token": token})).await
    }

    /// A request of this person to `/api/v1/auth/…`.
    async fn ask(&self, token: &str, method: Method, path: &str, body: Option<Value>) -> Response {
        let request = self
            .http
            .request(method, self.url(&format!("/api/v1/auth/{path}")))
            .header("x-api-key", API_KEY)
            .bearer_auth(token);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        request.send().await.unwrap()
    }

    /// Asks for the person's account until the answer has this status; a test that waits longer than 5 s has failed.
    async fn until(&self, token: &str, status: StatusCode) {
        let started = tokio::time::Instant::now();
        loop {
            let seen = self.ask(token, Method::GET, "account", None).await.status();
            if seen == status {
                return;
            }
            assert!(
                started.elapsed() < std::time::Duration::from_secs(5),
                "{seen} instead of {status}"
            );
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
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

/// Starts an instance of the service; the answer is where it is.
async fn instance(url: &str, settings: Settings, shutdown: &CancellationToken) -> String {
    let listener = infra::http::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
        .await
        .unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let config = Config {
        address: listener.local_addr().unwrap(),
        database_url: url.into(),
        redis_url: settings.redis_url.into(),
        trusted_proxies: settings.trusted_proxies,
        ip_per_minute: settings.ip_per_minute,
        bootstrap: Bootstrap::from_env(&mut Env::from_pairs([("AUTH_API_KEYS", API_KEY)])),
        private_key: settings.private_key,
        tokens: tokens(&base),
    };
    tokio::spawn(auth_service::serve(config, listener, shutdown.clone()));
    base
}

fn text(body: &Value, field: &str) -> String {
    body[field].as_str().unwrap().to_owned()
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
