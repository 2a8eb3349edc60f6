//! A merchant sends a test event to an endpoint, and sees what its receiver answered.

use std::time::Duration;

use contracts::webhook::{DeliveryStatus, DeliveryView, EndpointStatus, WebhookEndpointView};
use engine::Error;
use engine::delivery::EndpointChange;
use tokio::time::sleep;
use uuid::Uuid;

use super::{deliveries, listen_to};
use crate::receiver::{Answer, Receiver};
use crate::world::World;

/// Sends a test event while a worker works.
async fn send(world: &World, endpoint: &WebhookEndpointView) -> DeliveryView {
    let sending = world
        .engine
        .test_webhook_endpoint(world.account, endpoint.id.uuid());
    let working = async {
        loop {
            world.worker.drain().await.unwrap();
            sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        sent = sending => sent.unwrap(),
        () = working => unreachable!(),
    }
}

#[tokio::test]
async fn a_test_event_is_signed_sent_once_and_its_answer_is_shown_and_kept() {
    let world = World::start().await;
    let receiver = Receiver::start();
    // It asks for other events; the test event is sent all the same.
    let endpoint = listen_to(&world, &receiver, &["refund.*"]).await;
    receiver.answer([Answer::Status(200, "taken, thank you".to_owned())]);
    let sent = send(&world, &endpoint).await;
    assert_eq!(sent.status, DeliveryStatus::Delivered);
    let log = sent.log.clone().unwrap();
    assert_eq!(log.len(), 1);
    assert_eq!(log[0].code, Some(200));
    assert_eq!(log[0].response_body.as_deref(), Some("taken, thank you"));

    let got = receiver.got().pop().unwrap();
    assert!(got.is_signed_with(endpoint.secret.as_deref().unwrap()));
    assert_eq!(got.kind(), "endpoint.test");
    assert_eq!(got.id, sent.id.to_string());
    assert_eq!(got.payment(), sent.payment_id.to_string());
    assert_eq!(got.body["data"]["endpoint_id"], endpoint.id.to_string());
    let payment = world.engine.payment(world.account, sent.payment_id.uuid());
    assert!(payment.await.unwrap().is_none());
    let kept = deliveries(&world, &endpoint).await;
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].id, sent.id);
}

#[tokio::test]
async fn a_test_event_that_fails_is_not_tried_again_by_itself() {
    let world = World::start().await;
    let receiver = Receiver::start();
    let endpoint = listen_to(&world, &receiver, &["*"]).await;
    receiver.answer([Answer::Status(500, "broken".to_owned())]);
    let sent = send(&world, &endpoint).await;
    assert_eq!(sent.status, DeliveryStatus::Failed);
    assert_eq!(sent.last_code, Some(500));
    world.drain().await;
    assert_eq!(receiver.got().len(), 1);

    // Its merchant may send it again; every try sends the same bytes.
    let id = endpoint.id.uuid();
    world
        .engine
        .resend(world.account, id, sent.id.uuid())
        .await
        .unwrap();
    world.drain().await;
    let got = receiver.got();
    assert_eq!(got.len(), 2);
    assert_eq!(got[0].raw, got[1].raw);
}

#[tokio::test]
async fn a_test_event_waits_for_a_worker_and_a_second_one_does_not_pile_up() {
    let world = World::start().await;
    let receiver = Receiver::start();
    let endpoint = listen_to(&world, &receiver, &["*"]).await;
    let id = endpoint.id.uuid();
    let test = || world.engine.test_webhook_endpoint(world.account, id);
    let first = test().await.unwrap();
    assert_eq!(first.status, DeliveryStatus::Pending);
    let second = send(&world, &endpoint).await;
    assert_eq!(second.id, first.id);
    assert_eq!(second.status, DeliveryStatus::Delivered);
    assert_eq!(receiver.got().len(), 1);

    let stranger = world.engine.test_webhook_endpoint(Uuid::now_v7(), id);
    assert!(matches!(stranger.await, Err(Error::NotFound)));
    let disable = EndpointChange {
        address: None,
        description: None,
        enabled_events: None,
        status: Some(EndpointStatus::Disabled),
    };
    let disabled = world
        .engine
        .change_webhook_endpoint(world.account, id, disable);
    disabled.await.unwrap();
    assert!(matches!(test().await, Err(Error::EndpointDisabled)));
}
