//! What the client sends, byte for byte, and what it makes of answers that no simulator would give.

use std::time::Duration;

use contracts::id::{PaymentId, RefundId};
use engine::RequestMark;
use engine::stripe::breaker::State;
use engine::stripe::{
    Class, ConfirmIntent, CreateIntent, CreateRefund, Created, Failure, IdempotencyKey, VERSION,
};
use infra::id::AccountId;
use uuid::Uuid;

use super::canned::{Canned, Reply, client, http};

const INTENT: &str = r#"{"id":"pi_1","object":"payment_intent","status":"succeeded","amount":1099,"currency":"eur"}"#;

fn key() -> IdempotencyKey {
    IdempotencyKey::parse("the-key").unwrap()
}

/// The mark of a client's request.
fn mark(reference: Option<&str>) -> RequestMark {
    RequestMark {
        idempotency_key: "key of the client".to_owned(),
        body_hash: "07".repeat(32),
        reference: reference.map(str::to_owned),
    }
}

fn new_intent(payment: Uuid) -> CreateIntent {
    CreateIntent {
        payment,
        account: Uuid::from_u128(7),
        amount: 1099,
        currency: "eur".into(),
        manual_capture: true,
        multicapture: false,
        payment_method_types: Vec::new(),
        payment_method: Some("pm_card_visa".into()),
        redirects: false,
        description: Some("A mug & a spoon".into()),
        statement_descriptor: None,
        receipt_email: None,
        request: Some(mark(Some("order-1"))),
    }
}

async fn confirm(server: &Canned) -> Failure {
    server
        .client()
        .confirm_intent("pi_1", &ConfirmIntent::default(), &key())
        .await
        .unwrap_err()
}

#[tokio::test]
async fn a_post_carries_the_key_the_version_and_the_form() {
    let server = Canned::with(http("200 OK", "Request-Id: req_1\r\n", INTENT)).await;
    let payment = Uuid::from_u128(5);
    let answered = server
        .client()
        .create_intent(&new_intent(payment), &key())
        .await
        .unwrap();
    assert_eq!(answered.object.id, "pi_1");
    assert_eq!(answered.request_id.as_deref(), Some("req_1"));
    assert!(!answered.replayed);

    let request = server.requests().pop().unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("POST /v1/payment_intents HTTP/1.1"),
        "{head}"
    );
    let head = head.to_lowercase();
    for line in [
        "idempotency-key: the-key",
        "authorization: bearer sk_test_canned",
        &format!("stripe-version: {VERSION}"),
        "user-agent: pawl/",
        "content-type: application/x-www-form-urlencoded",
    ] {
        assert!(head.contains(line), "{line} is missing in {head}");
    }
    let form: Vec<(String, String)> = serde_urlencoded::from_str(body).unwrap();
    let account = AccountId::from_uuid(Uuid::from_u128(7)).to_string();
    let payment = PaymentId::from_uuid(payment).to_string();
    for (name, value) in [
        ("amount", "1099"),
        ("currency", "eur"),
        ("capture_method", "manual"),
        ("automatic_payment_methods[allow_redirects]", "never"),
        ("payment_method", "pm_card_visa"),
        ("description", "A mug & a spoon"),
        ("metadata[payment_id]", &payment),
        ("metadata[account_id]", &account),
        ("metadata[idempotency_key]", "key of the client"),
        ("metadata[body_hash]", &"07".repeat(32)),
        ("metadata[reference]", "order-1"),
        ("expand[]", "latest_charge"),
    ] {
        assert!(
            form.contains(&(name.to_owned(), value.to_owned())),
            "{name} in {form:?}"
        );
    }
    assert!(
        !form.iter().any(|(name, _)| name == "confirm"),
        "an intent is created without confirming it"
    );
}

#[tokio::test]
async fn a_refund_names_what_it_is_for() {
    let refund = r#"{"id":"re_1","status":"succeeded","amount":5,"currency":"eur"}"#;
    let server = Canned::with(http("200 OK", "Idempotent-Replayed: true\r\n", refund)).await;
    let [refund, payment, account] = [1, 2, 3].map(Uuid::from_u128);
    let new = CreateRefund {
        refund,
        payment,
        account,
        intent_id: "pi_1".into(),
        amount: 5,
        reason: None,
        request: Some(mark(None)),
    };
    let answered = server.client().create_refund(&new, &key()).await.unwrap();
    assert!(answered.replayed);
    let request = server.requests().pop().unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /v1/refunds "));
    assert_eq!(
        serde_urlencoded::from_str::<Vec<(String, String)>>(body).unwrap(),
        [
            ("payment_intent", "pi_1".to_owned()),
            ("amount", "5".to_owned()),
            (
                "metadata[refund_id]",
                RefundId::from_uuid(refund).to_string()
            ),
            (
                "metadata[payment_id]",
                PaymentId::from_uuid(payment).to_string()
            ),
            (
                "metadata[account_id]",
                AccountId::from_uuid(account).to_string()
            ),
            ("metadata[idempotency_key]", "key of the client".to_owned()),
            ("metadata[body_hash]", "07".repeat(32)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
    );
}

#[tokio::test]
async fn without_a_connection_nothing_was_sent() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let client = client(&format!("http://{free}"));
    let failure = client
        .confirm_intent("pi_1", &ConfirmIntent::default(), &key())
        .await
        .unwrap_err();
    assert_eq!(failure.class, Class::Retry);
    assert!(!failure.sent);
}

#[tokio::test]
async fn a_connection_that_ends_without_an_answer_is_unknown() {
    let server = Canned::with(Reply::Bytes(Vec::new())).await;
    let failure = confirm(&server).await;
    assert_eq!(failure.class, Class::Unknown);
    assert!(failure.sent);
    assert_eq!(failure.status, None);
    assert_eq!(
        server.requests().len(),
        1,
        "a POST is never repeated by the client itself"
    );
}

#[tokio::test]
async fn silence_after_sending_is_unknown() {
    let server = Canned::with(Reply::Silence).await;
    let failure = confirm(&server).await;
    assert_eq!(failure.class, Class::Unknown);
    assert_eq!(failure.message, "no answer in time");
}

#[tokio::test]
async fn a_read_without_an_answer_is_just_asked_again() {
    let server = Canned::with(Reply::Silence).await;
    let failure = server.client().retrieve_intent("pi_1").await.unwrap_err();
    assert_eq!(failure.class, Class::Retry);
}

#[tokio::test]
async fn bodies_that_cannot_be_read_are_unknown() {
    let html = "<html><body>Bad gateway</body></html>";
    let truncated = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"id\":\"pi_1\",".to_vec();
    let huge = format!("{{\"id\":\"{}\"}}", "x".repeat(10 << 20));
    for reply in [
        http("200 OK", "", html),
        http("502 Bad Gateway", "Content-Type: text/html\r\n", html),
        http("402 Payment Required", "", "{}"),
        http("200 OK", "", "{\"id\":\"pi_1\"}"),
        http("200 OK", "", &huge),
        http("302 Found", "Location: https://example.com/\r\n", ""),
        Reply::Bytes(truncated),
    ] {
        let server = Canned::with(reply).await;
        let failure = confirm(&server).await;
        assert_eq!(failure.class, Class::Unknown, "{failure}");
        assert!(failure.sent);
        assert!(failure.message.len() < 600, "{failure}");
    }
}

#[tokio::test]
async fn a_decline_brings_the_intent_and_the_error() {
    let body = format!(
        r#"{{"error":{{"type":"card_error","code":"card_declined","decline_code":"insufficient_funds","message":"No.","charge":"ch_1","payment_intent":{}}}}}"#,
        INTENT.replace("succeeded", "requires_payment_method")
    );
    let server = Canned::with(http("402 Payment Required", "Request-Id: req_2\r\n", &body)).await;
    let failure = confirm(&server).await;
    assert_eq!(failure.class, Class::Business);
    assert_eq!(failure.intent.unwrap().id, "pi_1");
    let error = failure.error.unwrap();
    assert_eq!(error.kind.as_deref(), Some("card_error"));
    assert_eq!(error.decline_code.as_deref(), Some("insufficient_funds"));
    assert_eq!(error.charge.as_deref(), Some("ch_1"));
    assert_eq!(failure.request_id.as_deref(), Some("req_2"));
}

#[tokio::test]
async fn a_saved_error_is_told_from_one_to_retry() {
    let body = r#"{"error":{"type":"api_error","message":"Sorry."}}"#;
    for (headers, class) in [
        ("Stripe-Should-Retry: false\r\n", Class::Saved),
        ("Stripe-Should-Retry: true\r\n", Class::Retry),
        ("Idempotent-Replayed: true\r\n", Class::Saved),
        ("", Class::Retry),
    ] {
        let server = Canned::with(http("500 Internal Server Error", headers, body)).await;
        assert_eq!(confirm(&server).await.class, class, "{headers}");
    }
}

#[tokio::test]
async fn a_429_says_how_long_to_wait_and_when_that_was() {
    let body = r#"{"error":{"type":"invalid_request_error","code":"rate_limit"}}"#;
    let server = Canned::with(http(
        "429 Too Many Requests",
        "Retry-After: 3\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
        body,
    ))
    .await;
    let failure = confirm(&server).await;
    assert_eq!(failure.class, Class::Retry);
    assert_eq!(failure.retry_after, Some(Duration::from_secs(3)));
    assert_eq!(failure.answered_at, Some(784_111_777));
}

#[tokio::test]
async fn a_storm_opens_the_breaker_and_then_nothing_is_sent() {
    let body = r#"{"error":{"type":"invalid_request_error","code":"rate_limit"}}"#;
    let server = Canned::with(http("429 Too Many Requests", "Retry-After: 9\r\n", body)).await;
    let client = server.client();
    assert!(client.ready().is_ok());
    for _ in 0..20 {
        client.retrieve_charge("ch_1").await.unwrap_err();
    }
    assert!(client.ready().is_err());
    assert!(matches!(client.state(), State::Open { .. }));
    let failure = client.retrieve_charge("ch_1").await.unwrap_err();
    assert!(!failure.sent);
    assert_eq!(failure.class, Class::Retry);
    assert!(failure.retry_after.unwrap() > Duration::from_secs(5));
    assert_eq!(server.requests().len(), 20);
}

#[tokio::test]
async fn an_id_that_would_change_the_path_is_never_sent() {
    let server = Canned::with(http("200 OK", "", INTENT)).await;
    for id in ["", "../charges", "pi_1/confirm", "pi_1?x", "pi 1"] {
        let failure = server.client().retrieve_intent(id).await.unwrap_err();
        assert_eq!(failure.class, Class::Impossible, "{id}");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_lost_intent_is_found_on_a_later_page() {
    let payment = Uuid::from_u128(5);
    let first = format!(r#"{{"data":[{INTENT}],"has_more":true}}"#);
    let marked = INTENT.replace("pi_1", "pi_2").replace(
        r#""amount""#,
        &format!(r#""metadata":{{"payment_id":"{payment}"}},"amount""#),
    );
    let second = format!(r#"{{"data":[{marked}],"has_more":true}}"#);
    let server = Canned::start(vec![
        http("200 OK", "", &first),
        http("200 OK", "", &second),
    ])
    .await;
    let created = Created { from: 100, to: 200 };
    let found = server.client().find_intent(payment, created).await.unwrap();
    assert_eq!(found.object.unwrap().id, "pi_2");
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert!(
        requests[0].contains("created%5Bgte%5D=100&created%5Blte%5D=200"),
        "{}",
        requests[0]
    );
    assert!(
        requests[1].contains("starting_after=pi_1"),
        "{}",
        requests[1]
    );
}
