//! A payment is shown as it was asked for.

use contracts::view::PaymentView;
use infra::testing::unique;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::stage::{PAYMENTS, Stage, body, created, mug, path_of, problem};

/// The fields of the view, in the order of the design.
const VIEW: [&str; 29] = [
    "id",
    "object",
    "account_id",
    "status",
    "amount",
    "currency",
    "amount_capturable",
    "amount_captured",
    "amount_refunded",
    "amount_reserved",
    "disputed",
    "holds",
    "intent_id",
    "client_secret",
    "next_action",
    "latest_attempt",
    "last_error",
    "cancellation_reason",
    "multicapture",
    "captures",
    "capture_before",
    "authorization_expiry",
    "reference",
    "customer",
    "description",
    "payment_method_types",
    "metadata",
    "version",
    "created_at",
];

#[tokio::test]
async fn a_payment_is_accepted_and_read_back_as_it_was_asked_for() {
    let stage = Stage::start().await;
    let asked = json!({
        "amount": 1099, "currency": "EUR", "payment_method": "pm_card_visa", "confirm": true, "capture_method": "manual",
        "authorization_expiry": "capture", "return_url": "https://shop.example/back", "reference": "order-1042",
        "customer": {"email": "ada@example.com", "name": "Ada"}, "description": "A mug",
        "statement_descriptor": "MUG SHOP", "metadata": {"color": "blue"}, "expires_in": 3600,
    });
    let response = stage.post(PAYMENTS, &asked).await;
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["cache-control"], "no-store");
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let payment = created(response).await;
    assert_eq!(location, path_of(&payment, ""));
    for field in VIEW.iter().chain(&["updated_at"]) {
        assert!(payment.get(field).is_some(), "{field} is missing");
    }
    assert_eq!(payment.as_object().unwrap().len(), VIEW.len() + 1);
    let shown = json!({
        "object": "payment", "status": "local_created", "amount": 1099, "currency": "eur", "amount_captured": 0,
        "reference": "order-1042", "customer": {"email": "ada@example.com", "name": "Ada"}, "description": "A mug",
        "metadata": {"color": "blue"}, "authorization_expiry": "capture", "version": 1, "disputed": false, "intent_id": null, "client_secret": null,
    });
    for (field, value) in shown.as_object().unwrap() {
        assert_eq!(&payment[field], value, "{field}");
    }
    serde_json::from_value::<PaymentView>(payment.clone()).unwrap();
    let read = stage.get(&location).await;
    assert_eq!(read.headers()["etag"], "\"1\"");
    assert_eq!(body(read, StatusCode::OK).await, payment);
}

#[tokio::test]
async fn a_read_of_a_known_version_is_not_sent_again() {
    let stage = Stage::start().await;
    let payment = stage.payment().await;
    let read = stage.request(Method::GET, &path_of(&payment, ""));
    let known = read
        .try_clone()
        .unwrap()
        .header("if-none-match", "\"1\"")
        .send()
        .await
        .unwrap();
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(known.bytes().await.unwrap().len(), 0);
    let older = read.header("if-none-match", "\"0\"").send().await.unwrap();
    assert_eq!(older.status(), StatusCode::OK);
}

#[tokio::test]
async fn if_none_match_takes_weak_tags_lists_lines_and_a_star() {
    let stage = Stage::start().await;
    let path = path_of(&stage.payment().await, "");
    let cases: &[(&[&str], u16)] = &[
        (&["W/\"1\""], 304),
        (&["\"0\", \"1\""], 304),
        (&[",\"a,b\" ,, W/\"1\","], 304),
        (&["\"0\"", "\"1\""], 304),
        (&["*"], 304),
        (&["\"0\", W/\"2\""], 200),
        (&["\"0,\"", "\"11\""], 200),
        // A malformed tag matches nothing; the others count.
        (&["1"], 200),
        (&["\"1"], 200),
        (&["w/\"1\""], 200),
        (&["\"1\" \"2\""], 200),
        (&["*, \"0\""], 200),
        (&["\"1\"", "x"], 304),
        (&[""], 200),
    ];
    let whole = stage.get(&path).await;
    for (lines, status) in cases {
        let mut request = stage.request(Method::GET, &path);
        for line in *lines {
            request = request.header("if-none-match", *line);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), *status, "{lines:?}");
        for name in ["etag", "cache-control"] {
            assert_eq!(
                answer.headers().get(name),
                whole.headers().get(name),
                "{name} of {lines:?}"
            );
        }
        assert_eq!(answer.bytes().await.unwrap().is_empty(), *status == 304);
    }
    let ignored = stage
        .request(Method::GET, &path)
        .header("if-match", "\"0\"");
    assert_eq!(ignored.send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_reference_pays_once() {
    let stage = Stage::start().await;
    let order = json!({"amount": 1099, "currency": "eur", "reference": "order-1042"});
    created(stage.post(PAYMENTS, &order).await).await;
    problem(
        stage.post(PAYMENTS, &order).await,
        409,
        "reference_taken",
        Some("reference"),
    )
    .await;
    let request = stage
        .bare(Method::POST, PAYMENTS)
        .bearer_auth(stage.stranger())
        .header("idempotency-key", unique("key"));
    created(request.json(&order).send().await.unwrap()).await;
}

#[tokio::test]
async fn a_cancel_before_stripe_knows_the_payment_is_kept_as_a_wish() {
    let stage = Stage::start().await;
    let payment = stage.payment().await;
    let response = stage
        .post(
            &path_of(&payment, "/cancel"),
            &json!({"reason": "abandoned"}),
        )
        .await;
    let view = body(response, StatusCode::OK).await;
    assert_eq!(
        (&view["status"], &view["version"]),
        (&json!("local_created"), &json!(2))
    );
    let events = body(
        stage.get(&path_of(&payment, "/events")).await,
        StatusCode::OK,
    )
    .await;
    let kinds: Vec<&Value> = events["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["kind"])
        .collect();
    assert_eq!(kinds, ["cancel_requested", "accepted"]);
}

#[tokio::test]
async fn the_callers_request_id_comes_back_in_answers_and_problems() {
    let stage = Stage::start().await;
    for sent in [mug(), json!({})] {
        let request = stage
            .request(Method::POST, PAYMENTS)
            .header("idempotency-key", unique("key"))
            .header("x-request-id", "req_of_the_shop");
        let response = request.json(&sent).send().await.unwrap();
        assert_eq!(response.headers()["x-request-id"], "req_of_the_shop");
        let body: Value = response.json().await.unwrap();
        assert!(body["object"] == "payment" || body["request_id"] == "req_of_the_shop");
    }
}

/// The causes of a payment's transitions, the newest first.
async fn causes(stage: &Stage, payment: &Value) -> Vec<String> {
    let events = body(
        stage.get(&path_of(payment, "/events")).await,
        StatusCode::OK,
    )
    .await;
    let events = events["data"].as_array().unwrap();
    events
        .iter()
        .map(|event| event["cause"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn the_cause_of_a_transition_is_the_request_id_of_the_answer() {
    let stage = Stage::start().await;
    let response = stage.post(PAYMENTS, &mug()).await;
    let id = response.headers()["x-request-id"].clone();
    let payment = body(response, StatusCode::CREATED).await;
    assert!(id.to_str().unwrap().starts_with("req_"));
    assert_eq!(causes(&stage, &payment).await, [id.to_str().unwrap()]);
}

#[tokio::test]
async fn a_request_id_that_a_client_sends_twice_is_kept_beside_two_causes() {
    let stage = Stage::start().await;
    let post = async |path: &str, sent: &Value| {
        let request = stage
            .request(Method::POST, path)
            .header("idempotency-key", unique("key"))
            .header("x-request-id", "order-17");
        request.json(sent).send().await.unwrap()
    };
    let payment = body(post(PAYMENTS, &mug()).await, StatusCode::CREATED).await;
    let canceled = post(&path_of(&payment, "/cancel"), &json!({})).await;
    assert_eq!(canceled.status(), StatusCode::OK);

    let causes = causes(&stage, &payment).await;
    assert!(causes.iter().all(|cause| cause.starts_with("req_")));
    assert_ne!(causes[0], causes[1]);
    let found: Vec<String> = sqlx::query_scalar(
        "select cause from transition where data->>'request_id' = 'order-17' order by version desc",
    )
    .fetch_all(stage.database.pool())
    .await
    .unwrap();
    assert_eq!(found, causes);
}
