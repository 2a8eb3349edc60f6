//! A broken request gets a problem that names what is wrong, and leaves nothing behind.

use infra::testing::unique;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::stage::{PAYMENTS, Stage, mug, path_of, problem};

/// Body, status, code, field.
type Case = (&'static str, u16, &'static str, Option<&'static str>);

const CREATES: &[Case] = &[
    ("{", 400, "malformed_json", None),
    ("{} {}", 400, "malformed_json", None),
    (
        r#"{"amount":1,"amount":1,"currency":"eur"}"#,
        400,
        "duplicate_field",
        Some("amount"),
    ),
    ("[]", 422, "invalid_type", None),
    ("{}", 422, "missing_field", Some("amount")),
    (r#"{"amount":100}"#, 422, "missing_field", Some("currency")),
    (
        r#"{"amount":0,"currency":"eur"}"#,
        422,
        "invalid_amount",
        Some("amount"),
    ),
    (
        r#"{"amount":-1,"currency":"eur"}"#,
        422,
        "invalid_amount",
        Some("amount"),
    ),
    (
        r#"{"amount":1.5,"currency":"eur"}"#,
        422,
        "invalid_type",
        Some("amount"),
    ),
    (
        r#"{"amount":"100","currency":"eur"}"#,
        422,
        "invalid_type",
        Some("amount"),
    ),
    (
        r#"{"amount":9007199254740993,"currency":"eur"}"#,
        422,
        "invalid_amount",
        Some("amount"),
    ),
    (
        r#"{"amount":9223372036854775808,"currency":"eur"}"#,
        422,
        "invalid_amount",
        Some("amount"),
    ),
    (
        r#"{"amount":1001,"currency":"kwd"}"#,
        422,
        "invalid_amount",
        Some("amount"),
    ),
    (
        r#"{"amount":100,"currency":"zzz"}"#,
        422,
        "unknown_currency",
        Some("currency"),
    ),
    (
        r#"{"amount":100,"currency":"eur","status":"succeeded"}"#,
        422,
        "unknown_field",
        Some("status"),
    ),
    (
        r#"{"amount":100,"currency":"eur","user_id":"usr_1"}"#,
        422,
        "unknown_field",
        Some("user_id"),
    ),
    (
        r#"{"amount":100,"currency":"eur","version":7}"#,
        422,
        "unknown_field",
        Some("version"),
    ),
    (
        r#"{"amount":100,"currency":"eur","stripe_id":"pi_1"}"#,
        422,
        "unknown_field",
        Some("stripe_id"),
    ),
    (
        r#"{"amount":100,"currency":"eur","confirm":true}"#,
        422,
        "missing_field",
        Some("payment_method"),
    ),
    (
        r#"{"amount":100,"currency":"eur","capture_method":"never"}"#,
        422,
        "invalid_field",
        Some("capture_method"),
    ),
    (
        r#"{"amount":100,"currency":"eur","reference":"\u0000"}"#,
        422,
        "invalid_field",
        Some("reference"),
    ),
    (
        r#"{"amount":100,"currency":"eur","metadata":{"card":"4242 4242 4242 4242"}}"#,
        422,
        "card_data",
        Some("metadata.card"),
    ),
    (
        r#"{"amount":100,"currency":"eur","card":{"cvc":"123"}}"#,
        422,
        "card_data",
        Some("card.cvc"),
    ),
];

#[tokio::test]
async fn a_broken_payment_is_refused_by_the_name_of_its_field() {
    let stage = Stage::start().await;
    for (body, status, code, param) in CREATES {
        let response = stage.post_raw(PAYMENTS, &unique("key"), *body).await;
        let problem = problem(response, *status, code, *param).await;
        assert_eq!(problem["retryable"], false, "{body}");
        assert!(
            !problem.to_string().contains("4242"),
            "a card number came back"
        );
    }
    assert_eq!(stage.count("payment").await, 0);
    assert_eq!(stage.count("idempotency").await, 0);
}

#[tokio::test]
async fn a_body_must_be_json_by_its_content_type() {
    let stage = Stage::start().await;
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "",
    ] {
        let request = stage
            .request(Method::POST, PAYMENTS)
            .header("idempotency-key", unique("key"));
        let response = request
            .header("content-type", kind)
            .body(mug().to_string())
            .send()
            .await
            .unwrap();
        problem(
            response,
            415,
            "unsupported_media_type",
            Some("Content-Type"),
        )
        .await;
    }
    let request = stage
        .request(Method::POST, PAYMENTS)
        .header("idempotency-key", unique("key"));
    let typed = request
        .header("content-type", "Application/JSON; charset=utf-8")
        .body(mug().to_string());
    assert_eq!(typed.send().await.unwrap().status(), StatusCode::CREATED);
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_whether_or_not_its_length_is_declared() {
    let stage = Stage::start().await;
    let long =
        json!({"amount": 1, "currency": "eur", "description": "x".repeat(70_000)}).to_string();
    problem(
        stage.post_raw(PAYMENTS, &unique("key"), long.clone()).await,
        413,
        "body_too_large",
        None,
    )
    .await;
    assert_eq!(
        chunked(&stage, &long).await,
        "HTTP/1.1 413 Payload Too Large"
    );
    assert_eq!(
        chunked(&stage, &mug().to_string()).await,
        "HTTP/1.1 201 Created"
    );
}

/// The first line of the answer to a payment whose length is not declared.
async fn chunked(stage: &Stage, body: &str) -> String {
    let address = stage.base.trim_start_matches("http://");
    let mut connection = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST {PAYMENTS} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\nidempotency-key: {}\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        stage.token,
        unique("key"),
        body.len(),
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.ok();
    answer.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn commands_are_refused_by_the_name_of_their_field() {
    let stage = Stage::start().await;
    let payment = stage.payment().await;
    for (command, body, code, param) in [
        (
            "/confirm",
            r#"{"payment_method":"4242424242424242"}"#,
            "card_data",
            "payment_method",
        ),
        ("/confirm", r#"{"amount":1}"#, "unknown_field", "amount"),
        (
            "/confirm",
            r#"{"return_url":"nowhere"}"#,
            "invalid_field",
            "return_url",
        ),
        ("/capture", r#"{"amount":0}"#, "invalid_amount", "amount"),
        ("/capture", r#"{"amount":"1"}"#, "invalid_type", "amount"),
        (
            "/cancel",
            r#"{"reason":"boredom"}"#,
            "invalid_field",
            "reason",
        ),
        ("/refunds", r#"{"amount":-1}"#, "invalid_amount", "amount"),
        (
            "/refunds",
            r#"{"reason":"boredom"}"#,
            "invalid_field",
            "reason",
        ),
    ] {
        let response = stage
            .post_raw(&path_of(&payment, command), &unique("key"), body)
            .await;
        problem(response, 422, code, Some(param)).await;
    }
}

#[tokio::test]
async fn a_payment_that_is_not_ready_for_a_command_says_so() {
    let stage = Stage::start().await;
    let payment = stage.payment().await;
    for command in ["/confirm", "/capture", "/refunds"] {
        let response = stage.post(&path_of(&payment, command), &json!({})).await;
        problem(response, 409, "unexpected_state", None).await;
    }
}

#[tokio::test]
async fn an_unknown_route_is_404_and_a_wrong_method_405_that_names_the_right_ones() {
    let stage = Stage::start().await;
    problem(
        stage.get("/api/v1/payouts").await,
        404,
        "route_not_found",
        None,
    )
    .await;
    for (method, path, allowed) in [
        (Method::DELETE, PAYMENTS, vec!["GET", "POST"]),
        (
            Method::PUT,
            "/api/v1/payments/pay_01h2xcejqtf2nbrexx3vqjhp41",
            vec!["GET"],
        ),
        (Method::GET, "/webhooks/stripe", vec!["POST"]),
        (Method::POST, "/health", vec!["GET"]),
    ] {
        let response = stage.request(method, path).send().await.unwrap();
        let allow = response.headers()["allow"].to_str().unwrap().to_owned();
        for method in allowed {
            assert!(
                allow.split(',').any(|word| word.trim() == method),
                "{path}: {allow}"
            );
        }
        problem(response, 405, "method_not_allowed", None).await;
    }
}

#[tokio::test]
async fn nobody_gets_in_without_a_token_or_a_key() {
    let stage = Stage::start().await;
    for (method, path) in [
        (Method::POST, PAYMENTS.to_owned()),
        (Method::GET, PAYMENTS.to_owned()),
        (
            Method::GET,
            format!("{PAYMENTS}/pay_01h2xcejqtf2nbrexx3vqjhp41"),
        ),
        (
            Method::POST,
            format!("{PAYMENTS}/pay_01h2xcejqtf2nbrexx3vqjhp41/confirm"),
        ),
        (
            Method::GET,
            "/api/v1/refunds/re_01h2xcejqtf2nbrexx3vqjhp41".to_owned(),
        ),
        (Method::GET, "/api/v1/payment_intents/pi_1".to_owned()),
    ] {
        let response = stage.bare(method, &path).send().await.unwrap();
        assert!(
            response.headers().contains_key("www-authenticate"),
            "{path}"
        );
        problem(response, 401, "unauthenticated", None).await;
    }
}
