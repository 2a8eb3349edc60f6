//! What an endpoint is told: outcomes, with the notes of the payment and the money of what moved.

use contracts::event::CloudEvent;
use engine::{Command, NewPayment, Notes};
use serde_json::{Value, json};

use super::listen_to;
use crate::receiver::{Got, Receiver};
use crate::world::World;

/// The events that wait for Kafka.
async fn published(world: &World) -> Vec<CloudEvent> {
    let rows: Vec<String> = sqlx::query_scalar("select messages from outbox order by seq")
        .fetch_all(world.database.pool())
        .await
        .unwrap();
    let lines = rows.iter().flat_map(|row| row.lines());
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn kafka_and_endpoints_get_the_same_facts_with_the_notes_and_a_refunds_amount() {
    let world = World::start().await;
    let receiver = Receiver::start();
    listen_to(&world, &receiver, &["*"]).await;
    let order = World::order("pm_card_visa");
    let notes = Notes {
        reference: Some("order-1042".to_owned()),
        metadata: [("shop".to_owned(), "north\n\"to\":\"x\"".to_owned())].into(),
        ..order.notes.clone()
    };
    let key = world.key("/api/v1/payments");
    let created = world
        .engine
        .create(NewPayment { notes, ..order }, key)
        .await;
    let payment = created.unwrap().payment;
    world.drain().await;
    let refund = Command::Refund {
        amount: Some(99),
        reason: None,
    };
    world.command(payment, refund).await.unwrap();
    world.drain().await;

    let (published, mut got) = (published(&world).await, receiver.got());
    got.sort_by_key(Got::sequence);
    assert_eq!(published.len(), got.len());
    for (event, got) in published.iter().zip(&got) {
        let mut sent = got.body["data"].clone();
        let sent = sent.as_object_mut().unwrap();
        assert_eq!(sent.remove("event_id").unwrap(), json!(event.id));
        assert!(sent.remove("endpoint_id").is_some() && sent.remove("sequence").is_some());
        assert_eq!(Value::Object(sent.clone()), json!(event.data));
        assert_eq!(event.r#type, format!("pawl.{}", got.kind()));
        assert_eq!(sent["schema_version"], 1);
        assert_eq!(sent["reference"], "order-1042");
        assert_eq!(sent["metadata"], json!({"shop": "north\n\"to\":\"x\""}));
        let refund = (sent["machine"] == "refund").then_some(99);
        assert_eq!(sent["refund_amount"], json!(refund));
    }
    let last = got.last().unwrap();
    assert_eq!(last.kind(), "refund.succeeded");
    // The history shows the same types, the newest first.
    let mut events = world.history(payment).await;
    events.reverse();
    let types: Vec<&str> = events.iter().map(|event| event.r#type.as_ref()).collect();
    assert_eq!(types, got.iter().map(Got::kind).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_outcome_that_only_a_resync_shows_has_the_type_of_the_outcome() {
    for (what, outcome) in [("succeed", "payment.succeeded"), ("fail", "payment.failed")] {
        let world = World::start().await;
        let receiver = Receiver::start();
        listen_to(&world, &receiver, &[outcome]).await;
        let payment = world.create("pm_usBankAccount_processing").await;
        world.drain().await;
        assert_eq!(receiver.got().len(), 0);
        let intent = world.view(payment).await.intent_id.unwrap();
        let path = format!("/_sim/payment_intents/{intent}/{what}");
        world.post(&path, &[]).await;
        world.fire_timers("check").await;
        let got = receiver.got();
        assert_eq!(got.len(), 1, "{what}");
        assert_eq!(got[0].kind(), outcome);
        assert_eq!(got[0].body["data"]["kind"], "resync");
    }
}

#[tokio::test]
async fn a_declined_card_is_reported_as_a_failed_payment() {
    let world = World::start().await;
    let receiver = Receiver::start();
    listen_to(&world, &receiver, &["payment.failed"]).await;
    let payment = world.create("pm_card_chargeDeclined").await;
    world.drain().await;
    assert_eq!(world.view(payment).await.status, "requires_payment_method");
    let got = receiver.got();
    assert_eq!(got.len(), 1);
    assert_eq!(got[0].body["data"]["to"], "requires_payment_method");
}
