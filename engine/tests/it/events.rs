//! Stripe's list of events fills the gaps that lost webhooks leave. No timer fires in these tests.

use std::time::Duration;

use engine::{Command, NewPayment};
use serde_json::json;
use uuid::Uuid;

use crate::world::World;

/// Webhooks must have arrived at once.
const AT_ONCE: Duration = Duration::ZERO;

async fn create(world: &World, new: NewPayment) -> Uuid {
    let key = world.key("/api/v1/payments");
    let payment = world.engine.create(new, key).await.unwrap().payment;
    world.drain().await;
    payment
}

async fn intent(world: &World, payment: Uuid) -> String {
    world.view(payment).await.intent_id.unwrap()
}

async fn read(world: &World) -> u64 {
    let found = world.worker.read_events(AT_ONCE).await.unwrap();
    world.drain().await;
    found
}

async fn refund_of(world: &World, payment: Uuid, amount: i64) -> String {
    let refund = Command::Refund {
        amount: Some(amount),
        reason: None,
    };
    world.command(payment, refund).await.unwrap();
    world.drain().await;
    sqlx::query_scalar("select stripe_id from refund order by id desc limit 1")
        .fetch_one(world.database.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn with_webhooks_switched_off_payments_and_refunds_end_by_the_list_of_events() {
    let world = World::start().await;
    let customer = create(&world, World::order("pm_card_authenticationRequired")).await;
    let bank = create(&world, World::order("pm_usBankAccount_processing")).await;
    let manual = create(
        &world,
        NewPayment {
            capture_method: workflows::payment::CaptureMethod::Manual,
            ..World::order("pm_card_visa")
        },
    )
    .await;
    let refunded = create(&world, World::order("pm_card_pendingRefund")).await;
    let pending = refund_of(&world, refunded, 300).await;
    let returned = create(&world, World::order("pm_card_visa")).await;
    let failing = refund_of(&world, returned, 200).await;
    let dashboard = create(&world, World::order("pm_card_visa")).await;

    // Customers, banks and people in Stripe's dashboard; none of it is told by a webhook.
    for path in [
        format!(
            "/_sim/payment_intents/{}/authenticate",
            intent(&world, customer).await
        ),
        format!(
            "/_sim/payment_intents/{}/succeed",
            intent(&world, bank).await
        ),
        format!(
            "/v1/payment_intents/{}/capture",
            intent(&world, manual).await
        ),
        format!("/_sim/refunds/{pending}/succeed"),
        format!("/_sim/refunds/{failing}/fail"),
    ] {
        let answer = world.post(&path, &[]).await;
        assert!(answer["error"].is_null(), "{path}: {answer}");
    }
    let form = [
        ("payment_intent", &*intent(&world, dashboard).await),
        ("amount", "99"),
    ];
    world.post("/v1/refunds", &form).await;

    assert!(read(&world).await > 0);
    for payment in [customer, bank, manual] {
        assert_eq!(world.view(payment).await.status, "succeeded");
    }
    let sums = async |payment| {
        let view = world.view(payment).await;
        (view.amount_refunded, view.amount_reserved)
    };
    assert_eq!(sums(refunded).await, (300, 0));
    assert_eq!(sums(returned).await, (0, 0));
    assert_eq!(sums(dashboard).await, (99, 0));
    assert_eq!(world.open_work().await, 0);
    let waiting = "select count(*) from timer where times_fired > 0";
    assert_eq!(world.count(waiting).await, 0);

    // What was read is read again a minute long, and changes nothing.
    let transitions = world.count("select count(*) from transition").await;
    assert_eq!(read(&world).await, 0);
    assert_eq!(
        world.count("select count(*) from transition").await,
        transitions
    );
}

#[tokio::test]
async fn while_webhooks_arrive_nothing_is_read_twice() {
    let world = World::start().await;
    create(&world, World::order("pm_card_visa")).await;
    let events = world.events().await;
    for event in &events {
        world.deliver(event).await;
    }
    world.drain().await;
    assert_eq!(read(&world).await, 0);
    assert_eq!(
        world.count("select count(*) from inbox").await,
        i64::try_from(events.len()).unwrap()
    );
    // An event that is younger than a webhook may take is not missed yet.
    create(&world, World::order("pm_card_visa")).await;
    let found = world.worker.read_events(Duration::from_mins(1)).await;
    assert_eq!(found.unwrap(), 0);
}

#[tokio::test]
async fn a_read_that_fails_moves_the_cursor_by_nothing() {
    let world = World::start().await;
    let payment = create(&world, World::order("pm_card_authenticationRequired")).await;
    let path = format!(
        "/_sim/payment_intents/{}/authenticate",
        intent(&world, payment).await
    );
    world.post(&path, &[]).await;
    let cursor = "select read_until from event_cursor";
    sqlx::query("update event_cursor set read_until = read_until - 1000")
        .execute(world.database.pool())
        .await
        .unwrap();
    let before = world.count(cursor).await;
    world
        .fault(json!([{"fault": "error_before", "count": 1, "route": "events.list"}]))
        .await;
    assert!(world.worker.read_events(AT_ONCE).await.is_err());
    assert_eq!(world.count(cursor).await, before);
    assert!(read(&world).await > 0);
    assert!(world.count(cursor).await >= before + 1000);
    assert_eq!(world.view(payment).await.status, "succeeded");
}
