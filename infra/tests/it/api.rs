//! The parts of an API that all services share: bodies, ids in paths, problems, missing routes and health.

use std::convert::Infallible;

use axum::Router;
use axum::routing::{get, post};
use infra::health::{Readiness, routes};
use infra::http::body::{JsonBody, OptionalJsonBody};
use infra::http::code::{ALL, INTERNAL_ERROR, NOT_FOUND};
use infra::http::path::{PathId, PathIds};
use infra::http::problem::Problem;
use infra::http::routes::with_documents;
use infra::id::Account;
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::openapi::OpenApi;

use crate::http::start;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    count: u32,
    #[serde(default)]
    #[expect(dead_code, reason = "only its type matters")]
    names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    reason: Option<String>,
}

fn router() -> Router {
    let order = async |JsonBody(order): JsonBody<Order>| order.count.to_string();
    let note =
        async |OptionalJsonBody(note): OptionalJsonBody<Note>| note.reason.unwrap_or_default();
    let ready = async |()| {
        Readiness::new("test")
            .requires("database", Err("connection refused by db.internal"))
            .reports("queue", Ok::<(), Infallible>(()))
    };
    let router = Router::new()
        .route("/order", post(order))
        .route("/note", post(note))
        .route(
            "/one/{id}",
            get(async |PathId(id): PathId<Account>| id.to_string()),
        )
        .route(
            "/two/{a}/{b}",
            get(async |PathIds(_, b): PathIds<Account, Account>| b.to_string()),
        )
        .merge(routes("test", ready));
    let mut document = OpenApi::default();
    infra::health::describe(&mut document, "test", "It needs a database.");
    with_documents(router, &document)
}

async fn problem(response: Response) -> (u16, String, Option<String>) {
    let (status, headers) = (response.status(), response.headers().clone());
    assert_eq!(headers["content-type"], "application/problem+json");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["status"], status.as_u16(), "{body}");
    assert_eq!(
        body["request_id"],
        headers["x-request-id"].to_str().unwrap(),
        "{body}"
    );
    let text = |name: &str| body[name].as_str().map(str::to_owned);
    (status.as_u16(), text("code").unwrap(), text("param"))
}

#[test]
fn a_problem_says_what_programs_act_on() {
    let problem = Problem::new(NOT_FOUND, "There is no order 5.")
        .param("order")
        .request_id("req_1");
    assert_eq!(
        serde_json::to_value(problem).unwrap(),
        json!({
            "type": "/docs/errors.md#not_found",
            "title": "There is no such thing",
            "status": 404,
            "detail": "There is no order 5.",
            "code": "not_found",
            "param": "order",
            "request_id": "req_1",
            "retryable": false,
        })
    );
    assert!(Problem::internal().retryable && INTERNAL_ERROR.is_retryable());
}

#[test]
fn a_code_that_asks_for_a_retry_is_no_fault_of_the_request() {
    for code in ALL {
        let status = code.status();
        let later = status.is_server_error() || [408, 429].contains(&status.as_u16());
        assert_eq!(code.is_retryable(), later, "{}", code.as_str());
    }
}

/// Content type and body of requests that are refused, with the status, the code and the field of the problem.
const WRONG_BODIES: &[(&str, &str, u16, &str, Option<&str>)] = &[
    (
        "text/plain",
        r#"{"count":1}"#,
        415,
        "unsupported_media_type",
        Some("Content-Type"),
    ),
    ("application/json", "", 400, "malformed_json", None),
    ("application/json", "{", 400, "malformed_json", None),
    (
        "application/json",
        r#"{"count":1} x"#,
        400,
        "malformed_json",
        None,
    ),
    ("application/json", "[1]", 422, "invalid_type", None),
    (
        "application/json",
        r#"{"count":1,"count":1}"#,
        400,
        "duplicate_field",
        Some("count"),
    ),
    (
        "application/json",
        r#"{"count":1,"price":2}"#,
        422,
        "unknown_field",
        Some("price"),
    ),
    (
        "application/json",
        "{}",
        422,
        "missing_field",
        Some("count"),
    ),
    (
        "application/json",
        r#"{"count":"1"}"#,
        422,
        "invalid_type",
        Some("count"),
    ),
    (
        "application/json",
        r#"{"count":-1}"#,
        422,
        "invalid_field",
        Some("count"),
    ),
    (
        "application/json",
        r#"{"count":1,"names":[1]}"#,
        422,
        "invalid_type",
        Some("names[0]"),
    ),
];

#[tokio::test]
async fn a_body_is_read_as_its_type_or_refused_with_the_field_at_fault() {
    let stage = start(router()).await;
    let long = format!(r#"{{"count":1,"names":["{}"]}}"#, "x".repeat(65 * 1024));
    let too_long = (
        "application/json",
        long.as_str(),
        413,
        "body_too_large",
        None,
    );
    for (kind, body, status, code, param) in WRONG_BODIES.iter().copied().chain([too_long]) {
        let request = stage
            .http
            .post(stage.url("/order"))
            .header("content-type", kind);
        let refused = problem(request.body(body.to_owned()).send().await.unwrap()).await;
        let expected = (status, code.to_owned(), param.map(str::to_owned));
        assert_eq!(refused, expected, "{body:.40}");
    }
    let request = stage.http.post(stage.url("/order"));
    let request = request.header("content-type", "Application/JSON; charset=utf-8");
    let taken = request.body(r#" {"count":7} "#).send().await.unwrap();
    assert_eq!(taken.text().await.unwrap(), "7");
}

#[tokio::test]
async fn a_body_may_be_absent_where_no_field_is_required() {
    let stage = start(router()).await;
    let empty = stage.http.post(stage.url("/note")).send().await.unwrap();
    assert_eq!(empty.status(), StatusCode::OK);
    let request = stage
        .http
        .post(stage.url("/note"))
        .body(r#"{"reason":"x"}"#);
    let (status, code, _) = problem(request.send().await.unwrap()).await;
    assert_eq!((status, code.as_str()), (415, "unsupported_media_type"));
    let json = stage
        .http
        .post(stage.url("/note"))
        .json(&json!({"reason": "late"}));
    assert_eq!(json.send().await.unwrap().text().await.unwrap(), "late");
}

#[tokio::test]
async fn an_impossible_id_and_a_missing_route_are_problems() {
    let stage = start(router()).await;
    let id = "acct_01h2xcejqtf2nbrexx3vqjhp41";
    assert_eq!(
        stage.get(&format!("/one/{id}")).await.text().await.unwrap(),
        id
    );
    assert_eq!(
        stage
            .get(&format!("/two/{id}/{id}"))
            .await
            .text()
            .await
            .unwrap(),
        id
    );
    for path in [
        "/one/usr_01h2xcejqtf2nbrexx3vqjhp41".to_owned(),
        "/one/%ff".to_owned(),
        format!("/two/{id}/x"),
    ] {
        let (status, code, param) = problem(stage.get(&path).await).await;
        assert_eq!(
            (status, code.as_str(), param),
            (404, "not_found", None),
            "{path}"
        );
    }
    let (status, code, _) = problem(stage.get("/nowhere").await).await;
    assert_eq!((status, code.as_str()), (404, "route_not_found"));
    let response = stage.get("/order").await;
    assert_eq!(response.headers()["allow"], "POST");
    let (status, code, _) = problem(response).await;
    assert_eq!((status, code.as_str()), (405, "method_not_allowed"));
}

#[tokio::test]
async fn a_service_without_a_required_dependency_lives_and_is_not_ready() {
    let stage = start(router()).await;
    for path in ["/health", "/livez"] {
        let body: Value = stage.get(path).await.json().await.unwrap();
        assert_eq!(body, json!({"status": "ok", "service": "test"}), "{path}");
    }
    let ready = stage.get("/readyz").await;
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ready.headers()["retry-after"], "1");
    let body: Value = ready.json().await.unwrap();
    let checks = json!({"database": "away", "queue": "ok"});
    let expected = json!({"status": "unavailable", "service": "test", "checks": checks});
    assert_eq!(body, expected, "the cause stays in the log");
    let document: Value = stage.get("/openapi.json").await.json().await.unwrap();
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths, ["/health", "/livez", "/readyz"]);
    let errors = stage.get("/docs/errors.md").await.text().await.unwrap();
    assert!(errors.contains("### not_found\n"));
}
