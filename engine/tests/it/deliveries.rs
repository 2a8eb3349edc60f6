//! Merchants' endpoints receive the events of their payments: once if nothing fails, and in the end whatever fails.

mod addresses;
mod endpoints;
mod outcomes;
mod retries;
mod test_events;
mod workers;

use std::time::Duration;

use contracts::webhook::{DeliveryStatus, DeliveryView, WebhookEndpointView};
use engine::delivery::{Guard, NewEndpoint, Reach};
use engine::{Command, Page};
use uuid::Uuid;

use crate::receiver::{Got, Receiver};
use crate::world::World;

pub(crate) const FIRST: Page<Uuid> = Page {
    limit: 100,
    starting_after: None,
    ending_before: None,
};

/// An endpoint of the world's account.
pub(crate) async fn listen_to(
    world: &World,
    receiver: &Receiver,
    events: &[&str],
) -> WebhookEndpointView {
    let address = Guard::new(Reach::Anywhere)
        .check(&receiver.url)
        .await
        .unwrap();
    let new = NewEndpoint {
        address,
        description: None,
        enabled_events: events.iter().map(|word| (*word).to_owned()).collect(),
    };
    world
        .engine
        .add_webhook_endpoint(world.account, new)
        .await
        .unwrap()
}

/// All deliveries of an endpoint, the oldest first.
pub(crate) async fn deliveries(world: &World, endpoint: &WebhookEndpointView) -> Vec<DeliveryView> {
    let (mut deliveries, more) = world
        .engine
        .deliveries(world.account, endpoint.id.uuid(), None, &FIRST)
        .await
        .unwrap();
    assert!(!more);
    deliveries.reverse();
    deliveries
}

/// The sequence numbers that arrived of a payment, each once.
pub(crate) fn numbers(got: &[Got], payment: &str) -> Vec<i64> {
    let mut numbers: Vec<i64> = got
        .iter()
        .filter(|got| got.payment() == payment)
        .map(Got::sequence)
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

#[tokio::test]
async fn every_event_arrives_signed_and_numbered_without_a_gap() {
    let world = World::start().await;
    let receiver = Receiver::start();
    let endpoint = listen_to(&world, &receiver, &["*"]).await;
    let secret = endpoint.secret.clone().unwrap();
    let payments = [
        world.create("pm_card_visa").await,
        world.create("pm_card_visa").await,
    ];
    world.worker.drain().await.unwrap();

    let got = receiver.got();
    for payment in payments {
        let view = world.view(payment).await;
        assert_eq!(view.status, "succeeded");
        let expected: Vec<i64> = (1..=view.version).collect();
        assert_eq!(numbers(&got, &view.id.to_string()), expected);
        let last = got
            .iter()
            .find(|it| it.payment() == view.id.to_string() && it.kind() == "payment.succeeded");
        let data = &last.unwrap().body["data"];
        assert_eq!(data["amount_captured"], 1099);
        assert_eq!(data["to"], "succeeded");
        assert_eq!(data["endpoint_id"], endpoint.id.to_string());
        // All are told here, so the number is the version.
        assert_eq!(data["sequence"], data["version"]);
        let events = world.history(payment).await;
        let event = events.iter().find(|it| it.kind == "succeeded").unwrap();
        assert_eq!(data["event_id"], event.id.to_string());
        let timestamp = event
            .created_at
            .format(&time::format_description::well_known::Rfc3339);
        assert_eq!(last.unwrap().body["timestamp"], timestamp.unwrap());
    }
    let written = deliveries(&world, &endpoint).await;
    assert_eq!(got.len(), written.len(), "each arrived once");
    for got in &got {
        assert!(got.is_signed_with(&secret));
        assert!(!got.is_signed_with("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
        assert_eq!(got.headers["content-type"], "application/json");
        assert_eq!(got.headers["user-agent"], "Pawl");
        let text = std::str::from_utf8(&got.raw).unwrap();
        assert!(!text.contains("client_secret") && !text.contains("next_action"));
        let delivery = written.iter().find(|it| it.id.to_string() == got.id);
        let delivery = delivery.unwrap();
        assert_eq!(delivery.status, DeliveryStatus::Delivered);
        assert_eq!((delivery.tries, delivery.last_code), (1, Some(200)));
        assert_eq!(delivery.r#type, got.kind());
    }
    assert_eq!(world.open_work().await, 0);
}

#[tokio::test]
async fn an_endpoint_gets_what_it_asked_for_and_only_of_its_own_account() {
    let mut world = World::start().await;
    let receiver = Receiver::start();
    listen_to(&world, &receiver, &["payment.succeeded", "refund.*"]).await;
    let payment = world.create("pm_card_visa").await;
    world.worker.drain().await.unwrap();
    let refund = Command::Refund {
        amount: Some(99),
        reason: None,
    };
    world.command(payment, refund).await.unwrap();
    world.worker.drain().await.unwrap();

    world.account = Uuid::now_v7();
    world.create("pm_card_visa").await;
    world.worker.drain().await.unwrap();

    let mut got = receiver.got();
    got.sort_by_key(Got::sequence);
    assert_eq!(got[0].kind(), "payment.succeeded");
    assert!(got.len() > 1);
    for (got, number) in got.iter().zip(1..) {
        assert_eq!(got.sequence(), number);
        assert!(number == 1 || got.kind().starts_with("refund."));
        assert_eq!(
            got.payment(),
            contracts::id::PaymentId::from_uuid(payment).to_string()
        );
    }
}

#[tokio::test]
async fn what_is_refused_here_and_there_arrives_in_the_end_without_a_gap() {
    let world = World::start().await;
    let receiver = Receiver::start();
    let answers =
        [500, 200, 503, 404, 200, 429, 302, 200, 500].map(crate::receiver::Answer::status);
    receiver.answer(answers);
    let endpoint = listen_to(&world, &receiver, &["*"]).await;
    let mut payments = Vec::new();
    for _ in 0..3 {
        payments.push(world.create("pm_card_visa").await);
    }
    world.drain().await;
    for payment in payments {
        let view = world.view(payment).await;
        let expected: Vec<i64> = (1..=view.version).collect();
        assert_eq!(numbers(&receiver.got(), &view.id.to_string()), expected);
    }
    let delivered = deliveries(&world, &endpoint).await;
    assert!(
        delivered
            .iter()
            .all(|it| it.status == DeliveryStatus::Delivered)
    );
    assert!(delivered.iter().any(|it| it.tries > 1));
}

#[tokio::test]
async fn finished_deliveries_are_forgotten_after_thirty_days_and_counting_goes_on() {
    let world = World::start().await;
    let receiver = Receiver::start();
    let endpoint = listen_to(&world, &receiver, &["*"]).await;
    let payment = world.create("pm_card_visa").await;
    world.worker.drain().await.unwrap();
    let sent = receiver.got().len();
    // An id made 31 days ago: the first 48 bits are the milliseconds.
    let aged = "with aged as (
            select id, (lpad(to_hex((extract(epoch from now() - interval '31 days') * 1000)::bigint), 12, '0')
                        || substr(replace(id::text, '-', ''), 13))::uuid as old from delivery),
         tries as (update delivery_try set delivery_id = old from aged where delivery_id = id)
         update delivery set id = old from aged where delivery.id = aged.id";
    sqlx::query(aged)
        .execute(world.database.pool())
        .await
        .unwrap();
    sqlx::query(
        "update delivery set status = 'pending', next_try_at = now() + interval '1 hour', finished_at = null where sequence = 1",
    )
    .execute(world.database.pool())
    .await
    .unwrap();
    world.worker.delete_expired().await.unwrap();
    let left = deliveries(&world, &endpoint).await;
    assert_eq!(left.len(), 1, "what is not finished stays");
    assert_eq!(world.count("select count(*) from delivery_try").await, 1);

    let refund = Command::Refund {
        amount: None,
        reason: None,
    };
    world.command(payment, refund).await.unwrap();
    world.worker.drain().await.unwrap();
    let next = receiver.got()[sent].sequence();
    let sent = i64::try_from(sent).unwrap();
    assert!(next > sent, "{next} comes after {sent}");

    // A deleted endpoint leaves nothing behind in the end.
    let id = endpoint.id.uuid();
    world
        .engine
        .remove_webhook_endpoint(world.account, id)
        .await
        .unwrap();
    sqlx::query("update webhook_endpoint set updated_at = now() - interval '2 days'")
        .execute(world.database.pool())
        .await
        .unwrap();
    sqlx::query("delete from delivery")
        .execute(world.database.pool())
        .await
        .unwrap();
    world.worker.delete_expired().await.unwrap();
    for table in ["webhook_endpoint", "webhook_sequence", "webhook_secret"] {
        let count = sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(format!(
            "select count(*) from {table}"
        )));
        assert_eq!(
            count.fetch_one(world.database.pool()).await.unwrap(),
            0,
            "{table}"
        );
    }
}

/// Asks until `found`, for 20 s at most.
pub(crate) async fn until(what: &str, found: impl AsyncFn() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !found().await {
        assert!(
            tokio::time::Instant::now() < deadline,
            "{what}: not in time"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
