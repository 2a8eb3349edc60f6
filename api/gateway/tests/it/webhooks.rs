//! A webhook is acknowledged when its row is committed; a broken one leaves no row.

use engine::webhook::signature::sign;
use infra::env::SecretString;
use infra::testing::unique;
use reqwest::{Method, Response, StatusCode};
use serde_json::json;
use time::OffsetDateTime;

use crate::stage::{Stage, WEBHOOK_SECRETS, problem};

fn event(id: &str, kind: &str) -> String {
    json!({
        "id": id, "object": "event", "type": kind, "created": OffsetDateTime::now_utc().unix_timestamp(), "livemode": false,
        "data": {"object": {"id": "cus_1", "object": "customer"}},
    })
    .to_string()
}

fn signature(body: &str, secret: &str, seconds_ahead: i64) -> String {
    sign(
        body.as_bytes(),
        &SecretString::from(secret),
        OffsetDateTime::now_utc().unix_timestamp() + seconds_ahead,
    )
}

async fn deliver(stage: &Stage, body: &str, signature: Option<&str>) -> Response {
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
