//! Health, and requests that are not what a route takes.

use std::time::{Duration, Instant};

use infra::testing::TestDatabase;
use reqwest::StatusCode;
use serde_json::Value;

use crate::{API_KEY, MIGRATIONS, Settings, Stage, problem};

#[tokio::test]
async fn health_and_readiness_need_no_key() {
    let stage = Stage::start().await;
    for path in ["/health", "/livez", "/readyz"] {
        let response = stage.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["status"], "ok", "{path}: {body}");
        assert_eq!(body["service"], "auth-service", "{path}: {body}");
    }
}

#[tokio::test]
async fn without_postgres_it_is_alive_and_not_ready_and_answers_503() {
    let database = TestDatabase::create(&MIGRATIONS).await;
    // Nobody listens on port 1.
    let stage = Stage::start_with(
        database,
        "postgres://pawl@127.0.0.1:1/pawl",
        Settings::new(),
    )
    .await;
    assert_eq!(stage.get("/health").await.status(), StatusCode::OK);
    // Which keys are believed stands in the table: to show some of them would withdraw the others.
    problem(
        stage.get("/.well-known/jwks.json").await,
        StatusCode::SERVICE_UNAVAILABLE,
        "unavailable",
    )
    .await;
    let ready = stage.get("/readyz").await;
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    let body: Value = ready.json().await.unwrap();
    assert_eq!(body["checks"]["postgres"], "away", "{body}");
    let login = stage.login("ada@example.org", "correct horse").await;
    assert_eq!(login.headers()["retry-after"], "1");
    problem(login, StatusCode::SERVICE_UNAVAILABLE, "unavailable").await;
}

#[tokio::test]
async fn what_no_route_takes_is_a_problem() {
    let stage = Stage::start().await;
    problem(
        stage.get("/nowhere").await,
        StatusCode::NOT_FOUND,
        "route_not_found",
    )
    .await;
    let wrong = stage.get("/api/v1/auth/login").await;
    assert_eq!(wrong.headers()["allow"], "POST");
    problem(wrong, StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed").await;
}

#[tokio::test]
async fn a_body_that_is_not_json_is_refused_by_kind() {
    let stage = Stage::start().await;
    let json = "application/json; charset=utf-8";
    let deep = "[".repeat(5000);
    let large = format!("{{\"email\":\"{}\"}}", "x".repeat(70_000));
    let cases = [
        (
            "text/plain",
            "{}",
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
        ),
        (json, "", StatusCode::BAD_REQUEST, "malformed_json"),
        (
            json,
            "{\"email\":",
            StatusCode::BAD_REQUEST,
            "malformed_json",
        ),
        (json, "{} {}", StatusCode::BAD_REQUEST, "malformed_json"),
        (
            json,
            deep.as_str(),
            StatusCode::BAD_REQUEST,
            "malformed_json",
        ),
        (
            json,
            "[\"ada@example.org\",\"correct horse\"]",
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_type",
        ),
        (
            json,
            "{\"email\":\"a@b.c\",\"email\":\"d@e.f\"}",
            StatusCode::BAD_REQUEST,
            "duplicate_field",
        ),
        (
            json,
            large.as_str(),
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
        ),
    ];
    for (kind, body, status, code) in cases {
        let response = stage
            .http
            .post(stage.url("/api/v1/auth/login"))
            .header("x-api-key", API_KEY)
            .header("content-type", kind)
            .body(body.to_owned())
            .send()
            .await
            .unwrap();
        problem(response, status, code).await;
    }
}

#[tokio::test]
async fn when_connections_swallow_what_is_sent_it_answers_503_in_time_and_then_goes_on_over_new_ones()
 {
    let database = TestDatabase::create(&MIGRATIONS).await;
    let (proxy, url) = database.behind_proxy().await;
    let stage = Stage::start_with(database, &url, Settings::new()).await;
    let (email, password) = ("ann@shop.example", "correct horse");
    stage.register(email, password).await;
    stage.tokens(stage.login(email, password).await).await;
    proxy.swallow();
    let began = Instant::now();
    // Not idle for long enough to be pinged before it is used.
    let refused = stage.login(email, password).await;
    assert_eq!(refused.headers()["retry-after"], "1");
    problem(refused, StatusCode::SERVICE_UNAVAILABLE, "unavailable").await;
    assert!(
        began.elapsed() < Duration::from_secs(12),
        "{:?}",
        began.elapsed()
    );
    let again = Instant::now();
    stage.tokens(stage.login(email, password).await).await;
    assert!(
        again.elapsed() < Duration::from_secs(5),
        "{:?}",
        again.elapsed()
    );
    assert_eq!(stage.get("/readyz").await.status(), StatusCode::OK);
}
