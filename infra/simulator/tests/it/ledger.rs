//! The simulator's ledger.

use serde_json::json;
use stripe_simulator::Config;

use crate::support::{Simulator, quick};

#[tokio::test]
async fn the_ledger_shows_what_was_charged_captured_and_refunded() {
    let stripe = Simulator::start().await;
    let more = [
        ("metadata[payment_id]", "pay_1"),
        ("capture_method", "manual"),
    ];
    let id = stripe.intent_with("pm_card_visa", &more).await;
    stripe.confirm(&id).await;
    let path = format!("/v1/payment_intents/{id}/capture");
    stripe.post(&path, &[("amount_to_capture", "700")]).await;
    stripe
        .post("/v1/refunds", &[("payment_intent", &id), ("amount", "200")])
        .await;
    stripe
        .intent_with("pm_card_visa", &[("metadata[payment_id]", "pay_2")])
        .await;
    let ledger = stripe.ledger("?payment_id=pay_1").await;
    assert_eq!(ledger["payments"].as_array().unwrap().len(), 1);
    let payment = &ledger["payments"][0];
    for (name, expected) in [
        ("payment_id", json!("pay_1")),
        ("payment_intent", json!(id)),
        ("status", json!("succeeded")),
        ("amount", json!(1000)),
        ("captured", json!(700)),
        ("refunded", json!(200)),
        ("charges", json!(1)),
    ] {
        assert_eq!(payment[name], expected, "{name}");
    }
    let totals = &ledger["totals"]["usd"];
    assert_eq!(
        (&totals["intents"], &totals["captured"], &totals["refunded"]),
        (&json!(2), &json!(700), &json!(200))
    );
}

#[tokio::test]
async fn a_payment_charged_twice_is_visible() {
    let stripe = Simulator::start().await;
    for _ in 0..2 {
        let id = stripe
            .intent_with("pm_card_visa", &[("metadata[payment_id]", "pay_1")])
            .await;
        stripe.confirm(&id).await;
    }
    let ledger = stripe.ledger("").await;
    assert_eq!(ledger["payments"].as_array().unwrap().len(), 1);
    assert_eq!(ledger["payments"][0]["charges"], 2);
    assert_eq!(
        ledger["payments"][0]["intents"].as_array().unwrap().len(),
        2
    );
    assert_eq!(ledger["charged_more_than_once"], 1);
}

#[tokio::test]
async fn a_retry_after_a_decline_is_charged_once() {
    let stripe = Simulator::start().await;
    let id = stripe
        .intent_with(
            "pm_card_chargeDeclined",
            &[("metadata[payment_id]", "pay_1")],
        )
        .await;
    stripe.confirm(&id).await;
    let path = format!("/v1/payment_intents/{id}/confirm");
    stripe
        .post(&path, &[("payment_method", "pm_card_visa")])
        .await;
    let ledger = stripe.ledger("").await;
    let payment = &ledger["payments"][0];
    assert_eq!(
        (&payment["charges"], &payment["failed_charges"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(ledger["charged_more_than_once"], 0);
}

#[tokio::test]
async fn sums_stay_when_their_objects_are_removed() {
    let config = Config {
        keep_intents: 3,
        keep_events: 4,
        keep_keys: 5,
        ..quick()
    };
    let stripe = Simulator::with(config).await;
    let open = stripe.intent("pm_card_visa").await;
    for _ in 0..10 {
        let id = stripe.paid("pm_card_visa").await;
        stripe
            .post("/v1/refunds", &[("payment_intent", &id), ("amount", "100")])
            .await;
    }
    let ledger = stripe.ledger("").await;
    assert_eq!(
        ledger["payments"].as_array().unwrap().len(),
        4,
        "three finished ones and the open one"
    );
    let totals = &ledger["totals"]["usd"];
    assert_eq!(
        (&totals["intents"], &totals["captured"], &totals["refunded"]),
        (&json!(11), &json!(10_000), &json!(1_000))
    );
    assert_eq!(stripe.event_types().await.len(), 4);
    assert_eq!(
        stripe.retrieve(&open).await.status,
        200,
        "an open intent is never forgotten"
    );
}

#[tokio::test]
async fn the_ledger_is_read_in_pages() {
    let stripe = Simulator::start().await;
    for name in ["pay_1", "pay_2", "pay_3"] {
        stripe
            .intent_with("pm_card_visa", &[("metadata[payment_id]", name)])
            .await;
    }
    let first = stripe.ledger("?limit=2").await;
    assert_eq!(
        (
            first["payments"].as_array().unwrap().len(),
            &first["has_more"]
        ),
        (2, &json!(true))
    );
    let last = stripe.ledger("?limit=2&offset=2").await;
    assert_eq!(
        (&last["payments"][0]["payment_id"], &last["has_more"]),
        (&json!("pay_3"), &json!(false))
    );
}
