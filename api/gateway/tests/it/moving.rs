//! Payments that move: the gateway, the simulated Stripe with its webhooks, and a worker.

use std::time::Duration;

use engine::cache::Cache;
use engine::delivery;
use engine::delivery::{Guard, Reach};
use engine::queue::Queue;
use engine::stripe::{Client, ClientConfig};
use engine::worker::{Worker, WorkerParts};
use infra::testing::{redis_url, unique};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use stripe_simulator::WebhookEndpoint;

use crate::stage::{PAYMENTS, Stage, WEBHOOK_SECRETS, body, listen, mug, path_of, problem};

/// A stage on which payments move by themselves.
async fn moving() -> Stage {
    let stage = Stage::start().await;
    let endpoint = WebhookEndpoint {
        url: format!("{}/webhooks/stripe", stage.base),
        secret: WEBHOOK_SECRETS[1].to_owned(),
        enabled_events: vec!["*".to_owned()],
    };
    let stripe = stripe(&stage, vec![endpoint]).await;
    work(&stage, stripe);
    stage
}

/// A simulated Stripe that sends its webhooks to these endpoints, and its address.
pub(crate) async fn stripe(stage: &Stage, endpoints: Vec<WebhookEndpoint>) -> String {
    let (listener, stripe) = listen().await;
    let config = stripe_simulator::Config {
        endpoints,
        ..stripe_simulator::Config::default()
    };
    tokio::spawn(stripe_simulator::serve(config, listener, stage.shutdown()));
    stripe
}

/// A worker that calls Stripe at this address, until the stage ends.
pub(crate) fn work(stage: &Stage, stripe: String) {
    let worker = Worker::new(WorkerParts {
        pool: stage.database.pool().clone(),
        queue: Queue::connect(&redis_url(), &unique("queue")).unwrap(),
        cache: Cache::connect(&redis_url()).unwrap(),
        stripe: Client::new(&ClientConfig::new(stripe, "sk_test_of_the_tests".into())).unwrap(),
        audit_key: engine::audit::AuditKey::derive(&"sk_test_gateway".into()),
        source: engine::webhook::Source::default(),
        concurrency: 8,
        lease: Duration::from_secs(30),
        webhooks: delivery::Config {
            guard: Guard::new(Reach::Anywhere),
            timeout: Duration::from_secs(5),
        },
    })
    .unwrap();
    let shutdown = stage.shutdown();
    tokio::spawn(async move {
        while !shutdown.is_cancelled() {
            worker.drain().await.ok();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
}

/// A POST that waits up to 20 s.
pub(crate) async fn waiting(stage: &Stage, path: &str, sent: &Value) -> Response {
    let request = stage
        .request(Method::POST, path)
        .header("idempotency-key", unique("key"));
    request
        .header("prefer", "wait=20")
        .json(sent)
        .send()
        .await
        .unwrap()
}

/// The JSON at `path` once it is as `wanted`.
pub(crate) async fn eventually(
    stage: &Stage,
    path: &str,
    wanted: impl Fn(&Value) -> bool,
) -> Value {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        let seen = body(stage.get(path).await, StatusCode::OK).await;
        if wanted(&seen) {
            return seen;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "{path} stays {seen}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_client_that_waits_sees_its_payment_succeed_and_is_given_its_money_back() {
    let stage = moving().await;
    let sent = json!({"amount": 1099, "currency": "eur", "payment_method": "pm_card_visa", "confirm": true});
    let response = waiting(&stage, PAYMENTS, &sent).await;
    assert_eq!(response.headers()["preference-applied"], "wait=20");
    let payment = body(response, StatusCode::CREATED).await;
    assert_eq!(
        (&payment["status"], &payment["amount_captured"]),
        (&json!("succeeded"), &json!(1099))
    );

    let intent = payment["intent_id"].as_str().unwrap();
    let found = body(
        stage
            .get(&format!("/api/v1/payment_intents/{intent}"))
            .await,
        StatusCode::OK,
    )
    .await;
    assert_eq!(found["id"], payment["id"]);
    let stranger = stage
        .get_as(
            &stage.stranger(),
            &format!("/api/v1/payment_intents/{intent}"),
        )
        .await;
    problem(stranger, 404, "not_found", None).await;

    let too_much = stage
        .post(&path_of(&payment, "/refunds"), &json!({"amount": 1100}))
        .await;
    problem(too_much, 422, "invalid_amount", Some("amount")).await;
    let response = stage
        .post(
            &path_of(&payment, "/refunds"),
            &json!({"amount": 99, "reason": "duplicate"}),
        )
        .await;
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let refund = body(response, StatusCode::CREATED).await;
    assert_eq!(
        location,
        format!("/api/v1/refunds/{}", refund["id"].as_str().unwrap())
    );
    assert_eq!(refund["payment_id"], payment["id"]);
    let refund = eventually(&stage, &location, |refund| refund["status"] == "succeeded").await;
    let refunds = body(
        stage.get(&path_of(&payment, "/refunds")).await,
        StatusCode::OK,
    )
    .await;
    assert_eq!(refunds["data"], json!([refund]));
    eventually(&stage, &path_of(&payment, ""), |payment| {
        payment["amount_refunded"] == 99
    })
    .await;
    let stranger = stage.get_as(&stage.stranger(), &location).await;
    problem(stranger, 404, "not_found", None).await;
}

#[tokio::test]
async fn a_payment_made_step_by_step_is_confirmed_captured_in_part_and_never_shows_its_secret_in_a_list()
 {
    let stage = moving().await;
    let sent = json!({"amount": 5000, "currency": "eur", "capture_method": "manual"});
    let payment = body(waiting(&stage, PAYMENTS, &sent).await, StatusCode::CREATED).await;
    assert_eq!(payment["status"], "requires_payment_method");
    assert!(payment["client_secret"].is_string());

    let empty = stage.post(&path_of(&payment, "/confirm"), &json!({})).await;
    problem(empty, 422, "missing_field", Some("payment_method")).await;
    let confirm =
        json!({"payment_method": "pm_card_visa", "return_url": "https://shop.example/back"});
    let held = body(
        waiting(&stage, &path_of(&payment, "/confirm"), &confirm).await,
        StatusCode::OK,
    )
    .await;
    assert_eq!(
        (&held["status"], &held["amount_capturable"]),
        (&json!("requires_capture"), &json!(5000))
    );

    let too_much = stage
        .post(&path_of(&payment, "/capture"), &json!({"amount": 5001}))
        .await;
    problem(too_much, 422, "invalid_amount", Some("amount")).await;
    let part = json!({"amount": 4000});
    let captured = waiting(&stage, &path_of(&payment, "/capture"), &part).await;
    let captured = body(captured, StatusCode::OK).await;
    assert_eq!(
        (&captured["status"], &captured["amount_captured"]),
        (&json!("succeeded"), &json!(4000))
    );
    let late = stage.post(&path_of(&payment, "/cancel"), &json!({})).await;
    problem(late, 409, "unexpected_state", None).await;

    let list = body(stage.get(PAYMENTS).await, StatusCode::OK).await;
    assert_eq!(list["data"][0]["id"], payment["id"]);
    assert_eq!(list["data"][0]["client_secret"], Value::Null);
}

#[tokio::test]
async fn a_client_that_waits_sees_its_payment_canceled() {
    let stage = moving().await;
    let payment = body(waiting(&stage, PAYMENTS, &mug()).await, StatusCode::CREATED).await;
    let reason = json!({"reason": "requested_by_customer"});
    let canceled = waiting(&stage, &path_of(&payment, "/cancel"), &reason).await;
    assert_eq!(body(canceled, StatusCode::OK).await["status"], "canceled");
}

#[tokio::test]
async fn a_customer_who_must_act_is_shown_what_to_do() {
    let stage = moving().await;
    let sent = json!({
        "amount": 1099, "currency": "eur", "payment_method": "pm_card_authenticationRequired", "confirm": true,
        "return_url": "https://shop.example/back",
    });
    let payment = body(waiting(&stage, PAYMENTS, &sent).await, StatusCode::CREATED).await;
    assert_eq!(payment["status"], "requires_action");
    assert!(payment["next_action"].is_object());
    let list = body(stage.get(PAYMENTS).await, StatusCode::OK).await;
    assert_eq!(list["data"][0]["next_action"], Value::Null);
}

#[tokio::test]
async fn a_declined_payment_takes_nothing_and_says_why() {
    let stage = moving().await;
    let sent = json!({"amount": 1099, "currency": "eur", "payment_method": "pm_card_chargeDeclined", "confirm": true});
    let payment = body(waiting(&stage, PAYMENTS, &sent).await, StatusCode::CREATED).await;
    assert_eq!(
        (&payment["status"], &payment["amount_captured"]),
        (&json!("requires_payment_method"), &json!(0))
    );
    assert_eq!(payment["last_error"]["code"], "card_declined");
    assert_eq!(payment["latest_attempt"]["status"], "failed");
}

#[tokio::test]
async fn a_client_that_waits_for_its_refund_is_told_what_stripe_said() {
    let stage = moving().await;
    let sent = json!({"amount": 1099, "currency": "eur", "payment_method": "pm_card_visa", "confirm": true});
    let payment = body(waiting(&stage, PAYMENTS, &sent).await, StatusCode::CREATED).await;
    let response = waiting(
        &stage,
        &path_of(&payment, "/refunds"),
        &json!({"amount": 99}),
    )
    .await;
    assert_eq!(response.headers()["preference-applied"], "wait=20");
    let refund = body(response, StatusCode::CREATED).await;
    assert_ne!(refund["status"], "local_requested");
    assert!(refund["stripe_id"].is_string(), "{refund}");
}
