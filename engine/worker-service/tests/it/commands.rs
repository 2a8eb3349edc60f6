//! The worker aborts after the database has a command and before Kafka has the position; another worker takes it once more.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use contracts::id::PaymentId;
use infra::id::AccountId;
use infra::kafka::single_message_producer;
use infra::testing::{kafka_brokers, unique};
use rdkafka::producer::FutureRecord;
use serde_json::json;

use crate::process::{Process, until};
use crate::world::World;

const SIGABRT: i32 = 6;

#[tokio::test]
async fn a_worker_that_dies_before_the_position_is_committed_does_a_command_once() {
    let (world, topic) = (World::start().await, unique("commands"));
    let brokers = kafka_brokers().expect("KAFKA_BROKERS is set by `make test`");
    let producer = single_message_producer(&brokers.as_str().into()).unwrap();
    let payment = {
        let mut order = World::order("pm_card_visa");
        order.capture_method = workflows::payment::CaptureMethod::Manual;
        let key = world.key("/api/v1/payments");
        world.engine.create(order, key).await.unwrap().payment
    };
    world.drain().await;
    let command = |id: &str, word: &str, body: serde_json::Value| {
        let mut message = json!({
            "schema_version": 1, "id": id, "account_id": AccountId::from_uuid(world.account), "type": word, "body": body,
        });
        if word != "create" {
            message["payment_id"] = json!(PaymentId::from_uuid(payment));
        }
        message.to_string()
    };
    let messages = [
        command("capture", "capture", json!({"amount": 1000})),
        command(
            "create",
            "create",
            json!({"amount": 500, "currency": "eur"}),
        ),
        command("refund", "refund", json!({"amount": 100})),
    ];
    let variables = [
        ("KAFKA_COMMANDS", "true"),
        ("KAFKA_COMMANDS_TOPIC", topic.as_str()),
    ];
    // Each dies with a command that is done and taken again; the first two by the next one.
    for (done, message) in messages.iter().enumerate() {
        let record = FutureRecord::to(&topic).key("one key").payload(message);
        producer
            .send(record, Duration::from_secs(10))
            .await
            .unwrap();
        let died = Process::with(&world, 9, Some("commands.applied"), &variables)
            .ended()
            .await;
        assert_eq!(died.signal(), Some(SIGABRT), "command {done}: {died}");
        world.drain().await;
    }
    let process = Process::with(&world, 9, None, &variables);
    let last = command("last", "create", json!({"amount": 700, "currency": "eur"}));
    let record = FutureRecord::to(&topic).key("one key").payload(&last);
    producer
        .send(record, Duration::from_secs(10))
        .await
        .unwrap();
    let payments = || world.count("select count(*) from payment");
    until(payments, |count| *count == 3).await;
    let view = until(|| world.view(payment), |view| view.amount_refunded == 100).await;
    assert_eq!((view.amount_captured, view.amount_refunded), (1000, 100));
    assert_eq!(payments().await, 3);
    assert_eq!(world.count("select count(*) from refund").await, 1);
    assert_eq!(world.charges(payment).await, 1);
    assert!(process.stop().await.success());
}
