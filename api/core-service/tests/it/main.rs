//! The core service over HTTP with real tokens, each test on a database and ports of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop here"
)]

mod acting;
mod console;
mod drift;
mod house;
mod interventions;
mod openapi;

use std::net::SocketAddr;
use std::time::Duration;

use auth_service::{Signer, signer};
use authz::Role;
use authz::api_key::Bootstrap;
use contracts::id::JobId;
use infra::Env;
use infra::client_ip::TrustedProxies;
use infra::testing::{TestDatabase, redis_url};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The key with which the console logs people in.
const CONSOLE_KEY: &str = "a-key-of-the-tests-of-28-chars";
const JOBS: &str = "/api/v1/ops/jobs";

/// A core service and an auth service; they and the database end with this value.
struct Stage {
    database: TestDatabase,
    base: String,
    http: Client,
    signer: Signer,
    /// The account, and its member of each role, in the order of [`Role::ALL`].
    account: Uuid,
    members: [Uuid; 4],
    shutdown: CancellationToken,
}

impl Stage {
    async fn start() -> Self {
        let database = TestDatabase::create(&engine::MIGRATIONS).await;
        let shutdown = CancellationToken::new();
        let private_key = signer::generate().unwrap();
        let (auth_listener, auth) = listen().await;
        let tokens = authz::Config {
            issuer: "pawl".to_owned(),
            audience: "pawl-api".to_owned(),
            jwks_url: format!("{auth}/.well-known/jwks.json"),
        };
        let signer = Signer::new(&private_key, &tokens.issuer, &tokens.audience).unwrap();
        let bootstrap = Env::from_pairs([("AUTH_API_KEYS", CONSOLE_KEY)]);
        let auth_config = auth_service::Config {
            address: auth_listener.local_addr().unwrap(),
            database_url: database.url().into(),
            redis_url: redis_url().into(),
            trusted_proxies: TrustedProxies::default(),
            ip_per_minute: 0,
            bootstrap: Bootstrap::from_env(&mut { bootstrap }),
            private_key,
            tokens: tokens.clone(),
        };
        tokio::spawn(auth_service::serve(
            auth_config,
            auth_listener,
            shutdown.clone(),
        ));
        let (listener, base) = listen().await;
        let config = core_service::Config {
            address: listener.local_addr().unwrap(),
            database_url: database.url().into(),
            redis_url: redis_url().into(),
            trusted_proxies: TrustedProxies::default(),
            authz: tokens,
            console: core_service::console::ConsoleConfig {
                auth_url: auth,
                api_key: Some(CONSOLE_KEY.into()),
            },
        };
        tokio::spawn(core_service::serve(config, listener, shutdown.clone()));
        let (account, members) = staff(&database).await;
        let stage = Self {
            database,
            base,
            http: Client::new(),
            signer,
            account,
            members,
            shutdown,
        };
        stage.until_tokens_are_known().await;
        stage
    }

    /// The public keys are fetched in the background: until they are there, callers are answered 503.
    async fn until_tokens_are_known(&self) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        while self.ask(Method::GET, JOBS, Role::Admin).await.status() != StatusCode::OK {
            assert!(
                tokio::time::Instant::now() < deadline,
                "the core service knows no tokens"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn ask(&self, method: Method, path: &str, role: Role) -> Response {
        self.request(method, path, role).send().await.unwrap()
    }

    fn request(&self, method: Method, path: &str, role: Role) -> RequestBuilder {
        let member = self.members[role as usize];
        let token = self
            .signer
            .access_token(member, self.account, role)
            .unwrap();
        let url = format!("{}{path}", self.base);
        self.http.request(method, url).bearer_auth(token)
    }

    async fn get(&self, path: &str) -> Response {
        self.ask(Method::GET, path, Role::Operator).await
    }

    /// A payment with one job in this state.
    async fn job(&self, state: &str) -> Uuid {
        self.job_of(self.account, state).await
    }

    async fn job_of(&self, account: Uuid, state: &str) -> Uuid {
        let (payment, job) = (Uuid::now_v7(), Uuid::now_v7());
        sqlx::query(
            "insert into payment (id, account_id, status, version, amount, currency, capture_method, confirm, created_at, updated_at)
             values ($1, $2, 'local_created', 1, 1099, 'eur', 'automatic', false, now(), now())",
        )
        .bind(payment)
        .bind(account)
        .execute(self.database.pool())
        .await
        .unwrap();
        sqlx::query(
            r#"insert into job (id, payment_id, subject, effect, state, due_at, call_key, tries, error, created_at)
               values ($1, $2, $2, '{"kind": "create_intent"}', $3, now(), $1::text, 3, 'refused', now())"#,
        )
        .bind(job)
        .bind(payment)
        .bind(state)
        .execute(self.database.pool())
        .await
        .unwrap();
        job
    }

    async fn state(&self, job: Uuid) -> String {
        sqlx::query_scalar("select state from job where id = $1")
            .bind(job)
            .fetch_one(self.database.pool())
            .await
            .unwrap()
    }

    /// What was written down: action, outcome, reason, who and to what, the oldest first.
    async fn acts(&self) -> Vec<(String, String, Option<String>, Option<Uuid>, String)> {
        sqlx::query_as(
            "select action, outcome, reason, user_id, target from audit where account_id = $1 order by id",
        )
        .bind(self.account)
        .fetch_all(self.database.pool())
        .await
        .unwrap()
    }
}

/// An account with a member of each role, who have no password.
async fn staff(database: &TestDatabase) -> (Uuid, [Uuid; 4]) {
    let account = Uuid::now_v7();
    let pool = database.pool();
    sqlx::query("insert into account (id, name) values ($1, 'Mugs')")
        .bind(account)
        .execute(pool)
        .await
        .unwrap();
    let mut members = [Uuid::nil(); 4];
    for role in Role::ALL {
        let user = Uuid::now_v7();
        sqlx::query("insert into app_user (id, email, password_hash) values ($1, $2, 'none')")
            .bind(user)
            .bind(format!("{role}@example.org"))
            .execute(pool)
            .await
            .unwrap();
        let mut connection = pool.acquire().await.unwrap();
        authz::membership::assign(&mut connection, account, user, role)
            .await
            .unwrap();
        members[role as usize] = user;
    }
    (account, members)
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

async fn listen() -> (tokio::net::TcpListener, String) {
    let listener = infra::http::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
        .await
        .unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    (listener, base)
}

async fn problem(response: Response, status: StatusCode, code: &str) -> Value {
    let kind = response.headers()["content-type"]
        .to_str()
        .unwrap()
        .to_owned();
    let seen = response.status();
    let body: Value = response.json().await.unwrap();
    assert_eq!((seen, &body["code"]), (status, &json!(code)), "{body}");
    assert_eq!(kind, "application/problem+json");
    assert!(body["request_id"].is_string(), "{body}");
    body
}

#[tokio::test]
async fn it_says_that_it_runs_and_that_it_is_ready() {
    let stage = Stage::start().await;
    for path in ["/api/health", "/health", "/livez", "/readyz"] {
        let response = stage
            .http
            .get(format!("{}{path}", stage.base))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
    }
    problem(
        stage.get("/api/v1/nothing").await,
        StatusCode::NOT_FOUND,
        "route_not_found",
    )
    .await;
    let response = stage.ask(Method::DELETE, JOBS, Role::Admin).await;
    assert!(response.headers().contains_key("allow"));
    problem(
        response,
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
    )
    .await;
}

#[tokio::test]
async fn viewers_look_and_operators_act() {
    let stage = Stage::start().await;
    let job = JobId::from_uuid(stage.job("dead").await);
    let retry = format!("{JOBS}/{job}/retry");
    for (method, path) in [(Method::GET, JOBS), (Method::POST, &retry)] {
        let nobody = stage
            .http
            .request(method.clone(), format!("{}{path}", stage.base))
            .send()
            .await
            .unwrap();
        problem(nobody, StatusCode::UNAUTHORIZED, "unauthenticated").await;
        let response = stage.ask(method, path, Role::User).await;
        problem(response, StatusCode::FORBIDDEN, "forbidden").await;
    }
    let response = stage.ask(Method::POST, &retry, Role::Viewer).await;
    problem(response, StatusCode::FORBIDDEN, "forbidden").await;
    assert_eq!(stage.state(job.uuid()).await, "dead");
    for role in [Role::Viewer, Role::Operator, Role::Admin] {
        assert_eq!(
            stage.ask(Method::GET, JOBS, role).await.status(),
            StatusCode::OK
        );
    }
}

#[tokio::test]
async fn dead_jobs_are_listed_newest_first_and_sent_again_once() {
    let stage = Stage::start().await;
    stage.job("queued").await;
    let older = JobId::from_uuid(stage.job("dead").await).to_string();
    let newer = JobId::from_uuid(stage.job("dead").await).to_string();
    let ids = async |query: &str| {
        let list: Value = stage
            .get(&format!("{JOBS}{query}"))
            .await
            .json()
            .await
            .unwrap();
        let ids: Vec<String> = list["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|job| job["id"].as_str().unwrap().to_owned())
            .collect();
        (ids, list["has_more"].as_bool().unwrap())
    };
    assert_eq!(ids("").await, (vec![newer.clone(), older.clone()], false));
    assert_eq!(
        ids("?state=dead&limit=1").await,
        (vec![newer.clone()], true)
    );
    assert_eq!(
        ids(&format!("?starting_after={newer}")).await,
        (vec![older.clone()], false)
    );

    let retry = format!("{JOBS}/{newer}/retry");
    let response = stage.ask(Method::POST, &retry, Role::Operator).await;
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    assert_eq!(ids("").await, (vec![older], false));
    let again = stage.ask(Method::POST, &retry, Role::Operator).await;
    problem(again, StatusCode::CONFLICT, "unexpected_state").await;
}

#[tokio::test]
async fn a_list_of_jobs_refuses_what_it_does_not_know() {
    let stage = Stage::start().await;
    for (query, param) in [
        ("?state=sleeping", "state"),
        ("?limit=0", "limit"),
        ("?limit=101", "limit"),
        ("?limit=x", "limit"),
        ("?page=2", "page"),
        (
            "?starting_after=pay_01h2xcejqtf2nbrexx3vqjhp41",
            "starting_after",
        ),
        (
            "?ending_before=job_01h2xcejqtf2nbrexx3vqjhp41",
            "ending_before",
        ),
    ] {
        let body = problem(
            stage.get(&format!("{JOBS}{query}")).await,
            StatusCode::BAD_REQUEST,
            "invalid_parameter",
        )
        .await;
        assert_eq!(body["param"], param, "{query}");
    }
    let response = stage
        .ask(Method::POST, &format!("{JOBS}/nonsense/retry"), Role::Admin)
        .await;
    problem(response, StatusCode::NOT_FOUND, "not_found").await;
}
