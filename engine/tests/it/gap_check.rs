//! The sample of a consumer, `docs/samples/gap_check.py`, with the events of real payments on a topic of its own.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use contracts::id::PaymentId;
use infra::kafka::{Producer, single_message_producer};
use infra::testing::unique;
use rdkafka::producer::FutureRecord;
use serde_json::Value;

use crate::relay::Kafka;
use crate::world::World;

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/samples/gap_check.py");

/// The events that the outbox has, in their order.
async fn events(world: &World) -> Vec<Value> {
    let rows: Vec<String> = sqlx::query_scalar("select messages from outbox order by seq")
        .fetch_all(world.database.pool())
        .await
        .unwrap();
    let lines = rows.iter().flat_map(|row| row.lines());
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

async fn publish(producer: &Producer, topic: &str, events: &[Value]) {
    for event in events {
        let (key, text) = (event["subject"].as_str().unwrap(), event.to_string());
        let record = FutureRecord::to(topic).key(key).payload(&text);
        producer
            .send(record, Duration::from_secs(10))
            .await
            .unwrap();
    }
}

/// Lets the sample read to the end.
async fn check(brokers: &str, topic: &str, directory: &Path) -> Output {
    tokio::process::Command::new("python3")
        .args([SAMPLE, "--once"])
        .env("KAFKA_BROKERS", brokers)
        .env("KAFKA_TOPIC", topic)
        .env("GAP_CHECK_DB", directory.join("seen.db"))
        .output()
        .await
        .unwrap()
}

#[tokio::test]
async fn the_sample_finds_a_gap_and_takes_repetitions_for_none() {
    let (world, kafka, topic) = (World::start().await, Kafka::start(), unique("gaps"));
    let (first, second) = tokio::join!(world.create("pm_card_visa"), world.create("pm_card_visa"));
    world.drain().await;
    let events = events(&world).await;
    let of = |payment| {
        let id = PaymentId::from_uuid(payment).to_string();
        let events = events.iter().filter(move |event| event["subject"] == id);
        events.cloned().collect::<Vec<Value>>()
    };
    let (whole, torn) = (of(first), of(second));
    assert!(whole.len() > 3 && torn.len() > 3);
    let producer = single_message_producer(&kafka.brokers.as_str().into()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    // Published twice from the second event on, as after the death of a relay.
    publish(&producer, &topic, &whole).await;
    publish(&producer, &topic, &whole[1..]).await;
    publish(&producer, &topic, &torn[..2]).await;
    let checked = check(&kafka.brokers, &topic, directory.path()).await;
    assert!(checked.status.success(), "{checked:?}");
    assert!(checked.stdout.is_empty(), "{checked:?}");

    // It goes on behind what it has seen, and the third event is missing.
    publish(&producer, &topic, &torn[3..]).await;
    let checked = check(&kafka.brokers, &topic, directory.path()).await;
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
    let payment = PaymentId::from_uuid(second);
    assert_eq!(
        String::from_utf8(checked.stdout).unwrap(),
        format!("{payment}: version 4 came after 2\n")
    );
    let checked = check(&kafka.brokers, &topic, directory.path()).await;
    assert!(checked.status.success(), "it was reported: {checked:?}");
}
