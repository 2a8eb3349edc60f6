//! A webhook is acknowledged when its row is committed; a broken one leaves no row.

use std::time::{Duration, Instant};

use engine::webhook::signature::sign;
use infra::env::SecretString;
use infra::testing::unique;
use reqwest::{Method, Response, StatusCode};
use serde_json::json;
use time::OffsetDateTime;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::stage::{Stage, WEBHOOK_SECRETS, problem};

fn event(id: &str, kind: &str) -> String {
    json!({
        "id": id, "object": "event", "type": kind, "created": OffsetDateTime::now_utc().unix_timestamp(), "livemode": false,
        "data": {"object": {"id": "cus_1", "object": "customer"}},
    })
    .to_string()
}

pub(crate) fn signature(body: &str, secret: &str, seconds_ahead: i64) -> String {
    sign(
        body.as_bytes(),
        &SecretString::from(secret),
        OffsetDateTime::now_utc().unix_timestamp() + seconds_ahead,
    )
}

pub(crate) async fn deliver(stage: &Stage, body: &str, signature: Option<&str>) -> Response {
    let request = stage
        .bare(Method::POST, "/webhooks/stripe")
        .header("content-type", "application/json");
    let request = match signature {
        Some(signature) => request.header("stripe-signature", signature),
        None => request,
    };
    request.body(body.to_owned()).send().await.unwrap()
}

#[tokio::test]
async fn an_event_of_any_type_is_kept_once_and_acknowledged_each_time() {
    let stage = Stage::start().await;
    let body = event(&unique("evt"), "customer.created");
    for secret in WEBHOOK_SECRETS {
        let response = deliver(&stage, &body, Some(&signature(&body, secret, 0))).await;
        assert_eq!(response.status(), StatusCode::OK);
    }
    assert_eq!(stage.count("inbox").await, 1);
}

#[tokio::test]
async fn what_stripe_did_not_sign_is_refused_and_leaves_no_row() {
    let stage = Stage::start().await;
    let body = event(&unique("evt"), "payment_intent.succeeded");
    let good = signature(&body, WEBHOOK_SECRETS[0], 0);
    let reserialised =
        serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(&body).unwrap())
            .unwrap();
    let cases = [
        (body.as_str(), None),
        (body.as_str(), Some(String::new())),
        (body.as_str(), Some("t=1,v1=00".to_owned())),
        (body.as_str(), Some(good.replace("v1=", "v0="))),
        (
            body.as_str(),
            Some(signature(&body, "whsec_of_somebody_else", 0)),
        ),
        (
            body.as_str(),
            Some(signature(&body, WEBHOOK_SECRETS[0], -302)),
        ),
        (
            body.as_str(),
            Some(signature(&body, WEBHOOK_SECRETS[0], 302)),
        ),
        (reserialised.as_str(), Some(good.clone())),
    ];
    for (body, signature) in cases {
        let response = deliver(&stage, body, signature.as_deref()).await;
        problem(response, 400, "webhook_invalid", Some("Stripe-Signature")).await;
    }
    assert_eq!(stage.count("inbox").await, 0);
}

#[tokio::test]
async fn whatever_stripe_signed_is_kept_and_acknowledged() {
    let stage = Stage::start().await;
    let long = format!(r#"{{"id":"{}","type":"x"}}"#, "e".repeat(256));
    let thin = r#"{"id":"evt_thin","object":"v2.core.event","type":"v1.billing.meter.no_meter_found",
        "created":"2026-11-26T09:00:00.000Z","livemode":false,"related_object":{"id":"mtr_1","type":"billing.meter"}}"#;
    let bodies = [
        "",
        "{",
        "null",
        "[]",
        "{}",
        r#"{"id":"evt_1"}"#,
        r#"{"id":7,"type":"x"}"#,
        r#"{"id":"evt_2","type":"x\u0000","created":"now"}"#,
        r#"{"id":"evt_\u0000\ud800","type":"x"}"#,
        thin,
        &long,
    ];
    for body in bodies {
        for _ in 0..2 {
            let signed = signature(body, WEBHOOK_SECRETS[1], 0);
            let response = deliver(&stage, body, Some(&signed)).await;
            assert_eq!(response.status(), StatusCode::OK, "{body}");
        }
    }
    let kept = i64::try_from(bodies.len()).unwrap();
    assert_eq!(stage.count("inbox").await, kept);
}

/// Evidence of a dispute is text of up to 150 KB.
fn dispute(id: &str, bytes: usize) -> String {
    json!({
        "id": id, "object": "event", "type": "charge.dispute.updated", "created": 1, "livemode": false,
        "data": {"object": {"id": "dp_1", "object": "dispute", "evidence": {"uncategorized_text": "e".repeat(bytes)}}},
    })
    .to_string()
}

#[tokio::test]
async fn an_event_may_be_as_long_as_a_mebibyte() {
    let stage = Stage::start().await;
    for kib in [63, 65, 100, 150, 1023] {
        let body = dispute(&unique("evt"), kib * 1024);
        let signed = signature(&body, WEBHOOK_SECRETS[1], 0);
        let response = deliver(&stage, &body, Some(&signed)).await;
        assert_eq!(response.status(), StatusCode::OK, "{kib} KiB");
        let kept: Vec<u8> =
            sqlx::query_scalar("select payload from inbox order by received_at desc limit 1")
                .fetch_one(stage.database.pool())
                .await
                .unwrap();
        assert_eq!(kept, body.as_bytes(), "{kib} KiB");
    }
    let over = dispute("evt_over", 1 << 20);
    let signed = signature(&over, WEBHOOK_SECRETS[1], 0);
    let response = deliver(&stage, &over, Some(&signed)).await;
    problem(response, 413, "body_too_large", None).await;
    assert_eq!(stage.count("inbox").await, 5);
}

#[tokio::test]
async fn past_sixteen_long_events_at_once_stripe_is_told_to_wait_and_short_ones_are_kept() {
    let stage = Stage::start().await;
    let host = stage.base.strip_prefix("http://").unwrap();
    // Clients that send most of a long body and then nothing.
    let mut stalled = Vec::new();
    for _ in 0..16 {
        let mut stream = TcpStream::connect(host).await.unwrap();
        let head = format!(
            "POST /webhooks/stripe HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100000\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
            .write_all("x".repeat(90_000).as_bytes())
            .await
            .unwrap();
        stalled.push(stream);
    }
    let send = async |bytes: usize| {
        let body = dispute(&unique("evt"), bytes);
        let signed = signature(&body, WEBHOOK_SECRETS[1], 0);
        deliver(&stage, &body, Some(&signed)).await
    };
    // The last of the sixteen may not have been read yet.
    let deadline = Instant::now() + Duration::from_secs(10);
    let refused = loop {
        let response = send(100 * 1024).await;
        if response.status() != StatusCode::OK || Instant::now() > deadline {
            break response;
        }
    };
    assert_eq!(refused.headers()["retry-after"], "1");
    problem(refused, 503, "unavailable", None).await;
    assert_eq!(send(1024).await.status(), StatusCode::OK);
    drop(stalled);
    while send(100 * 1024).await.status() != StatusCode::OK {
        assert!(Instant::now() < deadline, "the places are not given back");
    }
}
