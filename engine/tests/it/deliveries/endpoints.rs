//! Endpoints and their secrets, and sending again.

use std::time::Duration;

use contracts::webhook::{DeliveryStatus, EndpointStatus};
use engine::Error;
use engine::delivery::{EndpointChange, MOST_ENDPOINTS};

use super::{FIRST, deliveries, listen_to};
use crate::receiver::{Answer, Receiver};
use crate::world::World;

#[tokio::test]
async fn both_secrets_sign_until_the_old_one_ends() {
    let world = World::start().await;
    let receiver = Receiver::start();
    let endpoint = listen_to(&world, &receiver, &["payment.created"]).await;
    let (id, old) = (endpoint.id.uuid(), endpoint.secret.unwrap());
    let rotate = async |overlap| {
        let rotated = world
            .engine
            .rotate_webhook_secret(world.account, id, overlap)
            .await;
        rotated.unwrap().secret.unwrap()
    };
    let last = async || {
        world.create("pm_card_visa").await;
        world.worker.drain().await.unwrap();
        receiver.got().pop().unwrap()
    };
    let signatures = |got: &crate::receiver::Got| {
        got.headers["webhook-signature"]
            .to_str()
            .unwrap()
            .split(' ')
            .count()
    };
    assert_eq!(signatures(&last().await), 1);

    let new = rotate(Duration::from_hours(24)).await;
    assert_ne!(old, new);
    let got = last().await;
    assert!(got.is_signed_with(&old) && got.is_signed_with(&new));
    assert_eq!(signatures(&got), 2);

    // A day later.
    sqlx::query("update webhook_secret set ends_at = ends_at - interval '25 hours'")
        .execute(world.database.pool())
        .await
        .unwrap();
    let got = last().await;
    assert!(!got.is_signed_with(&old) && got.is_signed_with(&new));

    // One that leaked ends at once, and so does what was still signing beside it.
    rotate(Duration::from_hours(24)).await;
    let newest = rotate(Duration::ZERO).await;
    let got = last().await;
    assert!(!got.is_signed_with(&new) && got.is_signed_with(&newest));
    assert_eq!(signatures(&got), 1);

    // However often it is rotated, the header stays short.
    for _ in 0..10 {
        rotate(Duration::from_hours(24)).await;
    }
    assert_eq!(signatures(&last().await), 5);
}

#[tokio::test]
async fn rotations_at_the_same_moment_come_one_after_the_other() {
    let world = World::start().await;
    let receiver = Receiver::start();
    let endpoint = listen_to(&world, &receiver, &["*"]).await;
    let rotations = (0..4).map(|_| {
        world.engine.rotate_webhook_secret(
            world.account,
            endpoint.id.uuid(),
            Duration::from_hours(1),
        )
    });
    for rotated in futures::future::join_all(rotations).await {
        assert!(rotated.unwrap().secret.is_some());
    }
    let current = "select count(*) from webhook_secret where ends_at is null";
    assert_eq!(world.count(current).await, 1);
}

#[tokio::test]
async fn a_delivery_is_sent_again_with_the_same_id_and_once_if_asked_twice() {
    let world = World::start().await;
    let receiver = Receiver::start();
    let endpoint = listen_to(&world, &receiver, &["payment.succeeded"]).await;
    world.create("pm_card_visa").await;
    world.worker.drain().await.unwrap();
    let (endpoint_id, delivery) = (
        endpoint.id.uuid(),
        deliveries(&world, &endpoint).await[0].id.uuid(),
    );
    let resend = || world.engine.resend(world.account, endpoint_id, delivery);
    let (one, other) = tokio::join!(resend(), resend());
    assert_eq!(one.unwrap().status, DeliveryStatus::Pending);
    other.unwrap();
    assert_eq!(world.open_work().await, 1);
    world.worker.drain().await.unwrap();
    let got = receiver.got();
    assert_eq!(got.len(), 2);
    assert_eq!(got[0].id, got[1].id);
    assert_eq!(got[0].raw, got[1].raw);
    let again = world
        .engine
        .delivery(world.account, endpoint_id, delivery)
        .await;
    let again = again.unwrap();
    assert_eq!((again.status, again.tries), (DeliveryStatus::Delivered, 2));

    // One that waits for hours is brought forward.
    receiver.answer([Answer::status(500)]);
    resend().await.unwrap();
    world.worker.drain().await.unwrap();
    sqlx::query("update delivery set next_try_at = now() + interval '9 hours'")
        .execute(world.database.pool())
        .await
        .unwrap();
    resend().await.unwrap();
    world.worker.drain().await.unwrap();
    assert_eq!(receiver.got().len(), 4);

    // One that failed begins the schedule anew.
    receiver.answer([Answer::status(500)]);
    sqlx::query(
        "update delivery set status = 'failed', next_try_at = null, finished_at = now(), failures = 7",
    )
    .execute(world.database.pool())
    .await
    .unwrap();
    resend().await.unwrap();
    world.worker.drain().await.unwrap();
    assert_eq!(receiver.got().len(), 5);
    let waiting = world
        .engine
        .delivery(world.account, endpoint_id, delivery)
        .await;
    assert_eq!(waiting.unwrap().status, DeliveryStatus::Pending);
    resend().await.unwrap();
    world.worker.drain().await.unwrap();
    assert_eq!(receiver.got().len(), 6);
    assert_eq!(world.open_work().await, 0);
}

#[tokio::test]
async fn an_account_has_at_most_sixteen_endpoints_however_they_are_made() {
    let world = World::start().await;
    let receiver = Receiver::start();
    let address = engine::delivery::Guard::new(engine::delivery::Reach::Anywhere)
        .check(&receiver.url)
        .await
        .unwrap();
    let new = engine::delivery::NewEndpoint {
        address,
        description: None,
        enabled_events: vec!["*".into()],
    };
    let made = (0..MOST_ENDPOINTS + 4).map(|_| {
        world
            .engine
            .add_webhook_endpoint(world.account, new.clone())
    });
    let made = futures::future::join_all(made).await;
    let refused: Vec<_> = made.iter().filter(|it| it.is_err()).collect();
    assert_eq!(refused.len(), 4);
    assert!(
        refused
            .iter()
            .all(|it| matches!(it, Err(Error::TooManyEndpoints { most: 16 })))
    );
    let (listed, more) = world
        .engine
        .webhook_endpoints(world.account, &FIRST)
        .await
        .unwrap();
    assert_eq!((listed.len(), more), (MOST_ENDPOINTS, false));
    assert!(listed.iter().all(|it| it.secret.is_none()));

    // A deleted one makes room.
    let id = listed[3].id.uuid();
    world
        .engine
        .remove_webhook_endpoint(world.account, id)
        .await
        .unwrap();
    let gone = world.engine.webhook_endpoint(world.account, id).await;
    assert!(matches!(gone, Err(Error::NotFound)));
    let again = world
        .engine
        .remove_webhook_endpoint(world.account, id)
        .await;
    assert!(matches!(again, Err(Error::NotFound)));
    let made = world.engine.add_webhook_endpoint(world.account, new);
    made.await.unwrap();
}

#[tokio::test]
async fn what_waits_for_an_endpoint_that_is_disabled_or_deleted_is_skipped() {
    let world = World::start().await;
    for delete in [false, true] {
        let receiver = Receiver::start();
        receiver.always(Some(Answer::status(500)));
        let endpoint = listen_to(&world, &receiver, &["payment.created"]).await;
        let id = endpoint.id.uuid();
        world.create("pm_card_visa").await;
        world.worker.drain().await.unwrap();
        if delete {
            let removed = world.engine.remove_webhook_endpoint(world.account, id);
            removed.await.unwrap();
        } else {
            let disabled = EndpointChange {
                status: Some(EndpointStatus::Disabled),
                ..EndpointChange::default()
            };
            let changed = world
                .engine
                .change_webhook_endpoint(world.account, id, disabled);
            let changed = changed.await.unwrap();
            assert_eq!(changed.disabled_reason.as_deref(), Some("requested"));
        }
        world.drain().await;
        assert_eq!(receiver.got().len(), 1);
        let statuses: Vec<String> =
            sqlx::query_scalar("select status from delivery where endpoint_id = $1")
                .bind(id)
                .fetch_all(world.database.pool())
                .await
                .unwrap();
        assert_eq!(statuses, ["skipped"]);
        assert_eq!(world.open_work().await, 0);
    }
}
