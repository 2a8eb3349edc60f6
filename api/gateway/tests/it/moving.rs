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

use crate::lists::not_sent_again;
use crate::stage::{PAYMENTS, Stage, WEBHOOK_SECRETS, body, listen, mug, path_of, problem};

/// A stage on which payments move by themselves.
pub(crate) async fn moving() -> Stage {
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
    not_sent_again(&stage, &location).await;
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
async fn a_payment_is_captured_in_parts_that_are_listed() {
    let stage = moving().await;
    let sent = json!({
        "amount": 5000, "currency": "eur", "capture_method": "manual", "multicapture": true, "confirm": true,
        "payment_method": "pm_card_visa", "payment_method_types": ["card"],
    });
    let payment = body(waiting(&stage, PAYMENTS, &sent).await, StatusCode::CREATED).await;
    assert_eq!(payment["multicapture"], "available");
    assert_eq!(payment["payment_method_types"], json!(["card"]));
    let path = path_of(&payment, "/capture");
    for (amount, last) in [(1000, false), (700, true)] {
        let part = json!({"amount": amount, "final": last});
        let captured = body(waiting(&stage, &path, &part).await, StatusCode::OK).await;
        let newest = captured["captures"].as_array().unwrap().last().unwrap();
        assert_eq!(newest["status"], "succeeded", "{captured}");
    }
    not_sent_again(&stage, &path_of(&payment, "/captures")).await;
    let list = stage.get(&path_of(&payment, "/captures?limit=1")).await;
    let list = body(list, StatusCode::OK).await;
    assert_eq!(
        (&list["has_more"], &list["data"][0]["amount"]),
        (&json!(true), &json!(700))
    );
    let cursor = list["data"][0]["id"].as_str().unwrap();
    let older = path_of(&payment, &format!("/captures?starting_after={cursor}"));
    let older = body(stage.get(&older).await, StatusCode::OK).await;
    assert_eq!(
        (&older["data"][0]["amount"], &older["data"][0]["final"]),
        (&json!(1000), &json!(false))
    );
    let foreign = stage
        .get_as(&stage.stranger(), &path_of(&payment, "/captures"))
        .await;
    problem(foreign, 404, "not_found", None).await;

    let once = json!({"amount": 5000, "currency": "eur", "capture_method": "manual", "confirm": true, "payment_method": "pm_card_visa"});
    let once = body(waiting(&stage, PAYMENTS, &once).await, StatusCode::CREATED).await;
    let part = json!({"amount": 1000, "final": false});
    let refused = stage.post(&path_of(&once, "/capture"), &part).await;
    problem(refused, 409, "multicapture_unavailable", Some("final")).await;
    let automatic = json!({"amount": 5000, "currency": "eur", "multicapture": true});
    let refused = stage.post(PAYMENTS, &automatic).await;
    problem(refused, 422, "invalid_field", Some("multicapture")).await;
    let automatic = json!({"amount": 5000, "currency": "eur", "authorization_expiry": "cancel"});
    let refused = stage.post(PAYMENTS, &automatic).await;
    problem(refused, 422, "invalid_field", Some("authorization_expiry")).await;
    // Stripe knows which types there are.
    let other = json!({
        "amount": 5000, "currency": "eur", "payment_method_types": ["us_bank_account"], "confirm": true,
        "payment_method": "pm_card_visa", "return_url": "https://shop.example/back",
    });
    let other = body(waiting(&stage, PAYMENTS, &other).await, StatusCode::CREATED).await;
    let code = &other["last_error"]["code"];
    assert_eq!(code, "payment_intent_incompatible_payment_method");
    let refused = json!({"amount": 5000, "currency": "eur", "payment_method_types": ["Card"]});
    let refused = stage.post(PAYMENTS, &refused).await;
    problem(refused, 422, "invalid_field", Some("payment_method_types")).await;
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

#[tokio::test]
async fn the_refunds_of_all_payments_are_listed_and_found() {
    let stage = moving().await;
    let sent = json!({
        "amount": 5000, "currency": "eur", "confirm": true, "payment_method": "pm_card_visa",
    });
    let mut payments = Vec::new();
    let mut made = Vec::new();
    for _ in 0..2 {
        let payment = body(waiting(&stage, PAYMENTS, &sent).await, StatusCode::CREATED).await;
        for amount in [300, 200] {
            let refund = json!({"amount": amount});
            let refund = waiting(&stage, &path_of(&payment, "/refunds"), &refund).await;
            made.insert(0, body(refund, StatusCode::CREATED).await);
        }
        payments.push(payment);
    }
    let page = async |query: &str| {
        let page = stage.get(&format!("/api/v1/refunds{query}")).await;
        body(page, StatusCode::OK).await
    };
    let all = page("").await;
    assert_eq!(
        (&all["data"], &all["has_more"]),
        (&json!(made), &json!(false))
    );
    let first = page("?limit=3").await;
    assert_eq!(
        (&first["data"], &first["has_more"]),
        (&json!(made[..3]), &json!(true))
    );
    let id = |at: usize| made[at]["id"].as_str().unwrap().to_owned();
    let rest = page(&format!("?starting_after={}", id(2))).await;
    assert_eq!(rest["data"], json!(made[3..]));
    let back = page(&format!("?limit=1&ending_before={}", id(2))).await;
    assert_eq!(
        (&back["data"], &back["has_more"]),
        (&json!([made[1]]), &json!(true))
    );
    let first_payment = payments[0]["id"].as_str().unwrap();
    let of_one = page(&format!("?payment={first_payment}&status=succeeded")).await;
    assert_eq!(of_one["data"], json!(made[2..]));
    let older = page(&format!(
        "?payment={first_payment}&limit=1&ending_before={}",
        id(3)
    ))
    .await;
    assert_eq!(older["data"], json!([made[2]]));
    assert_eq!(page("?status=failed").await["data"], json!([]));
    assert_eq!(
        page("?created[lt]=2020-01-01T00:00:00Z").await["data"],
        json!([])
    );
    assert_eq!(
        page("?created[gte]=2020-01-01T00:00:00Z").await["data"],
        json!(made)
    );

    let foreign = stage.get_as(&stage.stranger(), "/api/v1/refunds").await;
    assert_eq!(body(foreign, StatusCode::OK).await["data"], json!([]));
    for (query, parameter) in [
        ("?payment=pay_nonsense", "payment"),
        ("?status=paid", "status"),
        ("?reference=x", "reference"),
    ] {
        let refused = stage.get(&format!("/api/v1/refunds{query}")).await;
        problem(refused, 400, "invalid_parameter", Some(parameter)).await;
    }
    let unknown = "/api/v1/refunds?starting_after=re_01h2xcejqtf2nbrexx3vqjhp41";
    problem(stage.get(unknown).await, 404, "not_found", None).await;
}
