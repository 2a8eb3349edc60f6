//! Commands by Kafka against a real Postgres: a real broker where `KAFKA_BROKERS` names one.

mod sender;

use std::time::Duration;

use contracts::command::RefusedCommand;
use contracts::id::PaymentId;
use engine::{Idempotency, body};
use serde_json::{Value, json};
use uuid::Uuid;

use self::sender::{Running, Topic};
use crate::wait::until;
use crate::world::World;

/// A new payment that is captured by hand.
fn order(reference: &str) -> Value {
    json!({
        "amount": 1099, "currency": "eur", "capture_method": "manual", "reference": reference,
        "return_url": "https://shop.example/done",
    })
}

/// The payments with their references, in the order in which they were accepted.
async fn payments(world: &World) -> Vec<(Uuid, String)> {
    sqlx::query_as("select id, reference from payment order by id")
        .fetch_all(world.database.pool())
        .await
        .unwrap()
}

/// The id of the only payment, as soon as there is one.
async fn only(world: &World) -> Uuid {
    until("the commands are done", async || {
        !payments(world).await.is_empty()
    })
    .await;
    payments(world).await.swap_remove(0).0
}

/// The kinds of the transitions that the outbox has as answers to this command.
async fn answers(world: &World, id: &str) -> Vec<String> {
    let rows: Vec<String> = sqlx::query_scalar("select messages from outbox order by seq")
        .fetch_all(world.database.pool())
        .await
        .unwrap();
    rows.iter()
        .flat_map(|row| row.lines())
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|event| event["commandid"] == id)
        .map(|event| event["data"]["kind"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn each_command_does_what_the_route_does_and_its_event_has_its_id() {
    let (world, topic) = (World::start().await, Topic::create(3).await);
    let running = Running::start(world.engine.clone(), &topic);
    let create = order("order-1");
    topic.command(&world, "c-1", "create", None, &create).await;
    let payment = only(&world).await;
    world.drain().await;
    let confirm = json!({"payment_method": "pm_card_visa"});
    for (id, word, body, status) in [
        ("c-2", "confirm", confirm, "requires_capture"),
        ("c-3", "capture", json!({"amount": 1000}), "succeeded"),
        ("c-4", "refund", json!({"amount": 99}), "succeeded"),
    ] {
        topic.command(&world, id, word, Some(payment), &body).await;
        until("the commands are done", async || {
            !answers(&world, id).await.is_empty()
        })
        .await;
        world.drain().await;
        assert_eq!(world.view(payment).await.status, status, "{word}");
    }
    let view = world.view(payment).await;
    assert_eq!((view.amount_captured, view.amount_refunded), (1000, 99));

    let create = order("order-2");
    topic.command(&world, "c-5", "create", None, &create).await;
    until("the commands are done", async || {
        payments(&world).await.len() == 2
    })
    .await;
    world.drain().await;
    let second = payments(&world).await[1].0;
    topic
        .sample(
            &world,
            "c-6",
            "cancel",
            second,
            r#"{"reason": "duplicate"}"#,
        )
        .await;
    until("the commands are done", async || {
        !answers(&world, "c-6").await.is_empty()
    })
    .await;
    world.drain().await;
    let view = world.view(second).await;
    assert_eq!(view.status, "canceled");
    for (id, kind) in [
        ("c-1", "accepted"),
        ("c-2", "started"),
        ("c-3", "capture_requested"),
        ("c-4", "requested"),
        ("c-6", "cancel_requested"),
    ] {
        let answered = answers(&world, id).await;
        assert!(answered.contains(&kind.to_owned()), "{id}: {answered:?}");
    }
    running.stop().await;
    assert_eq!(topic.dead().await, Vec::new());
}

#[tokio::test]
async fn a_command_and_the_same_request_of_the_api_are_one() {
    let (world, topic) = (World::start().await, Topic::create(1).await);
    let running = Running::start(world.engine.clone(), &topic);
    let create = order("order-1");
    topic.command(&world, "c-1", "create", None, &create).await;
    let payment = only(&world).await;
    let (path, raw) = ("/api/v1/payments", create.to_string());
    let request = Idempotency {
        account: world.account,
        method: "POST".into(),
        path: path.into(),
        key: "c-1".into(),
        body_hash: body::body_hash("POST", path, raw.as_bytes()),
    };
    let new = body::new_payment(body::parse(raw.as_bytes()).unwrap()).unwrap();
    let answer = world.engine.create(new, request).await.unwrap();
    assert!(answer.replayed);
    assert_eq!(answer.payment, payment);
    running.stop().await;
}

/// A message and why it is refused, as `code param`.
fn bad(world: &World, payment: Uuid) -> Vec<(String, &'static str)> {
    let message = |change: &dyn Fn(&mut Value)| {
        let mut message = sender::message(world.account, "bad", "create", None, &order("bad"));
        change(&mut message);
        message.to_string()
    };
    let to = |word: &str, id: &str, payment: Uuid, body: Value| {
        sender::message(world.account, id, word, Some(payment), &body).to_string()
    };
    vec![
        ("{".to_owned(), "malformed_json"),
        (String::new(), "malformed_json"),
        ("[1]".to_owned(), "invalid_type"),
        (message(&|it| it["extra"] = json!(1)), "unknown_field extra"),
        (
            message(&|it| it["type"] = json!("steal")),
            "invalid_field type",
        ),
        (
            message(&|it| it["schema_version"] = json!(2)),
            "invalid_field schema_version",
        ),
        (
            message(&|it| it["id"] = json!("")),
            "idempotency_key_invalid id",
        ),
        (
            message(&|it| it["type"] = json!("capture")),
            "missing_field payment_id",
        ),
        (
            message(&|it| it["body"]["amount"] = json!(0)),
            "invalid_amount body.amount",
        ),
        (
            message(&|it| it["body"]["currency"] = json!("xyz")),
            "unknown_currency body.currency",
        ),
        (
            message(&|it| it["body"]["surprise"] = json!(1)),
            "unknown_field body.surprise",
        ),
        (
            message(&|it| it["body"]["description"] = json!("4242424242424242")),
            "card_data body.description",
        ),
        (
            message(&|it| it["body"]["description"] = json!("x".repeat(70_000))),
            "body_too_large",
        ),
        (
            message(&|it| it["body"]["reference"] = json!("first")),
            "reference_taken body.reference",
        ),
        (
            message(&|it| it["id"] = json!("first")),
            "idempotency_key_reused id",
        ),
        (
            to("capture", "early", payment, json!({})),
            "unexpected_state",
        ),
        (
            to("confirm", "nobody", Uuid::now_v7(), json!({})),
            "not_found",
        ),
    ]
}

#[tokio::test]
async fn a_bad_message_goes_to_the_dead_ones_with_the_reason_and_blocks_none() {
    let (world, topic) = (World::start().await, Topic::create(1).await);
    let running = Running::start(world.engine.clone(), &topic);
    topic
        .command(&world, "first", "create", None, &order("first"))
        .await;
    let payment = only(&world).await;
    world.drain().await;
    let bad = bad(&world, payment);
    for (message, _) in &bad {
        topic.send("one key", message).await;
    }
    let last = sender::message(world.account, "last", "create", None, &order("last"));
    topic.send("one key", &last.to_string()).await;
    until("the commands are done", async || {
        payments(&world).await.len() == 2
    })
    .await;
    running.stop().await;
    let dead = topic.dead().await;
    assert_eq!(dead.len(), bad.len());
    for (refused, (message, reason)) in dead.iter().zip(&bad) {
        let param = refused.param.as_deref().unwrap_or_default();
        assert_eq!(
            format!("{} {param}", refused.code).trim_end(),
            *reason,
            "{message:.100}"
        );
        let hidden = matches!(*reason, "body_too_large" | "card_data body.description");
        assert_eq!(
            refused.message.as_deref(),
            (!hidden).then_some(message.as_str())
        );
        assert!(!refused.detail.is_empty() && !refused.retryable);
    }
    let ids: Vec<_> = dead
        .iter()
        .map(|it: &RefusedCommand| it.command_id.as_deref())
        .collect();
    assert_eq!(ids[16], Some("nobody"));
    assert_eq!(world.view(payment).await.status, "requires_payment_method");
}

#[tokio::test]
async fn commands_with_one_key_are_done_in_their_order_and_a_repeated_one_once() {
    let (world, topic) = (World::start().await, Topic::create(4).await);
    let references: Vec<String> = (0..250).map(|number| format!("order-{number}")).collect();
    for reference in &references {
        let message = sender::message(world.account, reference, "create", None, &order(reference));
        topic.queue("shop", &message.to_string());
        topic.queue("shop", &message.to_string());
    }
    topic.flush().await;
    let running = Running::start(world.engine.clone(), &topic);
    until("the commands are done", async || {
        payments(&world).await.len() == references.len()
    })
    .await;
    until("the commands are done", async || {
        topic.unfinished().await == 0
    })
    .await;
    running.stop().await;
    let found = payments(&world).await;
    let found: Vec<&String> = found.iter().map(|(_, reference)| reference).collect();
    assert_eq!(found, references.iter().collect::<Vec<_>>());
    assert_eq!(topic.dead().await, Vec::new());
}

#[tokio::test]
async fn two_consumers_share_the_partitions_and_a_rebalance_loses_and_repeats_nothing() {
    let (world, topic) = (World::start().await, Topic::create(8).await);
    let send = |from: usize, to: usize| {
        for number in from..to {
            let id = format!("order-{number}");
            let message = sender::message(world.account, &id, "create", None, &order(&id));
            topic.queue(&id, &message.to_string());
        }
    };
    let first = Running::start(world.engine.clone(), &topic);
    send(0, 300);
    until("the commands are done", async || {
        payments(&world).await.len() > 20
    })
    .await;
    // The second takes partitions while the first works on them.
    let (engine, _proxy) = sender::engine_behind_a_proxy(&world).await;
    let second = Running::start(engine, &topic);
    send(300, 600);
    // The first hears of it at its next heartbeat.
    tokio::time::sleep(Duration::from_secs(4)).await;
    send(600, 900);
    until("the commands are done", async || {
        payments(&world).await.len() > 610
    })
    .await;
    first.stop().await;
    send(900, 1000);
    until("the commands are done", async || {
        payments(&world).await.len() == 1000
    })
    .await;
    until("the commands are done", async || {
        topic.unfinished().await == 0
    })
    .await;
    second.stop().await;
    let created = "select count(*) from transition where kind = 'accepted' and machine = 'payment'";
    assert_eq!(world.count(created).await, 1000);
    assert_eq!(topic.dead().await, Vec::new());
}

#[tokio::test]
async fn commands_wait_while_postgres_is_away_or_the_intake_is_paused() {
    let (world, topic) = (World::start().await, Topic::create(2).await);
    let (engine, proxy) = sender::engine_behind_a_proxy(&world).await;
    let running = Running::start(engine, &topic);
    topic
        .command(&world, "c-1", "create", None, &order("order-1"))
        .await;
    until("the commands are done", async || {
        payments(&world).await.len() == 1
    })
    .await;
    proxy.refuse(true);
    for number in 2..5 {
        let id = format!("order-{number}");
        topic
            .command(&world, &id, "create", None, &order(&id))
            .await;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(payments(&world).await.len(), 1);
    proxy.refuse(false);
    until("the commands are done", async || {
        payments(&world).await.len() == 4
    })
    .await;

    let pool = world.database.pool();
    let set = async |paused| {
        engine::intake_switch::set(pool, paused, None, "test")
            .await
            .unwrap()
    };
    set(true).await;
    tokio::time::sleep(engine::intake_switch::OBEYED_WITHIN).await;
    topic
        .command(&world, "c-9", "create", None, &order("order-9"))
        .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(payments(&world).await.len(), 4);
    set(false).await;
    until("the commands are done", async || {
        payments(&world).await.len() == 5
    })
    .await;
    running.stop().await;
    assert_eq!(topic.dead().await, Vec::new());
}

#[tokio::test]
async fn a_command_of_another_account_finds_no_payment() {
    let (world, topic) = (World::start().await, Topic::create(1).await);
    let running = Running::start(world.engine.clone(), &topic);
    topic
        .command(&world, "c-1", "create", None, &order("order-1"))
        .await;
    let payment = only(&world).await;
    let foreign = sender::message(Uuid::now_v7(), "c-2", "cancel", Some(payment), &json!({}));
    let key = PaymentId::from_uuid(payment).to_string();
    topic.send(&key, &foreign.to_string()).await;
    until("the commands are done", async || {
        topic.unfinished().await == 0
    })
    .await;
    running.stop().await;
    let codes: Vec<_> = topic.dead().await.into_iter().map(|it| it.code).collect();
    assert_eq!(codes, ["not_found"]);
}
