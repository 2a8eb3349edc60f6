//! An event that a receiver does not accept is sent again by the schedule, and never earlier.

use std::time::{Duration, SystemTime};

use contracts::webhook::{DeliveryStatus, DeliveryView, EndpointStatus};
use engine::Error;
use engine::delivery::EndpointChange;

use super::{deliveries, listen_to, until};
use crate::receiver::{Answer, Receiver};
use crate::world::World;

/// Seconds between a failed try and the next.
const SCHEDULE: [i64; 7] = [5, 300, 1800, 7200, 18_000, 36_000, 36_000];

/// A payment whose end is told to the receiver, at whose endpoint nothing else is.
async fn one_event(world: &World, receiver: &Receiver) -> contracts::webhook::WebhookEndpointView {
    let endpoint = listen_to(world, receiver, &["payment.succeeded"]).await;
    world.create("pm_card_visa").await;
    world.worker.drain().await.unwrap();
    endpoint
}

async fn only(world: &World, endpoint: &contracts::webhook::WebhookEndpointView) -> DeliveryView {
    let all = deliveries(world, endpoint).await;
    assert_eq!(all.len(), 1);
    let id = all[0].id.uuid();
    let read = world.engine.delivery(world.account, endpoint.id.uuid(), id);
    read.await.unwrap()
}

/// Lets this many seconds pass for the delivery that waits.
async fn pass(world: &World, seconds: i64) {
    sqlx::query(
        "update delivery set next_try_at = next_try_at - make_interval(secs => $1) where status = 'pending'",
    )
    .bind(f64::from(i32::try_from(seconds).unwrap()))
    .execute(world.database.pool())
    .await
    .unwrap();
}

/// Seconds from the last try to the next.
async fn waits(world: &World) -> f64 {
    sqlx::query_scalar(
        "select extract(epoch from next_try_at - started_at)::float8
         from delivery d join delivery_try t on t.delivery_id = d.id
         order by number desc limit 1",
    )
    .fetch_one(world.database.pool())
    .await
    .unwrap()
}

#[tokio::test]
async fn a_receiver_that_says_when_is_not_asked_earlier() {
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_hours(1));
    let cases = [
        (429, "60".to_owned(), 60.0..72.0),
        (503, "600".to_owned(), 600.0..670.0),
        (503, date, 3_300.0..3_970.0),
        (429, "99999999999999999999".to_owned(), 86_400.0..86_410.0),
        (429, "0".to_owned(), 5.0..10.6),
        (429, "when I am well".to_owned(), 5.0..10.6),
        // Only these two statuses mean that a later try may succeed.
        (500, "60".to_owned(), 5.0..10.6),
    ];
    for (status, value, expected) in cases {
        let world = World::start().await;
        let receiver = Receiver::start();
        receiver.answer([Answer::Later(status, value.clone())]);
        let endpoint = one_event(&world, &receiver).await;
        let waited = waits(&world).await;
        assert!(
            expected.contains(&waited),
            "{status} with Retry-After: {value} is followed after {waited} s"
        );
        world.drain().await;
        let delivery = only(&world, &endpoint).await;
        assert_eq!(delivery.status, DeliveryStatus::Delivered, "{value}");
    }
}

#[tokio::test]
async fn a_receiver_that_refuses_is_asked_eight_times_by_the_schedule() {
    let world = World::start().await;
    let receiver = Receiver::start();
    receiver.always(Some(Answer::Status(500, "out of mugs\0".repeat(100))));
    let endpoint = one_event(&world, &receiver).await;
    for (tries, pause) in (1..).zip(SCHEDULE) {
        assert_eq!(receiver.got().len(), tries);
        let waited = waits(&world).await;
        let seconds = f64::from(i32::try_from(pause).unwrap());
        assert!(
            waited >= seconds && waited <= seconds * 1.1 + 5.0,
            "try {tries} is followed after {waited} s, not {seconds}"
        );
        // A moment before its time it is not due, however the jitter fell.
        pass(&world, pause - 3).await;
        world.worker.drain().await.unwrap();
        assert_eq!(receiver.got().len(), tries, "sent before its time");
        pass(&world, 3 + pause / 10 + 5).await;
        world.worker.drain().await.unwrap();
    }
    assert_eq!(receiver.got().len(), 8);
    let delivery = only(&world, &endpoint).await;
    assert_eq!(delivery.status, DeliveryStatus::Failed);
    assert_eq!((delivery.tries, delivery.last_code), (8, Some(500)));
    assert_eq!(delivery.next_try_at, None);
    let log = delivery.log.unwrap();
    let numbers: Vec<i32> = log.iter().map(|it| it.number).collect();
    assert_eq!(numbers, (1..=8).rev().collect::<Vec<_>>());
    let body = log[0].response_body.as_deref().unwrap();
    assert_eq!(body.chars().count(), 500);
    assert!(body.starts_with("out of mugsout of mugs"));
    assert!(log[0].error.as_deref().unwrap().contains("500"));
    assert_eq!(world.open_work().await, 0);
    // Every try was the same message, under the same id.
    let got = receiver.got();
    assert!(
        got.iter()
            .all(|it| it.id == got[0].id && it.raw == got[0].raw)
    );
}

#[tokio::test]
async fn a_receiver_that_never_answers_costs_a_try_and_is_asked_again() {
    let world = World::start().await;
    let receiver = Receiver::start();
    receiver.answer([Answer::Never]);
    let endpoint = one_event(&world, &receiver).await;
    let waiting = only(&world, &endpoint).await;
    assert_eq!(waiting.status, DeliveryStatus::Pending);
    assert_eq!((waiting.tries, waiting.last_code), (1, None));
    let log = waiting.log.unwrap();
    assert!(
        log[0]
            .error
            .as_deref()
            .unwrap()
            .starts_with("no answer within")
    );
    world.drain().await;
    assert_eq!(
        only(&world, &endpoint).await.status,
        DeliveryStatus::Delivered
    );
}

#[tokio::test]
async fn a_receiver_that_is_not_there_is_named_as_the_cause() {
    let world = World::start().await;
    let mut receiver = Receiver::start();
    // Nobody listens on a port that was just given back.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    receiver.url = format!("http://{}/hooks", free.local_addr().unwrap());
    drop(free);
    let endpoint = one_event(&world, &receiver).await;
    let log = only(&world, &endpoint).await.log.unwrap();
    let error = log[0].error.as_deref().unwrap();
    assert!(error.starts_with("it cannot be reached"), "{error}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let world = World::start().await;
    let (receiver, other) = (Receiver::start(), Receiver::start());
    receiver.answer([Answer::Redirect(other.url.clone())]);
    let endpoint = one_event(&world, &receiver).await;
    let waiting = only(&world, &endpoint).await;
    assert_eq!(waiting.status, DeliveryStatus::Pending);
    assert_eq!(waiting.last_code, Some(307));
    assert!(other.got().is_empty());
}

#[tokio::test]
async fn a_receiver_that_is_gone_gets_nothing_until_it_is_enabled_again() {
    let world = World::start().await;
    let receiver = Receiver::start();
    let endpoint = listen_to(&world, &receiver, &["*"]).await;
    receiver.answer([Answer::status(500), Answer::status(410)]);
    world.create("pm_card_visa").await;
    world.drain().await;
    let now = world
        .engine
        .webhook_endpoint(world.account, endpoint.id.uuid())
        .await
        .unwrap();
    assert_eq!(now.status, EndpointStatus::Disabled);
    assert_eq!(now.disabled_reason.as_deref(), Some("gone"));
    let sent = receiver.got().len();
    let all = deliveries(&world, &endpoint).await;
    let count = |status| all.iter().filter(|it| it.status == status).count();
    assert_eq!(count(DeliveryStatus::Failed), 1);
    assert_eq!(count(DeliveryStatus::Pending), 0);
    assert!(count(DeliveryStatus::Skipped) > 0);
    let refused = world
        .engine
        .resend(world.account, endpoint.id.uuid(), all[0].id.uuid())
        .await;
    assert!(
        matches!(refused, Err(Error::EndpointDisabled)),
        "{refused:?}"
    );

    // What happens meanwhile is not kept for it.
    world.create("pm_card_visa").await;
    world.drain().await;
    assert_eq!(deliveries(&world, &endpoint).await.len(), all.len());
    assert_eq!(receiver.got().len(), sent);

    let enabled = EndpointChange {
        status: Some(EndpointStatus::Enabled),
        ..EndpointChange::default()
    };
    let changed = world
        .engine
        .change_webhook_endpoint(world.account, endpoint.id.uuid(), enabled)
        .await
        .unwrap();
    assert_eq!((changed.disabled_reason, changed.disabled_at), (None, None));
    world.create("pm_card_visa").await;
    world.drain().await;
    assert!(receiver.got().len() > sent);
}

#[tokio::test]
async fn an_old_address_that_is_gone_disables_no_new_one() {
    let world = World::start().await;
    let (old, new) = (Receiver::start(), Receiver::start());
    let release = std::sync::Arc::new(tokio::sync::Notify::new());
    old.answer([Answer::Held(410, release.clone())]);
    let endpoint = listen_to(&world, &old, &["payment.created"]).await;
    world.create("pm_card_visa").await;
    let worker = world.worker.clone();
    let working = tokio::spawn(async move { worker.drain().await });
    until("the call", async || !old.got().is_empty()).await;
    let address = engine::delivery::Guard::new(engine::delivery::Reach::Anywhere)
        .check(&new.url)
        .await
        .unwrap();
    let moved = EndpointChange {
        address: Some(address),
        ..EndpointChange::default()
    };
    let id = endpoint.id.uuid();
    let changed = world
        .engine
        .change_webhook_endpoint(world.account, id, moved);
    changed.await.unwrap();
    release.notify_one();
    tokio::time::timeout(Duration::from_secs(20), working)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    let now = world.engine.webhook_endpoint(world.account, id).await;
    assert_eq!(now.unwrap().status, EndpointStatus::Enabled);
    assert_eq!(only(&world, &endpoint).await.status, DeliveryStatus::Failed);
}
