//! What Stripe may send tomorrow, through the real gateway, the inbox and the applier: see docs/compatibility.md.

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::moving::{eventually, stripe, waiting, work};
use crate::stage::{PAYMENTS, Stage, WEBHOOK_SECRETS, body, path_of};
use crate::webhooks::{deliver, signature};

/// A gateway with a worker, and the address of a Stripe that sends no webhook by itself.
async fn stage() -> (Stage, String) {
    let stage = Stage::start().await;
    let stripe = stripe(&stage, Vec::new()).await;
    work(&stage, stripe.clone());
    (stage, stripe)
}

async fn json_of(request: reqwest::RequestBuilder) -> Value {
    let response = request.bearer_auth("sk_test_1").send().await.unwrap();
    body(response, StatusCode::OK).await
}

/// A payment whose customer has just authenticated it, and Stripe's object of it: `succeeded`.
async fn authenticated(stage: &Stage, stripe: &str) -> (Value, Value) {
    let sent = json!({"amount": 1099, "currency": "eur", "payment_method": "pm_card_threeDSecure2Required",
        "confirm": true, "return_url": "https://shop.example/back"});
    let payment = body(waiting(stage, PAYMENTS, &sent).await, StatusCode::CREATED).await;
    assert_eq!(payment["status"], "requires_action");
    let intent = payment["intent_id"].as_str().unwrap();
    let http = Client::new();
    let paid = http.post(format!(
        "{stripe}/_sim/payment_intents/{intent}/authenticate"
    ));
    json_of(paid).await;
    let object = json_of(http.get(format!("{stripe}/v1/payment_intents/{intent}"))).await;
    assert_eq!(object["status"], "succeeded");
    (payment, object)
}

/// Stripe's event about this object, in the API version of our calls.
fn event(id: &str, object: &Value) -> Value {
    json!({"id": id, "object": "event", "type": "payment_intent.succeeded", "created": 1_790_000_000,
        "livemode": false, "api_version": "2026-01-28.clover", "pending_webhooks": 1,
        "request": {"id": null, "idempotency_key": null}, "data": {"object": object}})
}

/// The result of an event, once it is no longer waiting.
async fn disposition(pool: &PgPool, id: &str) -> String {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let status: Option<String> =
            sqlx::query_scalar("select disposition from inbox_result where id = $1")
                .bind(id)
                .fetch_optional(pool)
                .await
                .unwrap();
        if let Some(status) = status {
            return status;
        }
        assert!(tokio::time::Instant::now() < deadline, "{id} waits");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

/// Sends the event that `change` makes of a plain one, and expects this result and the success of the payment.
async fn expect(
    stage: &Stage,
    stripe: &str,
    id: &str,
    expected: &str,
    change: impl Fn(&mut Value),
) {
    let (payment, object) = authenticated(stage, stripe).await;
    let mut event = event(id, &object);
    change(&mut event);
    let event = event.to_string();
    let signed = signature(&event, WEBHOOK_SECRETS[1], 0);
    let response = deliver(stage, &event, Some(&signed)).await;
    assert_eq!(response.status(), StatusCode::OK, "{id}");
    assert_eq!(
        disposition(stage.database.pool(), id).await,
        expected,
        "{id}"
    );
    let payment = eventually(stage, &path_of(&payment, ""), |payment| {
        payment["status"] == "succeeded"
    })
    .await;
    assert_eq!(payment["amount_captured"], 1099, "{id}");
}

#[tokio::test]
async fn fields_and_values_that_nobody_knows_yet_change_nothing_about_an_event() {
    let (stage, stripe) = stage().await;
    expect(&stage, &stripe, "evt_fields", "applied", |event| {
        event["quantum"] = json!({"entangled": [1, null]});
        let object = &mut event["data"]["object"];
        object["hologram"] = json!({"deep": {"er": true}});
        object["payment_method_options"]["hologram"] = json!("wide");
    })
    .await;
    expect(&stage, &stripe, "evt_values", "applied", |event| {
        let object = &mut event["data"]["object"];
        object["capture_method"] = json!("automatic_quantum");
        object["payment_method_types"] = json!(["hologram"]);
        object["setup_future_usage"] = json!("for_ever");
        object["cancellation_reason"] = json!("bored");
    })
    .await;
}

#[tokio::test]
async fn an_event_of_an_older_or_newer_version_of_the_api_is_applied() {
    let (stage, stripe) = stage().await;
    for (id, version) in [
        ("evt_old", json!("2019-12-03")),
        ("evt_new", json!("2031-01-01.zinnia")),
        ("evt_none", Value::Null),
    ] {
        expect(&stage, &stripe, id, "applied", |event| {
            event["api_version"] = version.clone();
            // Until 2022 an intent had its charges as a list.
            event["data"]["object"]["charges"] = json!({"object": "list", "data": []});
        })
        .await;
    }
}

#[tokio::test]
async fn what_is_not_understood_about_a_payment_has_it_compared_with_stripe() {
    let (stage, stripe) = stage().await;
    expect(&stage, &stripe, "evt_status", "not_understood", |event| {
        event["data"]["object"]["status"] = json!("levitating");
    })
    .await;
    expect(&stage, &stripe, "evt_type", "not_understood", |event| {
        event["type"] = json!("payment_intent.levitated");
    })
    .await;
    expect(&stage, &stripe, "evt_thin", "not_understood", |event| {
        let intent = event["data"]["object"]["id"].clone();
        *event = json!({"id": "evt_thin", "object": "v2.core.event", "type": "v1.payment_intent.succeeded",
            "created": "2026-11-26T09:00:00.000Z", "livemode": false,
            "related_object": {"id": intent, "type": "payment_intent", "url": "/v1/payment_intents/x"}});
    })
    .await;
}

#[tokio::test]
async fn an_object_in_another_shape_is_known_by_its_ids() {
    let (stage, stripe) = stage().await;
    expect(&stage, &stripe, "evt_amount", "applied", |event| {
        event["data"]["object"]["amount"] = json!({"value": "10.99", "unit": "eur"});
    })
    .await;
    expect(&stage, &stripe, "evt_metadata", "applied", |event| {
        event["data"]["object"]["metadata"] = json!(["payment_id"]);
    })
    .await;
    expect(&stage, &stripe, "evt_kind", "applied", |event| {
        let intent = event["data"]["object"]["id"].clone();
        event["data"]["object"] =
            json!({"id": "hol_1", "object": "hologram", "payment_intent": intent});
    })
    .await;
}

#[tokio::test]
async fn codes_of_a_decline_that_nobody_knows_yet_are_shown_as_they_are() {
    let (stage, stripe) = stage().await;
    let sent = json!({"amount": 1099, "currency": "eur", "payment_method": "pm_card_visa"});
    let payment = body(waiting(&stage, PAYMENTS, &sent).await, StatusCode::CREATED).await;
    let failure = json!({"code": "card_levitates", "decline_code": "no_gravity",
        "advice_code": "hold_it", "network_decline_code": "G9", "network_advice_code": "99"});
    let outcome = json!({"payment_id": payment["id"], "payment_method": "pm_card_chargeDeclined", "failure": failure});
    let put = Client::new()
        .put(format!("{stripe}/_sim/outcomes"))
        .json(&outcome);
    json_of(put).await;
    let path = path_of(&payment, "");
    eventually(&stage, &path, |payment| {
        payment["status"] == "requires_confirmation"
    })
    .await;
    let confirm = json!({"return_url": "https://shop.example/back"});
    let failed = waiting(&stage, &path_of(&payment, "/confirm"), &confirm).await;
    let failed = body(failed, StatusCode::OK).await;
    assert_eq!(failed["status"], "requires_payment_method", "{failed}");
    for (name, value) in failure.as_object().unwrap() {
        assert_eq!(&failed["last_error"][name], value, "{name}");
    }
}
