//! A running gateway with what it leans on.

use std::net::SocketAddr;
use std::time::Duration;

use auth_service::{Signer, signer};
use authz::Role;
use authz::api_key::Bootstrap;
use engine::delivery::Reach;
use gateway::Limits;
use infra::Env;
use infra::client_ip::TrustedProxies;
use infra::env::{ExposeSecret, SecretString};
use infra::testing::{TestDatabase, redis_url, unique};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The path of payments.
pub(crate) const PAYMENTS: &str = "/api/v1/payments";
/// What the tests' webhooks are signed with, the first being on its way out.
pub(crate) const WEBHOOK_SECRETS: [&str; 2] = ["whsec_old_of_the_tests", "whsec_new_of_the_tests"];

/// A gateway and an auth service; they and the database end with this value.
pub(crate) struct Stage {
    pub(crate) database: TestDatabase,
    pub(crate) base: String,
    pub(crate) http: Client,
    signer: Signer,
    pub(crate) token: String,
    shutdown: CancellationToken,
}

impl Stage {
    pub(crate) async fn start() -> Self {
        let database = TestDatabase::create(&engine::MIGRATIONS).await;
        let url = database.url().to_owned();
        Self::with(database, &url, &redis_url()).await
    }

    /// The gateway may use another Postgres and Redis than the test.
    pub(crate) async fn with(database: TestDatabase, database_url: &str, redis_url: &str) -> Self {
        Self::with_limits(database, database_url, redis_url, Limits::default()).await
    }

    /// The limits are those of these variables.
    pub(crate) async fn limited(redis_url: &str, variables: &[(&str, &str)]) -> Self {
        let mut env = Env::from_pairs(variables.iter().copied());
        let limits = Limits::from_env(&mut env);
        env.finish().unwrap();
        let database = TestDatabase::create(&engine::MIGRATIONS).await;
        let url = database.url().to_owned();
        Self::with_limits(database, &url, redis_url, limits).await
    }

    async fn with_limits(
        database: TestDatabase,
        database_url: &str,
        redis_url: &str,
        limits: Limits,
    ) -> Self {
        let shutdown = CancellationToken::new();
        let private_key = signer::generate().unwrap();
        let jwks_url = auth_service(&database, private_key.clone(), &shutdown).await;
        let authz = authz_config(&jwks_url);
        let signer = Signer::new(&private_key, &authz.issuer, &authz.audience).unwrap();
        let (listener, base) = listen().await;
        let config = gateway::Config {
            address: listener.local_addr().unwrap(),
            database_url: database_url.into(),
            database_connections: 8,
            redis_url: redis_url.into(),
            webhook_secrets: WEBHOOK_SECRETS.map(SecretString::from).to_vec(),
            webhook_reach: Reach::Anywhere,
            authz,
            limits,
            links: gateway::Links {
                console: Some("http://127.0.0.1:8082/?a=1&b=\"2\"".to_owned()),
                shop: None,
            },
        };
        tokio::spawn(gateway::serve(config, listener, shutdown.clone()));
        let token = token(&signer, Uuid::now_v7());
        let http = Client::builder()
            .timeout(Duration::from_mins(1))
            .build()
            .unwrap();
        let stage = Self {
            database,
            base,
            http,
            signer,
            token,
            shutdown,
        };
        stage.until_tokens_are_known().await;
        stage
    }

    /// The public keys are fetched in the background: until they are there, callers are answered 503.
    async fn until_tokens_are_known(&self) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        let token = self.stranger();
        loop {
            // An unknown parameter is refused before the database is asked, but only to a verified caller.
            let response = self.get_as(&token, &format!("{PAYMENTS}/nothing")).await;
            if response.status() == StatusCode::NOT_FOUND {
                return;
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "the gateway knows no tokens"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The token of a user of another, new account.
    pub(crate) fn stranger(&self) -> String {
        token(&self.signer, Uuid::now_v7())
    }

    /// The token of an admin of a new account.
    pub(crate) fn admin(&self) -> String {
        let (user, account) = (Uuid::now_v7(), Uuid::now_v7());
        self.signer
            .access_token(user, account, Role::Admin)
            .unwrap()
    }

    /// A request without any token.
    pub(crate) fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path).bearer_auth(&self.token)
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    pub(crate) async fn get_as(&self, token: &str, path: &str) -> Response {
        self.bare(Method::GET, path)
            .bearer_auth(token)
            .send()
            .await
            .unwrap()
    }

    /// A POST with this key, and the body as it is.
    pub(crate) async fn post_raw(
        &self,
        path: &str,
        key: &str,
        body: impl Into<String>,
    ) -> Response {
        self.request(Method::POST, path)
            .header("idempotency-key", key)
            .header("content-type", "application/json")
            .body(body.into())
            .send()
            .await
            .unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Response {
        self.post_raw(path, &unique("key"), body.to_string()).await
    }

    /// A payment of 10.99 EUR, as it was answered.
    pub(crate) async fn payment(&self) -> Value {
        created(self.post(PAYMENTS, &mug()).await).await
    }

    pub(crate) async fn count(&self, table: &'static str) -> i64 {
        let query = format!("select count(*) from {table}");
        sqlx::query_scalar(sqlx::AssertSqlSafe(query))
            .fetch_one(self.database.pool())
            .await
            .unwrap()
    }

    pub(crate) fn shutdown(&self) -> CancellationToken {
        self.shutdown.clone()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// A port of its own, and the address of a service on it.
pub(crate) async fn listen() -> (TcpListener, String) {
    let listener = infra::http::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
        .await
        .unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    (listener, base)
}

/// The smallest good request.
pub(crate) fn mug() -> Value {
    json!({"amount": 1099, "currency": "eur"})
}

/// The path of a payment and what is under it.
pub(crate) fn path_of(payment: &Value, below: &str) -> String {
    format!("{PAYMENTS}/{}{below}", payment["id"].as_str().unwrap())
}

/// The view in a 201.
pub(crate) async fn created(response: Response) -> Value {
    body(response, StatusCode::CREATED).await
}

/// The JSON of an answer with this status.
pub(crate) async fn body(response: Response, status: StatusCode) -> Value {
    let seen = response.status();
    let text = response.text().await.unwrap();
    assert_eq!(seen, status, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// The body of a refusal, after checking that it is a whole problem with this status, code and field.
pub(crate) async fn problem(
    response: Response,
    status: u16,
    code: &str,
    param: Option<&str>,
) -> Value {
    let header = |name: &str| {
        response
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    };
    let (kind, id) = (header("content-type"), header("x-request-id"));
    let body = body(response, StatusCode::from_u16(status).unwrap()).await;
    assert_eq!(kind.as_deref(), Some("application/problem+json"), "{body}");
    assert_eq!(body["code"], code, "{body}");
    assert_eq!(body["param"].as_str(), param, "{body}");
    assert_eq!(body["status"], status, "{body}");
    assert_eq!(body["request_id"].as_str(), id.as_deref(), "{body}");
    assert_eq!(body["type"], format!("/docs/errors.md#{code}"), "{body}");
    body
}

fn token(signer: &Signer, account: Uuid) -> String {
    signer
        .access_token(Uuid::now_v7(), account, Role::User)
        .unwrap()
}

fn authz_config(jwks_url: &str) -> authz::Config {
    authz::Config {
        issuer: "pawl".to_owned(),
        audience: "pawl-api".to_owned(),
        jwks_url: jwks_url.to_owned(),
    }
}

/// Starts an auth service, and answers where its public keys are.
async fn auth_service(
    database: &TestDatabase,
    private_key: SecretString,
    shutdown: &CancellationToken,
) -> String {
    let (listener, base) = listen().await;
    let jwks_url = format!("{base}/.well-known/jwks.json");
    let config = auth_service::Config {
        address: listener.local_addr().unwrap(),
        database_url: database.url().into(),
        redis_url: redis_url().into(),
        trusted_proxies: TrustedProxies::default(),
        ip_per_minute: 0,
        bootstrap: Bootstrap::from_env(&mut Env::from_pairs([(
            "AUTH_API_KEYS",
            "a-key-of-the-tests-of-28-chars",
        )])),
        private_key: private_key.expose_secret().into(),
        tokens: authz_config(&jwks_url),
    };
    tokio::spawn(auth_service::serve(config, listener, shutdown.clone()));
    jwks_url
}
