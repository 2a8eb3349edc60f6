//! The life of an intent and its representation.

use crate::support::Simulator;

#[tokio::test]
async fn an_intent_is_created_confirmed_and_paid() {
    let stripe = Simulator::start().await;
    let form = [
        ("amount", "1000"),
        ("currency", "usd"),
        ("metadata[payment_id]", "pay_1"),
        ("automatic_payment_methods[enabled]", "true"),
        ("automatic_payment_methods[allow_redirects]", "never"),
    ];
    let created = stripe.post("/v1/payment_intents", &form).await;
    assert_eq!(created.object_status(), "requires_payment_method");
    assert_eq!(created.body["metadata"]["payment_id"], "pay_1");
    assert_eq!(created.body["livemode"], false);
    let path = format!("/v1/payment_intents/{}/confirm", created.id());
    let form = [
        ("payment_method", "pm_card_mastercard"),
        ("expand[]", "latest_charge"),
    ];
    let paid = stripe.post(&path, &form).await;
    assert_eq!(paid.object_status(), "succeeded");
    assert_eq!(paid.body["amount_received"], 1000);
    let charge = &paid.body["latest_charge"];
    assert_eq!(charge["status"], "succeeded");
    assert_eq!(charge["captured"], true);
    assert_eq!(charge["metadata"]["payment_id"], "pay_1");
    assert_eq!(
        charge["payment_method_details"]["card"]["brand"],
        "mastercard"
    );
    let plain = stripe.retrieve(&created.id()).await;
    assert_eq!(plain.body["latest_charge"], charge["id"]);
    let alone = stripe
        .get(&format!("/v1/charges/{}", charge["id"].as_str().unwrap()))
        .await;
    assert_eq!(&alone.body, charge);
    let types = [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
    ];
    assert_eq!(stripe.event_types().await, types);
}

#[tokio::test]
async fn an_intent_can_be_confirmed_as_it_is_created() {
    let stripe = Simulator::start().await;
    let form = [
        ("amount", "1000"),
        ("currency", "usd"),
        ("payment_method", "pm_card_visa"),
        ("payment_method_types[]", "card"),
        ("confirm", "true"),
    ];
    let answer = stripe.post("/v1/payment_intents", &form).await;
    assert_eq!(answer.object_status(), "succeeded");
}

#[tokio::test]
async fn a_method_that_may_redirect_needs_a_return_url() {
    let stripe = Simulator::start().await;
    let form = [
        ("amount", "1000"),
        ("currency", "usd"),
        ("payment_method", "pm_card_visa"),
    ];
    let id = stripe.post("/v1/payment_intents", &form).await.id();
    let without = stripe.confirm(&id).await;
    assert_eq!(
        (without.status, &without.error()["param"]),
        (400, &"return_url".into())
    );
    let path = format!("/v1/payment_intents/{id}/confirm");
    let with = stripe
        .post(&path, &[("return_url", "http://shop.test/")])
        .await;
    assert_eq!(with.object_status(), "succeeded");
}

#[tokio::test]
async fn a_method_of_another_type_is_refused() {
    let stripe = Simulator::start().await;
    let form = [
        ("amount", "1000"),
        ("currency", "usd"),
        ("payment_method_types[]", "card"),
    ];
    let id = stripe.post("/v1/payment_intents", &form).await.id();
    let path = format!("/v1/payment_intents/{id}/confirm");
    let answer = stripe
        .post(&path, &[("payment_method", "pm_usBankAccount_success")])
        .await;
    assert_eq!(
        answer.error()["code"],
        "payment_intent_incompatible_payment_method"
    );
}

#[tokio::test]
async fn a_part_of_an_authorized_amount_is_captured() {
    let stripe = Simulator::start().await;
    let id = stripe
        .intent_with("pm_card_visa", &[("capture_method", "manual")])
        .await;
    let form = [("expand[]", "latest_charge")];
    let held = stripe
        .post(&format!("/v1/payment_intents/{id}/confirm"), &form)
        .await;
    assert_eq!(held.object_status(), "requires_capture");
    assert_eq!(held.body["amount_capturable"], 1000);
    let card = &held.body["latest_charge"]["payment_method_details"]["card"];
    assert!(card["capture_before"].as_i64() > held.body["created"].as_i64());
    let path = format!("/v1/payment_intents/{id}/capture");
    let too_much = stripe.post(&path, &[("amount_to_capture", "1001")]).await;
    assert_eq!(too_much.error()["code"], "amount_too_large");
    let taken = stripe
        .post(
            &path,
            &[("amount_to_capture", "600"), ("expand[]", "latest_charge")],
        )
        .await;
    assert_eq!(taken.object_status(), "succeeded");
    assert_eq!(taken.body["amount_received"], 600);
    assert_eq!(taken.body["amount_capturable"], 0);
    assert_eq!(taken.body["latest_charge"]["amount_captured"], 600);
    let again = stripe.post(&path, &[]).await;
    assert_eq!(
        (again.status, again.error()["code"].as_str()),
        (400, Some("payment_intent_unexpected_state"))
    );
    assert_eq!(again.error()["payment_intent"]["id"], id.as_str());
    let types = stripe.event_types().await;
    let expected = [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.amount_capturable_updated",
        "charge.captured",
        "payment_intent.succeeded",
    ];
    assert_eq!(types, expected);
}

#[tokio::test]
async fn a_canceled_intent_releases_its_authorization_and_ends() {
    let stripe = Simulator::start().await;
    let id = stripe
        .intent_with("pm_card_visa", &[("capture_method", "manual")])
        .await;
    stripe.confirm(&id).await;
    let path = format!("/v1/payment_intents/{id}/cancel");
    let wrong = stripe
        .post(&path, &[("cancellation_reason", "bored")])
        .await;
    assert_eq!(wrong.error()["param"], "cancellation_reason");
    let canceled = stripe
        .post(&path, &[("cancellation_reason", "duplicate")])
        .await;
    assert_eq!(canceled.object_status(), "canceled");
    assert_eq!(canceled.body["cancellation_reason"], "duplicate");
    assert_eq!(canceled.body["amount_capturable"], 0);
    assert!(canceled.body["canceled_at"].is_i64());
    let types = stripe.event_types().await;
    assert_eq!(
        types[types.len() - 2..],
        ["charge.refunded", "payment_intent.canceled"]
    );
    let ledger = stripe.ledger("").await;
    assert_eq!(ledger["totals"]["usd"]["captured"], 0);
    assert_eq!(ledger["totals"]["usd"]["refunded"], 0);
    for action in ["confirm", "capture", "cancel"] {
        let answer = stripe
            .post(&format!("/v1/payment_intents/{id}/{action}"), &[])
            .await;
        assert_eq!(
            answer.error()["code"],
            "payment_intent_unexpected_state",
            "{action}"
        );
    }
}

#[tokio::test]
async fn an_authorization_can_expire() {
    let stripe = Simulator::start().await;
    let id = stripe
        .intent_with("pm_card_visa", &[("capture_method", "manual")])
        .await;
    stripe.confirm(&id).await;
    let path = format!("payment_intents/{id}/expire");
    let expired = stripe
        .admin(reqwest::Method::POST, &path, &serde_json::Value::Null)
        .await;
    assert_eq!(expired.object_status(), "canceled");
    assert_eq!(expired.body["cancellation_reason"], "automatic");
    let types = stripe.event_types().await;
    assert_eq!(
        types[types.len() - 2..],
        ["charge.expired", "payment_intent.canceled"]
    );
}

#[tokio::test]
async fn a_paid_intent_can_be_neither_confirmed_nor_canceled() {
    let stripe = Simulator::start().await;
    let id = stripe.paid("pm_card_visa").await;
    for action in ["confirm", "cancel"] {
        let answer = stripe
            .post(&format!("/v1/payment_intents/{id}/{action}"), &[])
            .await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.error()["payment_intent"]["status"], "succeeded");
    }
}

#[tokio::test]
async fn events_carry_the_snapshot_and_the_request_that_caused_them() {
    let stripe = Simulator::start().await;
    let form = [("amount", "1000"), ("currency", "usd")];
    let answer = stripe.post_as("a-key", "/v1/payment_intents", &form).await;
    let events = stripe.get("/v1/events").await;
    let event = &events.body["data"][0];
    assert_eq!(event["object"], "event");
    assert_eq!(event["data"]["object"], answer.body);
    assert_eq!(event["request"]["idempotency_key"], "a-key");
    assert_eq!(event["request"]["id"], answer.header("request-id").unwrap());
    let alone = stripe
        .get(&format!("/v1/events/{}", event["id"].as_str().unwrap()))
        .await;
    assert_eq!(&alone.body, event);
}
