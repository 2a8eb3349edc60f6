//! Any JSON string, through every entrance: clients' bodies, queries and paths, Stripe's webhooks and answers, and the
//! answers of merchants. None leads to a 5xx, to a dead job, or to work that never ends.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method as AxumMethod, StatusCode as AxumStatus, Uri};
use axum::response::{IntoResponse, Response as AxumResponse};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::moving::{eventually, stripe, waiting, work};
use crate::stage::{PAYMENTS, Stage, WEBHOOK_SECRETS, body, created, listen, path_of};
use crate::webhooks::{deliver, signature};

/// How many texts each entrance gets.
const TEXTS: usize = 24;

/// Bodies of requests; `TEXT` is a string as JSON writes it.
const BODIES: [(&str, &[&str]); 6] = [
    (
        "",
        &[
            r#"{"amount":1099,"currency":"eur","payment_method":TEXT}"#,
            r#"{"amount":1099,"currency":"eur","reference":TEXT}"#,
            r#"{"amount":1099,"currency":"eur","description":TEXT}"#,
            r#"{"amount":1099,"currency":"eur","statement_descriptor":TEXT}"#,
            r#"{"amount":1099,"currency":"eur","return_url":TEXT}"#,
            r#"{"amount":1099,"currency":"eur","customer":{"name":TEXT}}"#,
            r#"{"amount":1099,"currency":"eur","customer":{"email":TEXT}}"#,
            r#"{"amount":1099,"currency":"eur","metadata":{"key":TEXT}}"#,
            r#"{"amount":1099,"currency":"eur","metadata":{TEXT:"value"}}"#,
            r#"{"amount":1099,"currency":"eur",TEXT:TEXT}"#,
            r#"{"amount":1099,"currency":TEXT}"#,
            r#"{"amount":TEXT,"currency":"eur"}"#,
            "TEXT",
        ],
    ),
    (
        "/ID/confirm",
        &[r#"{"payment_method":TEXT}"#, r#"{"return_url":TEXT}"#],
    ),
    ("/ID/capture", &[r#"{"amount":TEXT}"#]),
    ("/ID/cancel", &[r#"{"reason":TEXT}"#]),
    ("/ID/refunds", &[r#"{"reason":TEXT}"#]),
    (
        "/../webhook_endpoints",
        &[
            r#"{"url":TEXT}"#,
            r#"{"url":"https://shop.example/","description":TEXT}"#,
            r#"{"url":"https://shop.example/","enabled_events":[TEXT]}"#,
        ],
    ),
];

/// Strings as JSON writes them, without their quotes: always the same ones.
fn texts() -> Vec<String> {
    let piece = prop_oneof![
        any::<char>().prop_map(|letter| {
            let quoted = serde_json::to_string(&letter).unwrap();
            quoted[1..quoted.len() - 1].to_owned()
        }),
        prop::sample::select(vec![
            "\\u0000",
            "\\ud800",
            "\\udfff",
            "\\udc00\\ud800",
            "\\ud83d\\ude00",
            "\\u202e",
            "\u{202e}",
            "\u{1d54f}",
            "\\u0001",
            "e\\u0301",
            "\u{feff}",
            "\\\"",
            "\\\\",
            "\\/",
            "%00",
            "%ff",
            "'; --",
            "{}",
            "[]",
            "pay_",
            "\\u2028",
            " ",
        ])
        .prop_map(str::to_owned),
        (1_usize..3000).prop_map(|length| "x".repeat(length)),
    ];
    let text = prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat());
    let mut runner = TestRunner::deterministic();
    let mut texts: Vec<String> = ["", "\\u0000", "\\ud800", "a\\udc00b"]
        .map(str::to_owned)
        .into();
    texts.extend((texts.len()..TEXTS).map(|_| text.new_tree(&mut runner).unwrap().current()));
    texts
}

/// The bytes of a text in an address, where each is escaped; half of a surrogate pair as three bytes that are no UTF-8.
fn escaped(text: &str) -> String {
    let document = format!("\"{text}\"");
    let bytes = match serde_json::from_str::<String>(&document) {
        Ok(text) => text.into_bytes(),
        Err(_) => vec![0xed, 0xa0, 0x80],
    };
    bytes
        .iter()
        .map(|byte| format!("%{byte:02x}"))
        .collect::<Vec<_>>()
        .concat()
}

/// Checks that a request was accepted, or refused with a whole problem; returns whether it was accepted.
async fn accepted(response: Response, what: &str) -> bool {
    let status = response.status();
    let kind = response.headers().get("content-type").cloned();
    let text = response.text().await.unwrap();
    assert!(!status.is_server_error(), "{what}: {status} {text}");
    if status.is_client_error() {
        assert_eq!(kind.unwrap(), "application/problem+json", "{what}");
        let problem: Value = serde_json::from_str(&text).unwrap();
        assert!(problem["code"].is_string(), "{what}: {text}");
        assert_ne!(problem["detail"], "", "{what}");
    }
    status.is_success()
}

async fn managed() -> Stage {
    let mut stage = Stage::start().await;
    stage.token = stage.admin();
    stage
}

/// Waits until no job, webhook or delivery is left to do, and checks that none is dead.
async fn assert_all_work_ended(stage: &Stage) {
    let open = "select (select count(*) from job where state <> 'done') + (select count(*) from inbox_open)
        + (select count(*) from delivery where status = 'pending')";
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let left: i64 = sqlx::query_scalar(open)
            .fetch_one(stage.database.pool())
            .await
            .unwrap();
        if left == 0 {
            return;
        }
        let dead = stage.count("job where state = 'dead'").await;
        assert_eq!(dead, 0, "dead jobs");
        assert!(
            tokio::time::Instant::now() < deadline,
            "{left} are left to do"
        );
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_text_of_a_client_is_accepted_or_refused_with_the_reason() {
    let stage = managed().await;
    let payment = stage.payment().await;
    let id = payment["id"].as_str().unwrap();
    let mut taken = 0;
    for text in texts() {
        let quoted = format!("\"{text}\"");
        for (path, bodies) in BODIES {
            let path = format!("{PAYMENTS}{path}")
                .replace("ID", id)
                .replace("payments/../", "");
            for template in bodies {
                let sent = template.replace("TEXT", &quoted);
                let response = stage
                    .post_raw(&path, &infra::testing::unique("key"), sent.clone())
                    .await;
                taken += usize::from(accepted(response, &format!("{path} {sent}")).await);
            }
        }
        let text = escaped(&text);
        for path in [
            format!("?reference={text}"),
            format!("?metadata%5Ba%5D={text}"),
            format!("?metadata%5B{text}%5D=a"),
            format!("?status={text}"),
            format!("?created%5Bgte%5D={text}"),
            format!("?amount={text}"),
            format!("?limit={text}"),
            format!("?starting_after={text}"),
            format!("?{text}={text}"),
            format!("/{text}"),
            format!("/{id}/refunds?limit={text}"),
            format!("/{id}/events?starting_after={text}"),
        ] {
            let path = format!("{PAYMENTS}{path}");
            accepted(stage.get(&path).await, &path).await;
        }
        for path in ["refunds", "payment_intents", "webhook_endpoints"] {
            let path = format!("/api/v1/{path}/{text}");
            accepted(stage.get(&path).await, &path).await;
        }
    }
    assert!(taken > 10, "only {taken} were accepted");
    // What was accepted can be listed.
    accepted(
        stage.get(&format!("{PAYMENTS}?limit=100")).await,
        "the list",
    )
    .await;
}

#[tokio::test]
async fn a_text_of_a_webhook_stops_no_event() {
    let stage = managed().await;
    let stripe = stripe(&stage, Vec::new()).await;
    work(&stage, stripe);
    let sent = json!({"amount": 1099, "currency": "eur", "payment_method": "pm_card_threeDSecure2Required",
        "confirm": true, "return_url": "https://shop.example/"});
    let payment = created(waiting(&stage, PAYMENTS, &sent).await).await;
    let (id, intent) = (
        payment["id"].as_str().unwrap(),
        payment["intent_id"].as_str().unwrap(),
    );
    let object = format!(
        r#"{{"id":"{intent}","object":"payment_intent","status":"requires_payment_method","amount":1099,"currency":"eur",
        "metadata":{{"payment_id":"{id}","other":TEXT}},"description":TEXT,"last_payment_error":{{"type":"card_error",
        "code":TEXT,"decline_code":TEXT,"advice_code":TEXT,"message":TEXT,"param":TEXT}}}}"#
    );
    let envelopes = [
        r#"{"id":"evt_NUMBER","type":"payment_intent.payment_failed","livemode":false,"data":{"object":OBJECT}}"#,
        r#"{"id":"evt_NUMBER","type":TEXT,"livemode":false,"data":{"object":OBJECT}}"#,
        r#"{"id":TEXT,"type":"payment_intent.payment_failed","livemode":false,"data":{"object":OBJECT}}"#,
        r#"{"id":"evt_NUMBER","type":"charge.updated","account":TEXT,"livemode":false,"data":{"object":{"id":TEXT,"object":TEXT}}}"#,
        r#"{"id":"evt_NUMBER","object":"v2.core.event","type":TEXT,"livemode":false,"related_object":{"id":TEXT,"type":TEXT}}"#,
        "TEXT",
    ];
    for (number, text) in texts().into_iter().enumerate() {
        for (place, envelope) in envelopes.iter().enumerate() {
            let event = envelope
                .replace("OBJECT", &object)
                .replace("NUMBER", &format!("{number}_{place}"))
                .replace("TEXT", &format!("\"{text}\""));
            let signed = signature(&event, WEBHOOK_SECRETS[1], 0);
            let response = deliver(&stage, &event, Some(&signed)).await;
            assert_eq!(response.status(), StatusCode::OK, "{event}");
        }
    }
    assert_all_work_ended(&stage).await;
    let applied = stage
        .count("inbox_result where disposition = 'applied'")
        .await;
    assert!(applied > 0, "no event was applied");
    body(stage.get(&path_of(&payment, "")).await, StatusCode::OK).await;
}

/// Stands between the worker and Stripe, and writes a text in the place of each decline's sentence and code.
#[derive(Clone)]
struct Rewriting {
    stripe: String,
    http: Client,
    texts: Arc<Mutex<std::iter::Cycle<std::vec::IntoIter<String>>>>,
}

async fn rewrite(
    State(proxy): State<Rewriting>,
    method: AxumMethod,
    uri: Uri,
    mut headers: HeaderMap,
    sent: Bytes,
) -> AxumResponse {
    headers.remove("host");
    let request = proxy.http.request(method, format!("{}{uri}", proxy.stripe));
    let answer = request.headers(headers).body(sent).send().await.unwrap();
    let status = AxumStatus::from_u16(answer.status().as_u16()).unwrap();
    let text = proxy.texts.lock().unwrap().next().unwrap();
    let answered = answer.text().await.unwrap();
    let answered = answered
        .replace("Your card was declined.", &text)
        .replace("generic_decline", &text);
    (
        status,
        [("content-type", "application/json")],
        Body::from(answered),
    )
        .into_response()
}

/// Answers 200 with each text in turn, and with bytes that are none.
async fn merchant(
    State(texts): State<Arc<Mutex<std::iter::Cycle<std::vec::IntoIter<String>>>>>,
) -> Vec<u8> {
    let text = texts.lock().unwrap().next().unwrap();
    let mut answer = text.clone().into_bytes();
    answer.extend_from_slice(b"\0\xff\xed\xa0\x80");
    answer
}

fn in_turn() -> Arc<Mutex<std::iter::Cycle<std::vec::IntoIter<String>>>> {
    Arc::new(Mutex::new(texts().into_iter().cycle()))
}

#[tokio::test]
async fn a_text_of_stripe_or_of_a_merchant_stops_no_payment_and_no_delivery() {
    let stage = managed().await;
    let stripe = stripe(&stage, Vec::new()).await;
    let (listener, proxied) = listen().await;
    let proxy = Rewriting {
        stripe,
        http: Client::new(),
        texts: in_turn(),
    };
    let router = Router::new().fallback(rewrite).with_state(proxy);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let (listener, shop) = listen().await;
    let router = Router::new().fallback(merchant).with_state(in_turn());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let hook = json!({"url": format!("{shop}/hook"), "enabled_events": ["payment.failed"]});
    let hook = created(stage.post("/api/v1/webhook_endpoints", &hook).await).await;
    work(&stage, proxied);

    let mut payments = Vec::new();
    for _ in 0..TEXTS {
        let sent = json!({"amount": 1099, "currency": "eur", "payment_method": "pm_card_chargeDeclined", "confirm": true});
        payments.push(created(stage.post(PAYMENTS, &sent).await).await);
    }
    for payment in &payments {
        let payment = eventually(&stage, &path_of(payment, ""), |payment| {
            payment["status"] == "requires_payment_method"
        })
        .await;
        assert_eq!(payment["last_error"]["code"], "card_declined");
    }
    assert_all_work_ended(&stage).await;
    let log = format!(
        "/api/v1/webhook_endpoints/{}/deliveries",
        hook["id"].as_str().unwrap()
    );
    let deliveries = body(stage.get(&format!("{log}?limit=100")).await, StatusCode::OK).await;
    let deliveries = deliveries["data"].as_array().unwrap();
    assert_eq!(deliveries.len(), TEXTS);
    for delivery in deliveries {
        assert_eq!(delivery["status"], "delivered");
        let path = format!("{log}/{}", delivery["id"].as_str().unwrap());
        let response = stage.request(Method::GET, &path).send().await.unwrap();
        let shown = body(response, StatusCode::OK).await;
        assert!(shown["log"][0]["response_body"].is_string(), "{shown}");
    }
}
