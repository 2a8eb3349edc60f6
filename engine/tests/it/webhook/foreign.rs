//! Events that are not about Pawl's payments, and events that nobody understands yet: kept, told apart, never an alarm.

use contracts::id::PaymentId;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::World;

async fn dispositions(world: &World) -> Vec<(String, String)> {
    sqlx::query_as("select id, status from inbox_status order by id")
        .fetch_all(world.database.pool())
        .await
        .unwrap()
}

fn paid(id: &str, intent: &str, metadata: &Value) -> Value {
    json!({"id": id, "object": "event", "type": "payment_intent.succeeded", "created": 1, "livemode": false, "data": {"object": {
        "id": intent, "object": "payment_intent", "status": "succeeded", "amount": 1099, "amount_received": 1099,
        "currency": "eur", "latest_charge": "ch_other", "metadata": metadata}}})
}

#[tokio::test]
async fn an_edited_label_does_not_hide_our_own_intent() {
    let world = World::start().await;
    let other = world.create("pm_card_visa").await;
    for (number, label) in [
        json!("42"),
        json!(PaymentId::from(other).to_string()),
        Value::Null,
    ]
    .into_iter()
    .enumerate()
    {
        let payment = world.create("pm_card_authenticationRequired").await;
        world.drain().await;
        let intent = world.view(payment).await.intent_id.unwrap();
        let metadata = json!({"payment_id": label});
        let metadata = if label.is_null() { json!({}) } else { metadata };
        world
            .deliver(&paid(&format!("evt_{number}"), &intent, &metadata))
            .await;
        world.drain().await;
        assert_eq!(world.view(payment).await.status, "succeeded", "{label}");
    }
}

#[tokio::test]
async fn what_bears_no_mark_of_ours_is_foreign_and_done_at_once() {
    let world = World::start().await;
    let payment = world.create("pm_card_visa").await;
    world.drain().await;
    let before = world.view(payment).await;
    let ours = PaymentId::from(payment).to_string();
    let unknown = PaymentId::from(Uuid::now_v7()).to_string();
    let dispute = json!({"id": "evt_5", "type": "charge.dispute.created", "created": 1, "livemode": false,
        "data": {"object": {"id": "du_1", "object": "dispute", "charge": "ch_other", "payment_intent": "pi_other"}}});
    for event in [
        paid("evt_1", "pi_other", &json!({})),
        paid("evt_2", "pi_other", &json!({"app": "x"})),
        paid("evt_3", "pi_other", &json!({"payment_id": "42"})),
        paid("evt_4", "pi_other", &json!({"payment_id": ours})),
        dispute,
        paid("evt_6", "pi_other", &json!({"payment_id": unknown})),
    ] {
        world.deliver(&event).await;
    }
    world.drain().await;
    let expected = [
        "foreign", "foreign", "foreign", "foreign", "foreign", "deferred",
    ];
    let found = dispositions(&world).await;
    assert_eq!(
        found
            .iter()
            .map(|(_, status)| status.as_str())
            .collect::<Vec<_>>(),
        expected
    );
    assert_eq!(world.view(payment).await.version, before.version);
}

#[tokio::test]
async fn what_is_not_understood_is_kept_and_has_the_payment_read() {
    let world = World::start().await;
    let payment = world.create("pm_card_authenticationRequired").await;
    world.drain().await;
    let intent = world.view(payment).await.intent_id.unwrap();
    world
        .post(&format!("/_sim/payment_intents/{intent}/authenticate"), &[])
        .await;
    let mut of_tomorrow = paid("evt_status", &intent, &json!({}));
    of_tomorrow["data"]["object"]["status"] = json!("levitating");
    world.deliver(&of_tomorrow).await;
    world.drain().await;
    assert_eq!(world.view(payment).await.status, "succeeded");
    world
        .deliver(&json!({"id": "evt_thin", "object": "v2.core.event", "type": "v1.billing.meter.no_meter_found",
            "created": "2026-11-26T09:00:00.000Z", "livemode": false, "related_object": {"id": "mtr_1", "type": "billing.meter"}}))
        .await;
    world
        .deliver(&json!({"id": "evt_half", "type": "payment_intent.succeeded"}))
        .await;
    world.drain().await;
    for (id, status) in dispositions(&world).await {
        assert_eq!(status, "not_understood", "{id}");
    }
}

#[tokio::test]
async fn text_that_postgres_cannot_hold_stops_no_event() {
    let world = World::start().await;
    let payment = world.create("pm_card_authenticationRequired").await;
    world.drain().await;
    let intent = world.view(payment).await.intent_id.unwrap();
    let mut failed = paid(
        "evt_nul",
        &intent,
        &json!({"payment_id": PaymentId::from(payment).to_string()}),
    );
    failed["type"] = json!("payment_intent.payment_failed");
    failed["data"]["object"]["status"] = json!("requires_payment_method");
    failed["data"]["object"]["amount_received"] = json!(0);
    failed["data"]["object"]["last_payment_error"] = json!({"type": "card_error", "code": "card_declined", "message": "Declined by BANK\u{0}\u{0}", "advice_code": "do_not_try_again"});
    world.deliver(&failed).await;
    world.drain().await;
    let view = world.view(payment).await;
    let error = view.last_error.unwrap();
    assert_eq!(error.message.as_deref(), Some("Declined by BANK"));
    assert_eq!(error.advice_code.as_deref(), Some("do_not_try_again"));
}
